"""Tests that need both frameworks in one process: the same numbers, and files that go both ways."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from .base import Suite, of_shared_code, once
from .models import FILES, FLAGS, OTHERS, Backend, read_safetensors
from .models_tf import TFBackend
from .models_torch import TorchBackend
from .spec import assert_close, leaves

TOLERANCE = 1e-5  # of the largest output, in float32

# Keras has one backend a process.
KERAS_ON_PYTORCH = """
import importlib, json, sys
import keras
import numpy as np

flags = json.loads(sys.argv[1])
for module, name, folder in json.loads(sys.argv[2]):
    def run(model, **keywords):
        outputs = keras.tree.flatten(model({**inputs, **labels}, **keywords))
        return [keras.ops.convert_to_numpy(output) for output in outputs if output is not None]

    model = getattr(importlib.import_module(module), name).from_pretrained(f"{folder}/model")
    inputs, labels = (dict(np.load(f"{folder}/{kind}.npz")) for kind in ("inputs", "labels"))
    np.savez(f"{folder}/outputs.npz", *run(model, **flags))
    model.compile("adam", "mse")
    model.fit(inputs, np.zeros(model(inputs)[0].shape, "float32"), verbose=0)
    model.save(f"{folder}/model.keras")
    for one, two in zip(run(model), run(keras.models.load_model(f"{folder}/model.keras")), strict=True):
        np.testing.assert_array_equal(one, two)
"""


class BothCoreSuite(Suite):
    """What is compared in every variant of the configuration."""

    torch: ClassVar[TorchBackend] = TorchBackend(skip_padding=False)  # Keras computes padding too
    tf: ClassVar[TFBackend] = TFBackend()
    _pairs: ClassVar[dict[str, tuple[Any, Any]]] = {}

    def pair(self, task: str) -> tuple[Any, Any]:
        """The two models of a task, loaded from one file; no test changes them."""
        key = self.spec.key(task)
        if key not in self._pairs:
            folder = str(self.torch.randomised(self.spec, task))
            classes = (backend.model_class(self.spec, task) for backend in (self.torch, self.tf))
            one, two = (cls.from_pretrained(folder) for cls in classes)
            self._pairs[key] = one, two
        return self._pairs[key]

    def _agree(self, task: str, inputs: Any, *, tolerance: float = TOLERANCE, models: Any = None, **flags: Any) -> None:
        one, two = models or self.pair(task)
        wanted = self.torch.run(one, inputs, **flags)
        found = self.tf.run(two, inputs, **flags)
        assert list(found) == list(wanted)
        for name, value in wanted.items():
            assert_close(found[name], value, tolerance, name)

    def test_same_outputs(self, task: str) -> None:
        """Right-padded, with token types, labels, hidden states and attentions."""
        self._agree(task, {**self.spec.inputs(task), **self.spec.make_labels(task)}, **FLAGS)

    def test_same_outputs_without_optional_inputs(self, task: str) -> None:
        self._agree(task, {"input_ids": self.spec.inputs(task)["input_ids"]})

    def test_same_outputs_with_a_head_mask(self) -> None:
        mask = np.ones((self.spec.layers(), self.spec.heads()), np.float32)
        mask[0, 1] = 0
        self._agree("base", {**self.spec.inputs("base"), "head_mask": mask}, **FLAGS)

    def test_same_outputs_left_padded(self) -> None:
        self.needs_padding()
        inputs = {name: array[:, ::-1].copy() for name, array in self.spec.inputs("base").items()}
        self._agree("base", inputs, **FLAGS)

    def test_same_gradients(self, task: str) -> None:
        inputs = {**self.spec.inputs(task), **self.spec.make_labels(task)}
        one, two = self.pair(task)
        wanted, found = self.torch.gradients(one, inputs), self.tf.gradients(two, inputs)
        assert set(wanted) == set(found)
        # PyTorch gives what is looked up for padding no gradient, Keras does; all else is compared.
        for path, module in one.named_modules():
            if getattr(module, "padding_idx", None) is not None:
                name = self.torch.published(one, f"{path}.weight")
                for gradients in (wanted, found):
                    if (gradient := gradients[name]) is not None:
                        gradients[name] = np.delete(gradient, module.padding_idx, axis=0)
        largest = max(float(np.abs(gradient).max()) for gradient in wanted.values() if gradient is not None)
        for name, gradient in wanted.items():
            if gradient is None:
                assert found[name] is None or not np.any(found[name]), name
            elif found[name] is None:
                assert not gradient.any(), f"{name} has no gradient in TensorFlow"
            else:  # one that is 0 may be rounding there
                assert float(np.abs(found[name] - gradient).max()) <= 5e-5 * largest, name

    def test_same_number_of_parameters(self, task: str) -> None:
        one, two = self.pair(task)
        assert two.num_parameters() == one.num_parameters()
        assert set(self.tf.arrays(two)) == set(self.torch.arrays(one))

    def test_same_pruned_outputs(self) -> None:
        self.needs_pruning()
        folder = str(self.torch.randomised(self.spec, "base"))
        models = [b.model_class(self.spec, "base").from_pretrained(folder) for b in (self.torch, self.tf)]
        for model in models:
            model.prune_heads({0: [0, 2], -1: [1]})
        self._agree("base", self.spec.inputs("base"), models=models, **FLAGS)

    def test_torch_to_tf(self, task: str, tmp_path: Path) -> None:
        self._across(task, "safetensors", tmp_path, self.torch, self.tf, 0)

    def test_tf_to_torch(self, task: str, tmp_path: Path) -> None:
        self._across(task, "safetensors", tmp_path, self.tf, self.torch, 1)

    @of_shared_code
    @pytest.mark.parametrize("file_format", OTHERS)
    def test_torch_to_tf_in_other_formats(self, task: str, file_format: str, tmp_path: Path) -> None:
        self._across(task, file_format, tmp_path, self.torch, self.tf, 0)

    @of_shared_code
    @pytest.mark.parametrize("file_format", OTHERS)
    def test_tf_to_torch_in_other_formats(self, task: str, file_format: str, tmp_path: Path) -> None:
        self._across(task, file_format, tmp_path, self.tf, self.torch, 1)

    def _across(self, task: str, file_format: str, folder: Path, writer: Backend, reader: Backend, which: int) -> None:
        model = self.pair(task)[which]
        model.save_pretrained(str(folder), format=file_format)
        flag = "from_tf" if reader is self.torch else "from_pt"
        loaded, report = reader.model_class(self.spec, task).from_pretrained(
            str(folder), output_loading_info=True, **{flag: file_format != "safetensors"}
        )
        assert not any(report.values()), dict(report)
        wanted = writer.arrays(model)
        for name, array in reader.arrays(loaded).items():
            np.testing.assert_array_equal(array, wanted[name], err_msg=name)
        inputs = self.spec.inputs(task)
        expected = writer.run(model, inputs)
        for name, value in reader.run(loaded, inputs).items():
            assert_close(value, expected[name], TOLERANCE, name)

    def test_same_files(self, task: str, tmp_path: Path) -> None:
        """Both frameworks write the same arrays under the same names; the configuration is the same to the byte."""
        saved = []
        for name, model in zip(("torch", "tf"), self.pair(task), strict=True):
            model.save_pretrained(str(tmp_path / name))
            saved.append(read_safetensors(tmp_path / name / FILES["safetensors"]))
        assert set(saved[0]) == set(saved[1])
        for name, array in saved[0].items():
            np.testing.assert_array_equal(saved[1][name], array, err_msg=name)
        texts = [re.sub(r'"TF', '"', (tmp_path / n / "config.json").read_text()) for n in ("torch", "tf")]
        assert texts[0] == texts[1]


class BothSuite(BothCoreSuite):
    """PyTorch and TensorFlow compared, class by class."""

    def test_same_arguments(self, task: str) -> None:
        """With the same defaults, and in the same order unless the classes of 2019 differ.

        PyTorch can skip padding, Keras is told of training.
        """
        found = []
        for backend, method, own in ((self.torch, "forward", "skip_padding"), (self.tf, "call", "training")):
            taken = dict(inspect.signature(getattr(backend.model_class(self.spec, task), method)).parameters)
            assert own in taken
            del taken[own]
            found.append([(name, each.kind, each.default) for name, each in taken.items()])
        if task in {*self.spec.orders, *self.spec.tf_orders}:
            found = [sorted(each) for each in found]
        assert found[0] == found[1]

    def test_same_outputs_of_decoders(self) -> None:
        if not self.spec.cross_attention:
            pytest.skip("does not apply: no cross-attention")
        folder = str(self.torch.randomised(self.spec, "base", is_decoder=True))
        models = tuple(b.model_class(self.spec, "base").from_pretrained(folder) for b in (self.torch, self.tf))
        rng = np.random.default_rng(3)
        states = rng.standard_normal((3, 9, models[0].config.hidden_size)).astype(np.float32)
        keep = (np.arange(9) < np.array([9, 4, 6])[:, None]).astype(np.int64)
        crossed = {**self.spec.inputs("base"), "encoder_hidden_states": states, "encoder_attention_mask": keep}
        self._agree("base", crossed, models=models, **FLAGS)
        self._agree("base", self.spec.inputs("base"), models=models, **FLAGS)

    @pytest.mark.parametrize(
        "activation", ["gelu", "relu", "swish", "gelu_new", "tanh", "gelu_fast", "quick_gelu", "mish"]
    )
    def test_same_activations(self, activation: str) -> None:
        config = self.spec.make_config()
        name = self.spec.activation
        if name is None or not hasattr(config, name):
            pytest.skip("does not apply: the activation is fixed")
        folder = str(self.torch.randomised(self.spec, "base", **{name: activation}))
        models = tuple(b.model_class(self.spec, "base").from_pretrained(folder) for b in (self.torch, self.tf))
        self._agree("base", self.spec.inputs("base"), models=models)

    @once
    def test_pytorch_as_the_backend_of_keras(self, tmp_path: Path) -> None:
        """The Keras models are pure Keras: with another backend they give the same, train, and are saved by Keras."""
        jobs, tasks = [], self.spec.representatives()
        for task in tasks:
            folder, model = tmp_path / task, self.pair(task)[1]
            model.save_pretrained(folder / "model")
            for name, arrays in (("inputs", self.spec.inputs(task)), ("labels", self.spec.make_labels(task))):
                np.savez(folder / f"{name}.npz", allow_pickle=False, **arrays)
            jobs.append((type(model).__module__, type(model).__name__, str(folder)))
        command = [sys.executable, "-c", KERAS_ON_PYTORCH, json.dumps(FLAGS), json.dumps(jobs)]
        done = subprocess.run(command, env={**os.environ, "KERAS_BACKEND": "torch"}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        for task in tasks:
            inputs = {**self.spec.inputs(task), **self.spec.make_labels(task)}
            wanted = leaves(self.tf.run(self.pair(task)[1], inputs, **FLAGS))
            with np.load(tmp_path / task / "outputs.npz") as found:
                for (name, value), key in zip(wanted.items(), found.files, strict=True):
                    assert_close(found[key], value, TOLERANCE, f"{task} {name}")

    def test_same_refusals(self) -> None:
        """A wrong input is refused in the same words (Keras adds its own)."""
        ids = self.spec.inputs("base")["input_ids"]
        wrong: list[dict[str, Any]] = [
            {"input_ids": ids, "head_mask": np.ones((self.spec.layers() + 1, self.spec.heads()), np.float32)},
            {"head_mask": np.ones((self.spec.layers(), self.spec.heads()), np.float32)},
        ]
        if self.spec.padded:
            wrong.append({"input_ids": ids, "attention_mask": np.ones((len(ids), 3), np.int64)})
            wrong.append({"attention_mask": np.ones_like(ids)})
        if not self.spec.any_axes:
            wrong.append({"input_ids": ids[0]})
        for inputs in wrong:
            messages = []
            for backend, model in zip((self.torch, self.tf), self.pair("base"), strict=True):
                with pytest.raises(ValueError) as caught:
                    backend.run(model, inputs)
                messages.append(str(caught.value))
            assert messages[0] in messages[1]
