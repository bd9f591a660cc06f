"""Answers by XLM: a head that was trained finds them, in both frameworks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch

from tx_xlm import TFXLMForQuestionAnswering, XLMConfig, XLMForQuestionAnswering

CONFIG = {"vocab_size": 40, "emb_dim": 16, "n_layers": 1, "n_heads": 2, "dropout": 0.0, "attention_dropout": 0.0}
RNG = np.random.default_rng(0)
LENGTHS = np.array([[12], [9], [7], [5]])
MASK = (np.arange(12) < LENGTHS).astype(np.int64)
INPUTS = {"input_ids": np.where(MASK == 1, RNG.integers(5, 40, MASK.shape), 2), "attention_mask": MASK}
# The question's two tokens and padding cannot be in an answer.
P_MASK = np.where((np.arange(12) == 1) | (np.arange(12) == 2), 1, 1 - MASK)
LABELS = {
    "start_positions": np.array([4, 3, 0, 4]),  # the third has none, which the first token stands for
    "end_positions": np.array([6, 3, 0, 4]),
    "is_impossible": np.array([0, 0, 1, 0]),
    "cls_index": np.zeros(4, np.int64),
    "p_mask": P_MASK,
}


def tensors(arrays: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    model = XLMForQuestionAnswering(XLMConfig(**CONFIG)).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        loss = model(**tensors(INPUTS), **tensors(LABELS)).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
    folder = tmp_path_factory.mktemp("trained")
    model.save_pretrained(folder)
    return folder


def test_trained_answers_come_first(trained: Path) -> None:
    asked = {**INPUTS, "cls_index": LABELS["cls_index"], "p_mask": P_MASK}
    with torch.no_grad():
        one = XLMForQuestionAnswering.from_pretrained(trained)(**tensors(asked))
    two = TFXLMForQuestionAnswering.from_pretrained(trained)({n: tf.constant(a) for n, a in asked.items()})
    for found in (one, two):
        start, end, cls = (np.asarray(x) for x in (found.start_top_index, found.end_top_index, found.cls_logits))
        assert start[:, 0].tolist() == LABELS["start_positions"].tolist()
        assert end[:, 0].tolist() == LABELS["end_positions"].tolist()
        assert (cls > 0).tolist() == (LABELS["is_impossible"] == 1).tolist()
        assert (np.asarray(found.start_top_log_probs)[:, 0] > 0.9).all()
        assert ((start < LENGTHS) & (start != 1) & (start != 2)).all(), "padding, or the question, starts no answer"


@pytest.mark.parametrize(
    ("left_out", "match"),
    [
        ("end_positions", "belong together, but only start_positions and is_impossible and cls_index is given"),
        ("cls_index", "belong together, but only start_positions and end_positions and is_impossible is given"),
    ],
)
def test_labels_that_belong_together(left_out: str, match: str, trained: Path) -> None:
    given = {name: array for name, array in {**INPUTS, **LABELS}.items() if name != left_out}
    with pytest.raises(ValueError, match=match):
        XLMForQuestionAnswering.from_pretrained(trained)(**tensors(given))
    with pytest.raises(ValueError, match=match):
        TFXLMForQuestionAnswering.from_pretrained(trained)({n: tf.constant(a) for n, a in given.items()})


def test_answerability_alone_is_no_training(trained: Path) -> None:
    given = {**INPUTS, "is_impossible": LABELS["is_impossible"]}
    with pytest.raises(ValueError, match="belong together, but only is_impossible is given"):
        XLMForQuestionAnswering.from_pretrained(trained)(**tensors(given))
