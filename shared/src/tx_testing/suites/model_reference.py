"""Parity with the reference implementation: its random twins load here and agree, and what is saved here loads there.

The reference runs in its own process (:mod:`tx_testing.reference`), once for each framework and direction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from tx_testing import reference

from .base import Suite, of_shared_code
from .models import FLAGS, Backend, temporary_root
from .models_tf import TFBackend
from .models_torch import TorchBackend
from .spec import SEQUENCE, Array, assert_close, leaves

TOLERANCE = 2e-5  # of the largest output, in float32
TOLERANCE_64 = 1e-10  # in float64
# Which framework of the reference made a folder, the folder's ending, and how from_pretrained is told to take it.
SOURCES: dict[str, tuple[str, str, Mapping[str, Mapping[str, bool]]]] = {
    "torch-safetensors": ("torch", "", {}),
    "torch-bin": ("torch", "-bin", {"tf": {"from_pt": True}}),
    "tf-h5": ("tf", "", {"torch": {"from_tf": True}}),
    "tf-safetensors": ("tf", "-safetensors", {}),
}
SCRIPTS = {"torch": "model_torch.py", "tf": "model_tf.py"}
# What one framework's reference can read of the files written here.
WRITTEN = {"torch": ("safetensors", "bin"), "tf": ("h5",)}


class ReferenceSuite(Suite):
    """Parity in both directions, for every class, in both frameworks."""

    backends: ClassVar[Mapping[str, Backend]] = {"torch": TorchBackend(skip_padding=False), "tf": TFBackend()}

    @pytest.fixture(autouse=True)
    def _needs_reference(self) -> None:
        reference.reference_python()

    # --- requests

    def _inputs(self, task: str, *, labels: bool = True) -> dict[str, Array]:
        more = {name: np.asarray(values) for name, values in self.spec.reference_inputs.get(task, {}).items()}
        return {**self.spec.inputs(task), **more, **(self.spec.make_labels(task) if labels else {})}

    def _request(self, key: str, task: str, arrays: dict[str, Array], inputs: Mapping[str, Array], **more: Any) -> Any:
        names = {}
        for keyword, array in inputs.items():
            theirs = self.spec.reference_keywords.get(keyword, keyword)
            if theirs:
                arrays[f"{key}.{keyword}"] = array
                names[theirs] = f"{key}.{keyword}"
        config = {**self.spec.config, **self.spec.task_config.get(task, {})}
        name = self.spec.class_names()[task]
        return {
            "key": key,
            "class": self.spec.reference_classes.get(name, name),
            "config_class": self.spec.config_class().__name__,
            "config": config,
            "inputs": names,
            "options": {**FLAGS, **self.spec.reference_options},
            **more,
        }

    def twins(self, framework: str) -> reference.Result:
        """The reference's random twins of every class, made in one run."""
        arrays: dict[str, Array] = {}
        requests = [
            self._request(
                task,
                task,
                arrays,
                self._inputs(task, labels=self._labelled(framework, task)),
                float64=self.spec.reference_float64,
            )
            for task in self.spec.class_names()
            if not self._missing_in_reference(framework, task)
        ]
        if self.spec.cross_attention and framework == "torch":
            decoder = {**self.spec.config, "is_decoder": True, "add_cross_attention": True}
            requests.append(self._request("decoder", "base", arrays, self._crossed(), config=decoder))
        return reference.run(SCRIPTS[framework], {"requests": requests}, arrays)

    def _crossed(self) -> dict[str, Array]:
        rng = np.random.default_rng(3)
        states = rng.standard_normal((3, 9, self.spec.make_config().hidden_size)).astype(np.float32)
        keep = (np.arange(9) < np.array([9, 4, 6])[:, None]).astype(np.int64)
        return {**self.spec.inputs("base"), "encoder_hidden_states": states, "encoder_attention_mask": keep}

    def _missing_in_reference(self, framework: str, task: str) -> bool:
        return (framework, task) in self.spec.not_in_reference

    def _labelled(self, framework: str, task: str) -> bool:
        return (framework, task) not in self.spec.no_labels_in_reference

    def _compare(self, task: str, found: Mapping[str, Any], wanted: Mapping[str, Array]) -> None:
        """Compare by field, as exactly as the reference has it. Its losses in TensorFlow are one a row, ours a mean."""

        def compare(value: Array, of_reference: Array, what: str) -> None:
            assert_close(value, of_reference, TOLERANCE if of_reference.dtype == np.float32 else TOLERANCE_64, what)

        queries = self.spec.mask(task).reshape(-1, 1, SEQUENCE, 1)
        compared = 0
        for name, value in found.items():
            if isinstance(value, tuple):
                for index, item in enumerate(value):
                    told: Any = queries if name == "attentions" and not self.spec.reference_queries else 1
                    if name == "mems" and self.spec.empty_at_padding and len(item) == SEQUENCE:
                        told = queries.reshape(-1, SEQUENCE, 1).swapaxes(0, 1)
                    one, two = (np.where(told, each, 0) for each in (item, wanted[f"{name}/{index}"]))
                    compare(one, two, f"{name}[{index}]")
                assert f"{name}/{len(value)}" not in wanted
                compared += len(value)
            elif name == "loss":
                of_reference = wanted[name] if np.ndim(value) else np.mean(wanted[name])
                compare(value, np.asarray(of_reference), name)
                compared += 1
            else:
                compare(value, wanted[name], name)
                compared += 1
        known = (*found, *self.spec.reference_outputs)
        left = {name for name in wanted if name.partition("/")[0] not in known}
        assert not left, f"the reference also returns {sorted(left)}"
        assert compared

    # --- tests

    @pytest.mark.parametrize("framework", ["torch", "tf"])
    @pytest.mark.parametrize("source", ["torch-safetensors", "tf-h5"])
    def test_reference_twin_loads_and_agrees(self, task: str, source: str, framework: str) -> None:
        self._loads_and_agrees(task, source, framework)

    @of_shared_code
    @pytest.mark.parametrize("framework", ["torch", "tf"])
    @pytest.mark.parametrize("source", ["torch-bin", "tf-safetensors"])
    def test_reference_twin_in_another_format_agrees(self, task: str, source: str, framework: str) -> None:
        self._loads_and_agrees(task, source, framework)

    def _loads_and_agrees(self, task: str, source: str, framework: str) -> None:
        made_by, ending, flags = SOURCES[source]
        if self._missing_in_reference(made_by, task):
            pytest.skip(f"does not apply: the reference has no class to compare with in {made_by}")
        result = self.twins(made_by)
        backend = self.backends[framework]
        folder = result.folder / f"{task}{ending}"
        model, report = backend.model_class(self.spec, task).from_pretrained(
            str(folder), output_loading_info=True, **flags.get(framework, {})
        )
        absent = self.spec.absent_in_reference.get(task, ())
        assert all(name.startswith(absent) for name in report["missing_keys"]), report["missing_keys"]
        assert not report["unexpected_keys"]
        assert not report["mismatched_keys"]
        assert all(name.startswith(absent) for name in report.dropped), report.dropped
        inputs = self._inputs(task, labels=self._labelled(made_by, task))
        found = backend.run(model, inputs, **FLAGS, **self.spec.reference_options)
        self._compare(task, found, result.group(task))

    @pytest.mark.parametrize("framework", ["torch", "tf"])
    def test_float64_agrees(self, task: str, framework: str) -> None:
        """What rounding would hide in float32."""
        if self._missing_in_reference("torch", task) or not self.spec.reference_float64:
            pytest.skip("does not apply: the reference has no such class, or rounds numbers of float64")
        result, backend = self.twins("torch"), self.backends[framework]
        cls = backend.model_class(self.spec, task)
        model = cls.from_pretrained(str(result.folder / task), dtype="float64")
        inputs = self._inputs(task, labels=self._labelled("torch", task))
        found = backend.run(model, inputs, **FLAGS, **self.spec.reference_options)
        assert {np.asarray(leaf).dtype for leaf in leaves(found).values()} == {np.dtype(np.float64)}
        wanted = result.group(f"{task}-float64")
        # Its losses of some language models are computed in float32.
        assert {array.dtype for name, array in wanted.items() if name != "loss"} == {np.dtype(np.float64)}
        self._compare(task, found, wanted)

    @pytest.mark.parametrize("framework", ["torch", "tf"])
    def test_reference_decoder_agrees(self, framework: str) -> None:
        if not self.spec.cross_attention:
            pytest.skip("does not apply: no cross-attention")
        result, backend = self.twins("torch"), self.backends[framework]
        folder = str(result.folder / "decoder")
        model = backend.model_class(self.spec, "base").from_pretrained(folder)
        assert model.config.is_decoder
        wanted = result.group("decoder")
        found = backend.run(model, self._crossed(), **FLAGS)
        for name in ("last_hidden_state", "pooler_output"):
            assert_close(found[name], wanted[name], TOLERANCE, name)
        for index, weights in enumerate(found["attentions"]):
            assert_close(weights, wanted[f"attentions/{index}"], TOLERANCE, f"attentions[{index}]")

    def _written(self, framework: str, variable: str = reference.REFERENCE) -> tuple[reference.Result, dict[str, Path]]:
        """Everything saved here by this framework's classes, loaded (strictly) and run by the reference in one run."""
        key = hashlib.sha256(self.spec.key(framework).encode()).hexdigest()[:16]
        root = temporary_root() / f"written-{key}"
        backend = self.backends[framework]
        arrays: dict[str, Array] = {}
        requests, folders = [], {}
        for task in self.spec.class_names():
            if self._missing_in_reference(framework, task):
                continue
            allowed = self.spec.absent_in_reference.get(task, ())
            for file_format in WRITTEN[framework]:
                key = f"{task}-{file_format}"
                folders[key] = root / key
                if not folders[key].exists():
                    cls = backend.model_class(self.spec, task)
                    model = cls.from_pretrained(str(backend.randomised(self.spec, task)))
                    model.save_pretrained(str(folders[key]), format=file_format)
                inputs = self._inputs(task, labels=False)
                requests.append(self._request(key, task, arrays, inputs, load=str(folders[key]), allowed=allowed))
        return reference.run(SCRIPTS[framework], {"requests": requests}, arrays, variable=variable), folders

    @pytest.mark.parametrize(
        "framework, variable",
        [("torch", reference.REFERENCE), ("tf", reference.REFERENCE), ("torch", reference.REFERENCE_5)],
        ids=["torch", "tf", "torch5"],
    )
    def test_saved_files_load_in_the_reference(self, task: str, framework: str, variable: str) -> None:
        if self._missing_in_reference(framework, task):
            pytest.skip(f"does not apply: the reference has no class to compare with in {framework}")
        if variable == reference.REFERENCE_5 and not self.spec.in_reference_5:
            pytest.skip("does not apply: the newer reference has no such architecture any more")
        reference.reference_python(variable)
        result, _ = self._written(framework, variable)
        backend = self.backends[framework]
        model = backend.model_class(self.spec, task).from_pretrained(str(backend.randomised(self.spec, task)))
        found = backend.run(model, self._inputs(task, labels=False), **FLAGS, **self.spec.reference_options)
        for file_format in WRITTEN[framework]:
            self._compare(task, found, result.group(f"{task}-{file_format}"))
