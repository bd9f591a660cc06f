"""Parity with the reference where its class loses what a call asks for."""

from pathlib import Path

import numpy as np

from tx_testing.reference import run
from tx_testing.suites.models_tf import TFBackend
from tx_testing.suites.models_torch import TorchBackend
from tx_testing.suites.spec import assert_close, load_spec

SPEC = load_spec(__file__, "roberta_spec")
BACKENDS = {"torch": TorchBackend(skip_padding=False), "tf": TFBackend()}


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
