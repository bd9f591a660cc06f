"""The authors' own checkpoints give the outputs and the memories that their code gave, in both frameworks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tx_testing.data import data_path
from tx_transfo_xl import TFTransfoXLLMHeadModel, TransfoXLLMHeadModel

Array = np.ndarray[Any, Any]
LAYERS = (0, 1)


def run(framework: str, path: Path, mem_len: int, tokens: Array, mems: list[Array]) -> tuple[Array, list[Array]]:
    """Probabilities (B, S, V) and memories, each (B, M, H)."""
    # Memories are published as (M, B, H); the authors' arrays here are (B, M, H).
    given = [np.ascontiguousarray(each.astype(np.float32).transpose(1, 0, 2)) for each in mems]
    cls: Any = TransfoXLLMHeadModel if framework == "torch" else TFTransfoXLLMHeadModel
    model, report = cls.from_pretrained(str(path), mem_len=mem_len, output_loading_info=True)
    assert not any(report.values())
    assert not report.newly_initialized
    assert not report.dropped
    if framework == "torch":
        with torch.no_grad():
            scores, found = model(torch.from_numpy(tokens), mems=[*map(torch.from_numpy, given)])[:2]
    else:
        scores, found = model({"input_ids": tokens, "mems": given})[:2]
    return np.exp(np.asarray(scores)), [np.asarray(each).transpose(1, 0, 2) for each in found]


def assert_close(found: Array, wanted: Array) -> None:
    assert found.shape == wanted.shape
    assert abs(found - wanted).max() <= 1e-6 * abs(wanted).max()


@pytest.mark.parametrize("file", ["", "model.ckpt"])
@pytest.mark.parametrize("div_val", [1, 2])
@pytest.mark.parametrize("framework", ["torch", "tf"])
def test_outputs_and_memories(framework: str, div_val: int, file: str) -> None:
    folder = data_path(f"checkpoints/transfo-xl-tf1/div_{div_val}")
    tokens = np.load(folder / "tokens.npy")
    mems = [np.load(folder / f"memory_{i}.npy") for i in LAYERS]
    wanted = [np.load(folder / f"new_memory_{i}.npy") for i in LAYERS]
    assert [each.shape for each in (*mems, *wanted)] == [(1, 10, 32)] * 2 + [(1, 20, 32)] * 2
    # The memory as the file's configuration has it; and as long as that which the authors' code returned.
    for mem_len in (10, 20):
        probabilities, found = run(framework, folder / file, mem_len, tokens, mems)
        assert_close(probabilities, np.load(folder / "softmax.npy"))
        for one, two in zip(found, wanted, strict=True):
            assert_close(one, two[:, -mem_len:])
