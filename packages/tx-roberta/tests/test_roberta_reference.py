"""Parity with the reference beyond the standard suites: in float64, and where its classes lose what a call asks for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tx_testing.reference import Result, run
from tx_testing.suites.models_tf import TFBackend
from tx_testing.suites.models_torch import TorchBackend
from tx_testing.suites.spec import assert_close, load_spec

SPEC = load_spec(__file__, "roberta_spec")
BACKENDS = {"torch": TorchBackend(skip_padding=False), "tf": TFBackend()}
FLOAT64 = r"""
import os
os.environ["USE_TF"] = "0"
import torch
import transformers

def main(arguments, inputs, folder):
    out = {}
    for name, config in arguments["configs"].items():
        torch.manual_seed(0)
        model = getattr(transformers, name)(transformers.RobertaConfig(**config)).double().eval()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
        model.save_pretrained(folder / name)
        given = {key: torch.from_numpy(inputs[f"{name}/{key}"]) for key in arguments["inputs"]}
        with torch.no_grad():
            for key, value in model(**given, return_dict=True).items():
                out[f"{name}/{key}"] = value.numpy()
    return out
"""


@pytest.fixture(scope="module")
def exact() -> Result:
    """Twins in float64, and what they give for sentences with padding before (where it is not their first token's state
    that is read), within and after them."""
    names = {task: name for task, name in SPEC.class_names().items() if task != "multiple-choice"}
    configs = {name: {**SPEC.config, **SPEC.task_config.get(task, {})} for task, name in names.items()}
    inputs = {
        f"{name}/{key}": np.array(values)
        for task, name in names.items()
        for key, values in SPEC.reference_inputs[task].items()
    }
    return run(FLOAT64, {"configs": configs, "inputs": ["input_ids", "attention_mask"]}, inputs)


@pytest.mark.parametrize("framework", ["torch", "tf"])
@pytest.mark.parametrize("task", [task for task in SPEC.class_names() if task != "multiple-choice"])
def test_float64(exact: Result, task: str, framework: str) -> None:
    backend, name = BACKENDS[framework], SPEC.class_names()[task]
    kind: Any = torch.float64 if framework == "torch" else "float64"
    model = backend.model_class(SPEC, task).from_pretrained(str(exact.folder / name), dtype=kind)
    inputs = {key: np.array(values) for key, values in SPEC.reference_inputs[task].items()}
    found, wanted = backend.run(model, inputs), exact.group(name)
    assert set(found) == set(wanted)
    for field, value in found.items():
        assert value.dtype == np.float64
        assert_close(value, wanted[field], 1e-10, field)


def test_multiple_choice_in_tensorflow(tmp_path: Path) -> None:
    """Without flags, which the reference's class gives its encoder in the wrong places: its files, and ours."""
    task = "multiple-choice"
    inputs, labels = SPEC.inputs(task), SPEC.make_labels(task)
    arrays = {**inputs, **labels}
    request = {"key": "made", "class": "RobertaForMultipleChoice", "inputs": {name: name for name in arrays}}
    request |= {"config_class": "RobertaConfig", "config": dict(SPEC.config)}
    for framework, backend in BACKENDS.items():
        model = backend.model_class(SPEC, task).from_pretrained(str(backend.randomised(SPEC, task)))
        model.save_pretrained(str(tmp_path / framework), format="h5")
    written = [
        {"key": framework, "class": request["class"], "inputs": {name: name for name in inputs}, "allowed": []}
        | {"load": str(tmp_path / framework)}
        for framework in BACKENDS
    ]
    result = run("model_tf.py", {"requests": [request, *written]}, arrays)
    for ending in ("", "-safetensors"):
        for backend in BACKENDS.values():
            flags = backend.load_flags["h5"] if not ending and "h5" in backend.load_flags else {}
            model = backend.model_class(SPEC, task).from_pretrained(str(result.folder / f"made{ending}"), **flags)
            found = backend.run(model, arrays)
            assert_close(found["logits"], result.group("made")["logits"], 2e-5, "logits")
            assert_close(found["loss"], np.mean(result.group("made")["loss"]), 2e-5, "loss")
    for framework, backend in BACKENDS.items():
        model = backend.model_class(SPEC, task).from_pretrained(str(backend.randomised(SPEC, task)))
        assert_close(backend.run(model, inputs)["logits"], result.group(framework)["logits"], 2e-5, "logits")
