"""The checks of the Keras twins on a GPU, where there is one; elsewhere, that they run and that a fault fails them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).resolve().parent))

import run as runner
from gpu_checks import checks_tf
from gpu_checks.cases import BASE, Case

NO_GPU = checks_tf.unavailable("cuda")
WHERE = [(name, check) for name in BASE for check in checks_tf.CHECKS] if NO_GPU is None else [("", "")]


@pytest.mark.skipif(NO_GPU is not None, reason=str(NO_GPU))
@pytest.mark.parametrize(("name", "check"), WHERE)
def test_on_the_gpu(name: str, check: str) -> None:
    results = list(checks_tf.CHECKS[check](checks_tf.make_subject(Case(name, "tiny"), "cuda")))
    failed = [note for result in results if result.ok is False for note in result.notes]
    assert not failed, failed
    if all(result.ok is None for result in results):
        pytest.skip("; ".join(note for result in results for note in result.notes))


@pytest.mark.skipif(NO_GPU is None, reason="there is a GPU")
def test_without_a_gpu_the_reason_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(["--framework", "tf"]) == 0
    assert capsys.readouterr().out == f"nothing was run: {NO_GPU}\n"


# What compiles for many seconds is left out below.
QUICK = {check: each for check, each in checks_tf.CHECKS.items() if check not in ("classes", "graphs", "generate")}


def test_a_rehearsal_on_the_cpu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(checks_tf, "CHECKS", QUICK)
    assert runner.main(["--framework", "tf", "--device", "cpu", "--only", "gpt2"]) == 0
    printed = capsys.readouterr().out
    assert f"TensorFlow:       {tf.__version__}\n" in printed
    assert printed.endswith("\n5 ok, 0 skipped, 0 failed\n")


moved = checks_tf.moved


def perturbed(*arguments: Any) -> Any:
    """A copy whose parameters are half as large again."""
    copied = moved(*arguments)
    for parameter in checks_tf.parameters(copied).values():
        parameter.assign(parameter.read() * np.float32(1.5))
    return copied


def test_a_model_that_computes_something_else_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checks_tf, "CHECKS", QUICK)
    monkeypatch.setattr(checks_tf, "moved", perturbed)
    assert runner.main(["--framework", "tf", "--device", "cpu", "--only", "distilbert"]) == 1
    printed = capsys.readouterr().out
    assert printed.endswith("FAILED: " + ", ".join(f"distilbert {check}" for check in QUICK) + "\n")
