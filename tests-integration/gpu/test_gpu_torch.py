"""The checks on a GPU, where there is one; everywhere, that the runner works and that a fault makes it fail."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

RUN = Path(__file__).resolve().parent / "run.py"
sys.path.insert(0, str(RUN.parent))

import run as runner  # noqa: E402
from gpu_checks import checks_torch  # noqa: E402
from gpu_checks.cases import BASE, Case, Difference, difference  # noqa: E402

NO_GPU = checks_torch.unavailable("cuda")
WHERE = [(name, check) for name in BASE for check in checks_torch.CHECKS] if NO_GPU is None else [("", "")]
CHECKED = ("placement", "forward", "classes", "backward", "bf16", "fp16 autocast", "generate", "compile", "packed")


@pytest.mark.skipif(NO_GPU is not None, reason=str(NO_GPU))
@pytest.mark.parametrize(("name", "check"), WHERE)
def test_on_the_gpu(name: str, check: str) -> None:
    results = list(checks_torch.CHECKS[check](checks_torch.make_subject(Case(name, "tiny"), "cuda")))
    failed = [note for result in results if result.ok is False for note in result.notes]
    assert not failed, failed
    if all(result.ok is None for result in results):
        pytest.skip("; ".join(note for result in results for note in result.notes))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The runner in a process of its own, which finds the packages by itself."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, str(RUN), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_a_rehearsal_on_the_cpu(tmp_path: Path) -> None:
    result = run("--device", "cpu", "--only", "gpt2", "--size", "tiny", "--json", str(tmp_path / "table"))
    assert result.returncode == 0, result.stdout + result.stderr
    found = json.loads((tmp_path / "table").read_text())
    assert found["header"]["torch"] == torch.__version__
    by_check = {each["check"]: each for each in found["results"]}
    for check in CHECKED:
        assert by_check[check]["ok"] is True, check
    # These compute in another way than what they are compared with, and say so by their differences.
    for check in ("bf16", "fp16 autocast", "packed"):
        assert 0 < by_check[check]["difference"]["relative"] <= by_check[check]["tolerance"]
    assert by_check["DataParallel"]["notes"] == ["needs two GPUs"]
    assert by_check["generate"]["tokens_per_second"] > 0
    assert "A rehearsal" in result.stdout


@pytest.mark.skipif(NO_GPU is None, reason="there is a GPU")
def test_without_a_gpu_the_reason_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main([]) == 0
    assert capsys.readouterr().out.startswith("nothing was run: no GPU: torch.cuda.is_available() is False")


def perturbed(fault: float, model: Any, device: str) -> Any:
    """A copy whose first layer's parameters lie further from 0, by a part of themselves."""
    copied = copy.deepcopy(model).to(device)
    base = copied.base_model
    with torch.no_grad():
        for parameter in base.get_submodule(base.layers_at)[0].parameters():
            parameter.mul_(1.0 + fault)
    return copied


ALL_BUT_COMPILED = tuple(check for check in checks_torch.CHECKS if check not in ("compile", "DataParallel"))
# In float32 a fault as small as the rounding of TF32 is seen; half precision is no finer.
IN_FLOAT32 = ("placement", "forward", "classes", "backward", "generate", "packed")


@pytest.mark.parametrize(
    ("name", "fault", "checks"),
    [("gpt2", 0.5, ALL_BUT_COMPILED), ("gpt2", 2.0**-11, IN_FLOAT32)],
)
def test_a_model_that_computes_something_else_fails(
    name: str,
    fault: float,
    checks: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(checks_torch, "CHECKS", {check: checks_torch.CHECKS[check] for check in checks})
    monkeypatch.setattr(checks_torch, "moved", partial(perturbed, fault))
    assert runner.main(["--device", "cpu", "--only", name]) == 1
    printed = capsys.readouterr().out
    for check in checks:
        lines = [line for line in printed.splitlines() if line.startswith(name) and check in line]
        assert any("FAILED" in line for line in lines), lines


def test_an_error_fails_and_the_other_checks_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def faulty(subject: Any) -> Any:
        raise RuntimeError("CUDA error: something")

    checks = {"forward": faulty, "classes": checks_torch.classes}
    monkeypatch.setattr(checks_torch, "CHECKS", checks)
    assert runner.main(["--device", "cpu", "--only", "distilbert"]) == 1
    printed = capsys.readouterr().out
    assert "RuntimeError: CUDA error: something" in printed
    assert "1 ok, 0 skipped, 1 failed\nFAILED: distilbert forward" in printed


def test_differences() -> None:
    one, two = torch.tensor([1.0, -4.0]).numpy(), torch.tensor([1.0, -3.0]).numpy()
    assert difference({"a": one, "b": two}, {"a": two, "b": two}) == Difference(1.0, 1 / 3, "a")
    for wrong in ({"b": one}, {"a": one[:1]}, {"a": one * float("nan")}):
        assert difference(wrong, {"a": two}).relative == float("inf")


def test_what_is_missing_is_named() -> None:
    # Without site-packages, as on a machine that has nothing.
    command = [sys.executable, "-E", "-S", str(RUN)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2, result.stderr
    assert result.stdout == f"missing: {sys.executable} -m pip install torch numpy ml-dtypes\n"


def test_unknown_architectures_are_named() -> None:
    result = run("--only", "bert,bart")
    assert result.returncode == 2
    assert "--only names bart; there are bert, " in result.stderr
