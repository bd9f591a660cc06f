"""Tests of models that both frameworks share. They see models through a small :class:`Backend` only."""

from __future__ import annotations

import atexit
import hashlib
import itertools
import json
import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from tx_testing.server import Fault, HubServer, Request, download_environment

from .base import Suite
from .spec import (
    CHOICES,
    LENGTHS,
    SEQUENCE,
    Array,
    ModelSpec,
    assert_close,
    at_tokens,
    leaves,
    load,
    random_like,
    trimmed,
)

FILES = {"safetensors": "model.safetensors", "bin": "pytorch_model.bin", "h5": "tf_model.h5"}
FLAGS = {"output_hidden_states": True, "output_attentions": True}
SAME = 1e-5  # of the largest output: two ways to compute the same in float32


@cache
def temporary_root() -> Path:
    """A folder that goes away with the process."""
    folder = Path(tempfile.mkdtemp(prefix="tx-testing-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def read_safetensors(path: Path) -> dict[str, Array]:
    from safetensors.numpy import load_file

    return dict(load_file(path))


def write_safetensors(path: Path, arrays: Mapping[str, Array]) -> None:
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path, metadata={"format": "pt"})


def edited(source: Path, target: Path, edit: Callable[[dict[str, Array]], None]) -> Path:
    """A copy of a saved model's folder whose arrays ``edit`` has changed."""
    shutil.copytree(source, target)
    arrays = read_safetensors(target / FILES["safetensors"])
    edit(arrays)
    write_safetensors(target / FILES["safetensors"], arrays)
    return target


def edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


class Backend(ABC):
    """A framework as the suites see it: models in, NumPy out."""

    name: ClassVar[str]
    load_flags: ClassVar[Mapping[str, Mapping[str, bool]]]  # file format → what from_pretrained needs to be told

    @abstractmethod
    def model_class(self, spec: ModelSpec, task: str) -> Any: ...

    @abstractmethod
    def tensor(self, array: Array) -> Any: ...

    @abstractmethod
    def numpy(self, tensor: Any) -> Array: ...

    @abstractmethod
    def call(self, model: Any, inputs: Mapping[str, Any], **flags: Any) -> Any:
        """The model's own output for arrays, without gradients."""

    @abstractmethod
    def arrays(self, model: Any) -> dict[str, Array]:
        """Published name, with the architecture's prefix → values in the published layout; tied parameters once."""

    @abstractmethod
    def embedding(self, layer: Any) -> Array:
        """The matrix of an embedding layer, or of the output layer in the published layout (vocabulary, hidden)."""

    @abstractmethod
    def set_embedding(self, layer: Any, values: Array) -> None: ...

    @abstractmethod
    def gradients(self, model: Any, inputs: Mapping[str, Array], **extra: Any) -> dict[str, Array | None]:
        """As :meth:`arrays`, the gradient of the loss (without labels: of the mean square of all outputs)."""

    @abstractmethod
    def input_gradient(self, model: Any, inputs: Mapping[str, Array], name: str) -> Array | None:
        """Gradient of the same with respect to the input ``name``."""

    def run(self, model: Any, inputs: Mapping[str, Any], **flags: Any) -> dict[str, Any]:
        """Field → NumPy array, or tuple of arrays, in the output's order."""
        return self.named(self.call(model, inputs, **flags))

    def named(self, output: Any) -> dict[str, Any]:
        return {name: self._numpy(value) for name, value in zip(output._fields, output, strict=True)}

    def _numpy(self, value: Any) -> Any:
        return tuple(self._numpy(item) for item in value) if isinstance(value, tuple | list) else self.numpy(value)

    def randomised(self, spec: ModelSpec, task: str, **config: Any) -> Path:
        """A saved model of random weights, biases and normalisations included; the same for the same arguments."""
        key = f"{self.name} {spec.architecture} {task} {json.dumps([dict(spec.config), config], sort_keys=True)}"
        return self._randomised(spec, task, config, key)

    def _randomised(self, spec: ModelSpec, task: str, config: Mapping[str, Any], key: str) -> Path:
        folder = temporary_root() / hashlib.sha256(key.encode()).hexdigest()[:16]
        if not folder.exists():
            model = self.model_class(spec, task)(spec.make_config(**{**spec.task_config.get(task, {}), **config}))
            model.save_pretrained(folder)
            weights = folder / FILES["safetensors"]
            table, prefix = type(model).weight_table, type(model).base_model_prefix
            arrays = {}
            for name, array in read_safetensors(weights).items():
                # The base model's names lack the prefix: with it, equal parameters get equal values in every class.
                published = table.published(name)
                arrays[name] = random_like(published or f"{prefix}.{name}", array)
            write_safetensors(weights, arrays)
        return folder


class Models(Suite):
    """The models that a suite tests, in the framework of its ``backend``."""

    backend: ClassVar[Backend]
    _shared: ClassVar[dict[tuple[str, str, str], Any]] = {}

    def cls(self, task: str) -> Any:
        return self.backend.model_class(self.spec, task)

    def folder(self, task: str, **config: Any) -> Path:
        return self.backend.randomised(self.spec, task, **config)

    def model(self, task: str, **changes: Any) -> Any:
        """A loaded random model that the test may change."""
        return self.cls(task).from_pretrained(str(self.folder(task)), **changes)

    def shared(self, task: str) -> Any:
        """A loaded random model that several tests read and none changes."""
        key = (self.backend.name, self.spec.architecture, task)
        if key not in self._shared:
            self._shared[key] = self.model(task)
        return self._shared[key]

    def run(self, model: Any, inputs: Mapping[str, Any], **flags: Any) -> dict[str, Any]:
        return self.backend.run(model, inputs, **flags)

    def tasks(self) -> list[str]:
        return list(self.spec.class_names())

    def published(self, task: str, name: str) -> str:
        """A parameter's name with the architecture's prefix."""
        full = self.cls(task).weight_table.published(name)
        assert full is not None, f"{name} of {self.cls(task).__name__} is in no row of the weight table"
        return str(full)

    def a_head(self) -> tuple[str, tuple[str, ...]]:
        """A task with a documented new head, and the prefixes of the head's parameters."""
        for task, prefixes in self.spec.new_heads.items():
            return task, prefixes
        pytest.skip("does not apply: no class of this architecture adds a head to the base model's checkpoint")


class ModelSuite(Models):
    """Standard tests that are the same in both frameworks."""

    # --- outputs

    def test_outputs_are_named_tuples(self, task: str) -> None:
        inputs, labels = self.spec.inputs(task), self.spec.make_labels(task)
        output: Any = self.backend.call(self.shared(task), inputs)
        assert type(output) is not tuple
        assert issubclass(type(output), tuple)
        assert "loss" not in output._fields
        assert getattr(output, output._fields[0]) is output[0]
        with pytest.raises(AttributeError, match="attentions"):
            output.attentions  # noqa: B018
        if labels:
            labelled = self.backend.call(self.shared(task), {**inputs, **labels}, **FLAGS)
            assert labelled._fields == ("loss", *output._fields, "hidden_states", "attentions")
            assert self.backend.numpy(labelled[0]).shape == ()
            assert np.isfinite(self.backend.numpy(labelled.loss))
            mask = inputs["attention_mask"]
            found, wanted = (at_tokens(self.backend.numpy(each), mask) for each in (labelled[1], output[0]))
            assert_close(found, wanted, SAME)

    def test_hidden_states_and_attentions(self, task: str) -> None:
        inputs = self.spec.inputs(task)
        mask = inputs["attention_mask"].reshape(-1, SEQUENCE)
        rows, layers, heads = len(mask), self.spec.layers(), self.spec.heads()
        plain = self.run(self.shared(task), inputs)
        full = self.run(self.shared(task), inputs, **FLAGS)
        *first, hidden_states, attentions = full.values()
        assert list(full)[-2:] == ["hidden_states", "attentions"]
        assert len(first) == len(plain)
        given, found = (leaves(each) for each in (plain, full))
        for name, value in given.items():
            assert_close(at_tokens(found[name], mask), at_tokens(value, mask), SAME, name)
        assert len(hidden_states) == layers + 1
        assert {h.shape for h in hidden_states} == {(rows, SEQUENCE, int(self.shared(task).config.hidden_size))}
        assert len(attentions) == layers
        for weights in attentions:
            assert weights.shape == (rows, heads, SEQUENCE, SEQUENCE)
            np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
            assert np.abs(weights * (1 - mask[:, None, None, :])).max() < 1e-12, "padding is attended to"
        if task == "base":
            np.testing.assert_array_equal(full["last_hidden_state"], hidden_states[-1])
        for one, other in itertools.pairwise(hidden_states):
            assert np.abs(one - other).max() > 1e-2, "a layer's output is its input"

    def test_flags_in_the_configuration(self) -> None:
        wanted = self.run(self.shared("base"), self.spec.inputs("base"), **FLAGS)
        model = self.model("base", **FLAGS)
        assert model.config.output_attentions
        output = self.run(model, self.spec.inputs("base"))
        assert list(output) == list(wanted)
        for name, value in wanted.items():
            assert_close(output[name], value, 1e-7, name)
        off = self.run(model, self.spec.inputs("base"), output_attentions=False)
        assert list(off) == list(wanted)[:-1]

    def test_loss_ignores_labels_of_both_conventions(self, task: str) -> None:
        """-100 and, as in 2019, -1."""
        kinds = self.spec.label_keywords(task)
        inputs, labels = self.spec.inputs(task), self.spec.make_labels(task)
        if not any(kinds[name].startswith("token") for name in labels):
            return
        old = {name: np.where(label == -100, -1, label) for name, label in labels.items()}
        loss = self.run(self.shared(task), {**inputs, **labels})["loss"]
        assert self.run(self.shared(task), {**inputs, **old})["loss"] == loss
        nothing = {n: np.full_like(v, -100) if kinds[n].startswith("token") else v for n, v in labels.items()}
        assert np.isfinite(self.run(self.shared(task), {**inputs, **nothing})["loss"]), "no label is left: not a number"

    # --- padding

    def _each_alone(self, task: str, batch: Mapping[str, Array], *, left: bool) -> None:
        model = self.shared(task)
        together = self.run(model, batch, **FLAGS)
        source = self.spec.inputs(task)
        for row in range(len(source["input_ids"])):
            alone = {name: array[row : row + 1] for name, array in source.items()}
            if task == "multiple-choice":
                # The choices of one question differ in length: only the question as a whole is one row.
                single = self.run(model, alone)
                assert_close(together["logits"][row : row + 1], single["logits"], SAME, f"row {row} logits")
                continue
            length = LENGTHS[row]
            alone = {name: array[:, :length] for name, array in alone.items()}
            del alone["attention_mask"]
            for name, value in self.run(model, alone, **FLAGS).items():
                layers = value if isinstance(value, tuple) else (value,)
                of_batch = together[name] if isinstance(value, tuple) else (together[name],)
                for layer, (one, many) in enumerate(zip(layers, of_batch, strict=True)):
                    cut = trimmed(np.take(many, [row], self.spec.batch_axes.get(name, 0)), length, left=left)
                    assert_close(cut, one, SAME, f"row {row}, {name}[{layer}]")

    def test_batch_equals_single(self, task: str) -> None:
        self._each_alone(task, self.spec.inputs(task), left=False)

    def test_left_padding_equals_unpadded(self, task: str) -> None:
        inputs = self.spec.inputs(task)
        mask = inputs["attention_mask"]
        shift = SEQUENCE - mask.sum(-1)
        order = (np.arange(SEQUENCE) - shift[..., None]) % SEQUENCE
        self._each_alone(task, {n: np.take_along_axis(a, order, -1) for n, a in inputs.items()}, left=True)

    # --- inputs

    def test_inputs_embeds(self, task: str) -> None:
        inputs = self.spec.inputs(task)
        model = self.shared(task)
        wanted = self.run(model, inputs)
        table = self.backend.embedding(model.get_input_embeddings())
        embedded = {**inputs, "inputs_embeds": table[inputs["input_ids"]]}
        del embedded["input_ids"]
        for name, value in self.run(model, embedded).items():
            assert_close(value, wanted[name], 1e-6, name)

    def test_defaults_of_optional_inputs(self) -> None:
        ids = self.spec.inputs("base")["input_ids"]
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        if "token_type_ids" in self.spec.arguments and self.spec.zero_token_types:
            given["token_type_ids"] = np.zeros_like(ids)
        wanted = self.run(self.shared("base"), given)
        for name, value in self.run(self.shared("base"), {"input_ids": ids}).items():
            assert_close(value, wanted[name], SAME, name)

    @pytest.mark.parametrize("axes", [(), (1, 3), (3, 1, 1)], ids=str)
    def test_ids_of_any_axes(self, axes: tuple[int, ...]) -> None:
        """Outputs have the axes of the ids; past, where there is one, is that of all rows."""
        if not self.spec.any_axes:
            pytest.skip("does not apply: ids are (B, S)")
        for task in ("base", "causal-lm"):
            inputs = {name: array[:1] if axes == () else array for name, array in self.spec.inputs(task).items()}
            if task == "causal-lm":
                inputs["labels"] = inputs["input_ids"]
            wanted = leaves(self.run(self.shared(task), inputs, **FLAGS))
            shaped = {name: array.reshape(*axes, SEQUENCE) for name, array in inputs.items()}
            found = leaves(self.run(self.shared(task), shaped, **FLAGS))
            assert list(found) == list(wanted)
            for name, rows in wanted.items():
                of_rows = name.partition("[")[0] in (*self.spec.batch_axes, "loss")
                shape = rows.shape if of_rows else (*axes, *rows.shape[1:])
                assert found[name].shape == shape, name
                assert_close(found[name], rows.reshape(shape), 1e-6, name)

    def test_mask_dtypes(self) -> None:
        inputs = self.spec.inputs("base")
        wanted = self.run(self.shared("base"), inputs)
        for dtype in (np.int32, np.float32, np.bool_):
            other = {**inputs, "attention_mask": inputs["attention_mask"].astype(dtype)}
            for name, value in self.run(self.shared("base"), other).items():
                assert_close(value, wanted[name], 1e-7, f"{name} with a {dtype.__name__} mask")
        narrow = {name: a.astype(np.int32) for name, a in inputs.items()}
        for name, value in self.run(self.shared("base"), narrow).items():
            assert_close(value, wanted[name], 1e-7, f"{name} with int32 ids")

    def test_dummy_inputs(self, task: str) -> None:
        model = self.shared(task)
        dummy = model.dummy_inputs
        assert "input_ids" in dummy
        arrays = {name: self.backend.numpy(value) for name, value in dummy.items()}
        for value in self.run(model, arrays).values():
            assert np.isfinite(np.asarray(value)).all()

    def test_wrong_inputs_are_refused(self) -> None:
        model, inputs = self.shared("base"), self.spec.inputs("base")
        ids = inputs["input_ids"]
        if not self.spec.any_axes:
            with pytest.raises(ValueError, match="input_ids"):
                self.run(model, {"input_ids": ids[0]})
        with pytest.raises(ValueError, match="input_ids"):
            self.run(model, {"attention_mask": inputs["attention_mask"]})
        embeds = np.zeros((*ids.shape, model.config.hidden_size), np.float32)
        with pytest.raises(ValueError, match="inputs_embeds"):
            self.run(model, {"input_ids": ids, "inputs_embeds": embeds})
        with pytest.raises(TypeError, match="attention_musk"):
            self.run(model, {"input_ids": ids, "attention_musk": inputs["attention_mask"]})
        with pytest.raises(ValueError, match="attention_mask"):
            self.run(model, {"input_ids": ids, "attention_mask": np.ones((len(ids), SEQUENCE - 1), np.int64)})
        with pytest.raises(ValueError, match="head_mask"):
            self.run(model, {"input_ids": ids, "head_mask": np.ones((self.spec.layers() + 1, self.spec.heads()))})

    def test_word_beyond_the_vocabulary_is_refused(self) -> None:
        ids = self.spec.inputs("base")["input_ids"].copy()
        ids[0, 0] = self.spec.vocab_size()
        with pytest.raises((ValueError, IndexError), match=str(self.spec.vocab_size())):
            self.run(self.shared("base"), {"input_ids": ids})

    def test_too_long_sequence_is_refused(self) -> None:
        if self.spec.max_positions is None:
            pytest.skip("does not apply: this architecture has no limit")
        most = int(getattr(self.shared("base").config, self.spec.max_positions))
        longest = np.full((1, most), 5)
        assert np.isfinite(next(iter(self.run(self.shared("base"), {"input_ids": longest}).values()))).all()
        with pytest.raises(ValueError, match=rf"(?s)({most + 1}\b.*\b{most}\b|{most}\b.*\b{most + 1}\b)"):
            self.run(self.shared("base"), {"input_ids": np.full((1, most + 1), 5)})

    def test_labels_of_a_wrong_shape_are_refused(self, task: str) -> None:
        inputs, labels = self.spec.inputs(task), self.spec.make_labels(task)
        for name, label in labels.items():
            wrong = {**inputs, **labels, name: label[:-1]}
            with pytest.raises(ValueError, match=r"\d"):
                self.run(self.shared(task), wrong)

    # --- training

    def test_loss_and_gradients_are_finite(self, task: str) -> None:
        model = self.model(task)
        inputs = {**self.spec.inputs(task), **self.spec.make_labels(task)}
        unused = self.spec.without_gradient.get(task, ())
        gradients = self.backend.gradients(model, inputs)
        assert set(gradients) == set(self.backend.arrays(model))
        for name, gradient in gradients.items():
            if self.published(task, name).startswith(unused) and unused:
                assert gradient is None or not gradient.any(), f"{name} was said to have no gradient"
                continue
            assert gradient is not None, f"{name} has no gradient"
            assert np.isfinite(gradient).all(), f"the gradient of {name} is not finite"
            if not name.endswith("key.bias"):  # a bias of the keys shifts all scores of a query alike
                assert np.abs(gradient).max() > 1e-12, f"the gradient of {name} is zero"

    # --- heads

    def test_head_mask(self) -> None:
        layers, heads = self.spec.layers(), self.spec.heads()
        model, inputs = self.shared("base"), self.spec.inputs("base")
        wanted = self.run(model, inputs, **FLAGS)
        ones = self.run(model, {**inputs, "head_mask": np.ones((layers, heads), np.float32)}, **FLAGS)
        for name, value in wanted.items():
            assert_close(ones[name], value, SAME, name)
        mask = np.ones((layers, heads), np.float32)
        mask[0, 0] = 0
        mask[-1, 1:] = 0
        masked = self.run(model, {**inputs, "head_mask": mask}, **FLAGS)
        for layer, weights in enumerate(masked["attentions"]):
            for head in range(heads):
                total = np.abs(weights[:, head]).sum()
                assert (total == 0) == (mask[layer, head] == 0), f"layer {layer}, head {head}"
        first = next(iter(wanted))
        assert np.abs(masked[first] - wanted[first]).max() > 1e-3
        plain = self.run(model, {**inputs, "head_mask": mask})
        assert_close(plain[first], masked[first], SAME)
        same = np.array([0, 1, 1, 0] + [1] * (heads - 4), np.float32)
        for_all = self.run(model, {**inputs, "head_mask": same}, **FLAGS)
        for weights in for_all["attentions"]:
            assert (np.abs(weights).sum((0, 2, 3)) == 0).tolist() == (same == 0).tolist()

    def test_head_mask_receives_a_gradient(self) -> None:
        mask = np.ones((self.spec.layers(), self.spec.heads()), np.float32)
        mask[0, 0] = 0
        inputs = {**self.spec.inputs("base"), "head_mask": mask}
        gradient = self.backend.input_gradient(self.shared("base"), inputs, "head_mask")
        assert gradient is not None
        assert gradient.shape == mask.shape
        assert np.isfinite(gradient).all()
        assert (np.abs(gradient) > 1e-9).all()

    def test_prune_heads(self, tmp_path: Path) -> None:
        layers, heads = self.spec.layers(), self.spec.heads()
        inputs = self.spec.inputs("base")
        mask = np.ones((layers, heads), np.float32)
        mask[0, 0] = mask[0, 2] = mask[-1, 1] = 0
        wanted = self.run(self.shared("base"), {**inputs, "head_mask": mask}, **FLAGS)

        model = self.model("base")
        size = model.num_parameters()
        model.prune_heads({0: [0], -1: [1]})
        model.prune_heads({0: [2, 0]})  # numbered as in the full model; what is gone already stays gone
        assert model.num_parameters() < size
        kept = {0: [0, 2], layers - 1: [1]}
        self._same_pruned(model.config.pruned_heads, kept)
        model.save_pretrained(str(tmp_path))
        reloaded = self.cls("base").from_pretrained(str(tmp_path))
        self._same_pruned(reloaded.config.pruned_heads, kept)
        reloaded.prune_heads({})
        assert reloaded.num_parameters() == model.num_parameters()
        for pruned in (model, reloaded):
            output = self.run(pruned, inputs, **FLAGS)
            assert [weights.shape[1] for weights in output["attentions"]] == [
                heads - 2 if layer == 0 else heads - 1 if layer == layers - 1 else heads for layer in range(layers)
            ]
            assert_close(output["attentions"][0][:, 0], wanted["attentions"][0][:, 1], SAME)
            assert_close(output["hidden_states"], wanted["hidden_states"], SAME)

        config = self.spec.make_config(pruned_heads={0: [0, 2], -1: [1]})
        assert self.cls("base")(config).num_parameters() == model.num_parameters()

    def _same_pruned(self, found: Mapping[int, Any], wanted: Mapping[int, Any]) -> None:
        layers = self.spec.layers()
        assert all(isinstance(layer, int) for layer in found), f"the layers of {found!r} are to be integers"
        assert {layer % layers: sorted(heads) for layer, heads in found.items()} == wanted

    def test_prune_heads_of_every_class(self, task: str) -> None:
        model = self.model(task)
        model.prune_heads({1: [1, 3]})
        output = self.run(model, self.spec.inputs(task), **FLAGS)
        assert output["attentions"][1].shape[1] == self.spec.heads() - 2
        self._same_pruned(model.config.pruned_heads, {1: [1, 3]})

    def test_heads_that_do_not_exist_are_not_pruned(self) -> None:
        for wrong in ({0: [self.spec.heads()]}, {self.spec.layers(): [0]}):
            with pytest.raises(ValueError, match=r"\d"):
                self.model("base").prune_heads(wrong)

    # --- embeddings

    def test_get_and_set_input_embeddings(self, task: str) -> None:
        model = self.model(task)
        layer = model.get_input_embeddings()
        values = self.backend.embedding(layer)
        assert values.shape == (self.spec.vocab_size(), model.config.hidden_size)
        inputs = self.spec.inputs(task)
        before = self.run(model, inputs)
        model.set_input_embeddings(layer)
        assert model.get_input_embeddings() is layer
        self.backend.set_embedding(layer, values[::-1].copy())
        after = self.run(model, inputs)
        name = next(iter(before))
        assert np.abs(before[name] - after[name]).max() > 1e-4, "the embeddings have no effect on the output"

    def test_output_embeddings_are_tied(self, task: str) -> None:
        model = self.model(task)
        layer = model.get_output_embeddings()
        if task not in self.spec.output_heads:
            assert layer is None
            return
        np.testing.assert_array_equal(
            self.backend.embedding(layer), self.backend.embedding(model.get_input_embeddings())
        )
        values = self.backend.embedding(model.get_input_embeddings())
        self.backend.set_embedding(model.get_input_embeddings(), values + 1)
        np.testing.assert_array_equal(self.backend.embedding(layer), values + 1)
        model.tie_weights()
        np.testing.assert_array_equal(self.backend.embedding(layer), values + 1)

    def test_resize_token_embeddings(self, task: str, tmp_path: Path) -> None:
        old = self.spec.vocab_size()
        model = self.model(task)
        inputs = self.spec.inputs(task)
        inputs["input_ids"] = np.minimum(inputs["input_ids"], old - 11)
        before = self.run(model, inputs)
        size = model.num_parameters()
        values = self.backend.embedding(model.get_input_embeddings())

        unchanged = model.resize_token_embeddings()
        assert unchanged is model.get_input_embeddings()
        assert model.config.vocab_size == old
        assert model.num_parameters() == size

        for new in (old + 10, old - 10):
            layer = model.resize_token_embeddings(new)
            assert layer is model.get_input_embeddings()
            assert model.config.vocab_size == new
            resized = self.backend.embedding(layer)
            assert resized.shape == (new, values.shape[1])
            same = min(old, new)
            np.testing.assert_array_equal(resized[:same], values[:same])
            after = leaves(self.run(model, inputs))
            for name, value in leaves(before).items():
                if value.shape[-1] == old:
                    assert after[name].shape[-1] == new, name
                    assert_close(after[name][..., :same], value[..., :same], SAME, name)
                else:
                    assert_close(after[name], value, SAME, name)
            if task in self.spec.output_heads:
                np.testing.assert_array_equal(self.backend.embedding(model.get_output_embeddings()), resized)
            if new > old:
                with_new = {**inputs, "input_ids": np.full_like(inputs["input_ids"], new - 1)}
                assert np.isfinite(next(iter(self.run(model, with_new).values()))).all()

        model.save_pretrained(str(tmp_path))
        reloaded = self.cls(task).from_pretrained(str(tmp_path))
        assert reloaded.config.vocab_size == old - 10
        for name, value in leaves(self.run(reloaded, inputs)).items():
            np.testing.assert_array_equal(value, after[name], err_msg=name)

    def test_resize_to_an_impossible_size(self) -> None:
        for size in (0, -1):
            with pytest.raises(ValueError, match=str(size)):
                self.model("base").resize_token_embeddings(size)

    # --- initialisation

    def test_initialisation(self, task: str) -> None:
        """Weights of a range of 0 start at exactly 0 or 1; others are spread, and differ between two models."""
        zero = self.cls(task)(self.spec.make_config(**dict.fromkeys(self.spec.zero_init, 0.0)))
        for name, array in self.backend.arrays(zero).items():
            assert set(np.unique(array)) in ({0.0}, {1.0}), f"{name} is not all 0 or all 1"
        one, other = (self.backend.arrays(self.cls(task)(self.spec.make_config())) for _ in range(2))
        for name, array in one.items():
            if array.ndim == 2:
                assert np.abs(array - other[name]).max() > 0, f"{name} is the same in two models"

    def test_num_parameters(self, task: str) -> None:
        model = self.shared(task)
        assert model.num_parameters() == sum(array.size for array in self.backend.arrays(model).values())

    def test_parameters_are_those_of_the_table(self, task: str) -> None:
        table, layers = self.cls(task).weight_table, self.spec.layers()
        names = [self.published(task, name) for name in self.backend.arrays(self.shared(task))]
        assert len(set(names)) == len(names)
        for name in names:
            assert table.row(name) is not None, f"{name} is in no row of the weight table"
            assert name not in table.aliases(), f"{name} is a second name of {table.aliases().get(name)}"
        counted: dict[str, int] = {}
        for name in names:
            row = table.row(name)
            counted[row.name] = counted.get(row.name, 0) + 1
        for template, count in counted.items():
            assert count == (layers if "{i}" in template else 1), f"{template} stands for {count} parameters"

    def test_every_row_of_the_table_is_some_parameter(self) -> None:
        changes: list[dict[str, Any]] = [{}]
        if self.spec.cross_attention:
            changes.append({"is_decoder": True})
        seen = set()
        for task in self.tasks():
            for change in changes if task == "base" else changes[:1]:
                model = self.cls(task)(self.spec.make_config(**change))
                seen |= {model.weight_table.row(self.published(task, n)).name for n in self.backend.arrays(model)}
        table = self.cls("base").weight_table
        assert {row.name for row in table.rows} == seen

    # --- files

    @pytest.mark.parametrize("file_format", list(FILES))
    def test_save_and_load_is_exact(self, task: str, file_format: str, tmp_path: Path) -> None:
        model = self.shared(task)
        model.save_pretrained(str(tmp_path), format=file_format)
        assert (tmp_path / "config.json").is_file()
        assert [path.name for path in tmp_path.iterdir() if path.name != "config.json"] == [FILES[file_format]]
        loaded, report = self.cls(task).from_pretrained(
            str(tmp_path), output_loading_info=True, **self.backend.load_flags.get(file_format, {})
        )
        assert not any(report.values()), dict(report)
        wanted = self.backend.arrays(model)
        arrays = self.backend.arrays(loaded)
        assert list(arrays) == list(wanted)
        for name, array in wanted.items():
            assert arrays[name].dtype == array.dtype
            np.testing.assert_array_equal(arrays[name], array, err_msg=name)
        assert loaded.config.to_dict() == model.config.to_dict()
        inputs = self.spec.inputs(task)
        expected = self.run(model, inputs)
        for name, value in self.run(loaded, inputs).items():
            np.testing.assert_array_equal(value, expected[name], err_msg=name)

    def test_saved_names_are_the_published_ones(self, task: str, tmp_path: Path) -> None:
        model = self.shared(task)
        model.save_pretrained(str(tmp_path))
        prefix = "" if task != "base" else f"{self.cls(task).base_model_prefix}."
        saved = {f"{prefix}{name}": a for name, a in read_safetensors(tmp_path / FILES["safetensors"]).items()}
        arrays = self.backend.arrays(model)
        assert set(saved) - set(self.cls(task).weight_table.aliases()) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(saved[name], array, err_msg=name)

    def test_saving_twice_gives_the_same_bytes(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            self.shared("base").save_pretrained(str(tmp_path / name))
        for path in (tmp_path / "one").iterdir():
            assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name

    def test_loading_a_single_file(self, tmp_path: Path) -> None:
        weights = self.folder("base") / FILES["safetensors"]
        model = self.cls("base").from_pretrained(str(weights), config=self.spec.make_config())
        inputs = self.spec.inputs("base")
        wanted = self.run(self.shared("base"), inputs)
        for name, value in self.run(model, inputs).items():
            assert_close(value, wanted[name], 1e-7, name)

    @pytest.mark.parametrize("auto", [False, True])
    def test_loading_from_a_hub(self, auto: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Configuration and weights are of one commit, even if the repository is updated between the two."""
        from tx_core import auto as autos

        task, size = "base", self.spec.vocab_size() + 3
        cls: Any = {"torch": autos.AutoModel, "tf": autos.TFAutoModel}[self.backend.name] if auto else self.cls(task)
        folders = self.folder(task), self.folder(task, vocab_size=size)
        older, newer = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders)

        class UpdatedHub(HubServer):
            def arrived(self, request: Request) -> Fault:
                if "config.json" not in request.path and request.host == "hub":
                    self.add("org/model", newer, lfs=weights)
                return super().arrived(request)

        for name in set(os.environ) - set(download_environment(tmp_path)):
            monkeypatch.delenv(name)
        weights = [FILES["safetensors"]]
        with UpdatedHub() as hub:
            hub.add("org/model", older, lfs=weights)
            source: dict[str, Any] = {"endpoint": hub.url, "cache_dir": str(tmp_path)}
            found = cls.from_pretrained("org/model", **source)
            hub.forget()
            again = cls.from_pretrained("org/model", local_files_only=True, **source)
            assert hub.requests == []
            updated = cls.from_pretrained("org/model", **source)
        wanted = self.backend.arrays(self.model(task))
        for model in (found, again):
            arrays = self.backend.arrays(model)
            assert arrays.keys() == wanted.keys()
            for name, array in arrays.items():
                np.testing.assert_array_equal(array, wanted[name], err_msg=name)
        assert updated.config.vocab_size == size

    def test_config_keywords_update_the_configuration(self) -> None:
        model = self.model("base", output_attentions=True)
        assert model.config.output_attentions is True
        head, _ = self.a_head()
        if "classes" in " ".join(self.spec.label_keywords(head).values()):
            assert self.cls(head).from_pretrained(str(self.folder("base")), num_labels=5).config.num_labels == 5
        with pytest.raises((TypeError, ValueError), match="output_attention_s"):  # Keras's own error is a ValueError
            self.model("base", output_attention_s=True)
        given = self.spec.make_config(output_hidden_states=True)
        assert self.model("base", config=given).config.output_hidden_states is True
        folder = str(self.folder("base"))
        by_path = self.cls("base").from_pretrained(pretrained_model_name_or_path=folder, config=folder)
        assert by_path.config.to_dict() == self.shared("base").config.to_dict()

    def test_missing_folder_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(OSError, match="nothing-here"):
            self.cls("base").from_pretrained(str(tmp_path / "nothing-here"))
        (tmp_path / "config.json").write_text(self.spec.make_config().to_json_string())
        with pytest.raises(OSError, match=r"model\.safetensors"):
            self.cls("base").from_pretrained(str(tmp_path))

    def _refused(self, task: str, folder: Path, *mentioned: str, **changes: Any) -> Any:
        with pytest.raises(ValueError) as caught:
            self.cls(task).from_pretrained(str(folder), **changes)
        for text in (str(folder), *mentioned):
            assert text in str(caught.value), f"{text!r} is not in: {caught.value}"
        return getattr(caught.value, "report", None)

    def test_missing_weight_is_refused(self, tmp_path: Path) -> None:
        source = self.folder("base")
        name = self._a_layer_weight(source)
        folder = edited(source, tmp_path / "m", lambda arrays: arrays.__delitem__(name))
        report = self._refused("base", folder, name)
        assert [self.published("base", n) for n in report["missing_keys"]] == [self.published("base", name)]

    def _a_layer_weight(self, folder: Path) -> str:
        """A matrix of the last layer; no new head could explain that it is missing."""
        names = read_safetensors(folder / FILES["safetensors"])
        last = str(self.spec.layers() - 1)
        return next(n for n, a in sorted(names.items()) if f".{last}." in n and a.ndim == 2)

    def test_unknown_weight_is_refused(self, tmp_path: Path) -> None:
        def add(arrays: dict[str, Array]) -> None:
            arrays["unheard.of.weight"] = np.zeros((2, 2), np.float32)

        report = self._refused("base", edited(self.folder("base"), tmp_path / "m", add), "unheard.of.weight")
        assert list(report["unexpected_keys"]) == ["unheard.of.weight"]

    def test_weight_of_a_wrong_shape_is_refused(self, tmp_path: Path) -> None:
        name = self._a_layer_weight(self.folder("base"))
        shapes = []

        def cut(arrays: dict[str, Array]) -> None:
            shapes.append(arrays[name].shape)
            arrays[name] = arrays[name][:-1]
            shapes.append(arrays[name].shape)

        folder = edited(self.folder("base"), tmp_path / "m", cut)
        report = self._refused("base", folder, name, *map(str, shapes))
        assert [entry[1:] for entry in report["mismatched_keys"]] == [(shapes[1], shapes[0])]

    def test_weight_of_a_wrong_kind_is_refused(self, tmp_path: Path) -> None:
        name = self._a_layer_weight(self.folder("base"))

        def round_off(arrays: dict[str, Array]) -> None:
            arrays[name] = arrays[name].astype(np.int64)

        self._refused("base", edited(self.folder("base"), tmp_path / "m", round_off), name, "int64")

    def test_new_head_is_initialised_as_a_whole(self, tmp_path: Path) -> None:
        task, prefixes = self.a_head()
        model, report = self.cls(task).from_pretrained(str(self.folder("base")), output_loading_info=True)
        head = {n for n in self.backend.arrays(model) if self.published(task, n).startswith(prefixes)}
        assert head
        assert set(report.newly_initialized) == head
        assert set(report["missing_keys"]) == head
        assert not report["unexpected_keys"]
        assert not report["mismatched_keys"]
        assert not report["error_msgs"]
        whole = self.folder(task)
        dropped = next(n for n in sorted(head) if n.endswith("bias"))
        part = edited(whole, tmp_path / "part", lambda arrays: arrays.__delitem__(dropped))
        self._refused(task, part, dropped)

    def test_another_heads_weights_are_reported(self) -> None:
        task, prefixes = self.a_head()
        _, report = self.cls("base").from_pretrained(str(self.folder(task)), output_loading_info=True)
        assert report.dropped
        assert all(self.published(task, name).startswith(prefixes) for name in report.dropped)
        assert not report["missing_keys"]
        assert not report["unexpected_keys"]

    def test_loading_leaves_the_file_alone(self) -> None:
        before = {path.name: path.read_bytes() for path in self.folder("base").iterdir()}
        self.model("base")
        assert {path.name: path.read_bytes() for path in self.folder("base").iterdir()} == before

    # --- decoder

    def test_decoder_is_causal(self) -> None:
        if not self.spec.cross_attention:
            pytest.skip("does not apply: no decoder")
        model = self.cls("base").from_pretrained(str(self.folder("base", is_decoder=True)))
        inputs = {"input_ids": self.spec.inputs("base")["input_ids"]}
        changed = inputs["input_ids"].copy()
        changed[:, 4:] = 6
        one, other = (
            self.run(model, {"input_ids": ids})["last_hidden_state"] for ids in (inputs["input_ids"], changed)
        )
        assert_close(other[:, :4], one[:, :4], SAME)
        assert np.abs(other[:, 4:] - one[:, 4:]).max() > 1e-3

    def test_cross_attention(self) -> None:
        if not self.spec.cross_attention:
            pytest.skip("does not apply: no cross-attention")
        model = self.cls("base").from_pretrained(str(self.folder("base", is_decoder=True)))
        inputs = self.spec.inputs("base")
        rng = np.random.default_rng(3)
        encoder = rng.standard_normal((len(LENGTHS), 9, model.config.hidden_size)).astype(np.float32)
        keep = np.ones((len(LENGTHS), 9), np.int64)

        def hidden(**extra: Array) -> Array:
            return np.asarray(self.run(model, {**inputs, **extra})["last_hidden_state"])

        alone = hidden()
        crossed = hidden(encoder_hidden_states=encoder)
        assert np.abs(alone - crossed).max() > 1e-3
        assert_close(hidden(encoder_hidden_states=encoder, encoder_attention_mask=keep), crossed, SAME)
        keep[:, 6:] = 0
        masked = hidden(encoder_hidden_states=encoder, encoder_attention_mask=keep)
        assert np.abs(masked - crossed).max() > 1e-3
        other = encoder.copy()
        other[:, 6:] = 9
        assert_close(hidden(encoder_hidden_states=other, encoder_attention_mask=keep), masked, SAME)
        assert_close(hidden(encoder_hidden_states=encoder[:, :6]), masked, SAME)

    def test_cross_attention_keeps_its_heads(self) -> None:
        """Pruning is of self-attention; a head mask means the heads of both."""
        if not self.spec.cross_attention:
            pytest.skip("does not apply: no cross-attention")
        model = self.cls("base").from_pretrained(str(self.folder("base", is_decoder=True)))
        states = np.random.default_rng(3).standard_normal((len(LENGTHS), 9, model.config.hidden_size))
        inputs = {**self.spec.inputs("base"), "encoder_hidden_states": states.astype(np.float32)}
        masks = np.ones((2, self.spec.layers(), self.spec.heads()), np.float32)
        masks[:, 0, 1] = 0
        masks[1, 0, 2] = 0
        wanted = [self.run(model, {**inputs, "head_mask": mask})["last_hidden_state"] for mask in masks]
        model.prune_heads({0: [1]})
        found = [self.run(model, {**inputs, "head_mask": mask})["last_hidden_state"] for mask in masks]
        for one, two in zip(found, wanted, strict=True):
            assert_close(one, two, SAME)
        assert np.abs(found[0] - found[1]).max() > 1e-3
        # Without a mask the head that is gone from self-attention still attends to the encoder.
        assert np.abs(self.run(model, inputs)["last_hidden_state"] - found[0]).max() > 1e-3

    def test_encoder_states_need_a_decoder(self) -> None:
        if not self.spec.cross_attention:
            pytest.skip("does not apply: no cross-attention")
        states = np.zeros((len(LENGTHS), 9, self.shared("base").config.hidden_size), np.float32)
        with pytest.raises(ValueError, match="is_decoder"):
            self.run(self.shared("base"), {**self.spec.inputs("base"), "encoder_hidden_states": states})


__all__ = ["CHOICES", "FILES", "FLAGS", "SAME", "Backend", "ModelSuite", "edit_config", "edited", "load"]
