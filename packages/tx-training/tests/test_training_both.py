"""The two frameworks' optimizers and schedules take the same steps."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

import tx_bert
from tx_training import (
    AdamW,
    TrainingModel,
    TrainingStep,
    create_optimizer,
    decay_groups,
    get_linear_schedule_with_warmup,
)


def test_both_take_the_same_steps() -> None:
    generator = np.random.default_rng(0)
    start, grads = generator.normal(size=7).astype("float32"), generator.normal(size=(20, 7)).astype("float32")
    parameter = torch.nn.Parameter(torch.tensor(start))
    ours = AdamW([parameter], lr=1e-3, eps=1e-3, weight_decay=0.01)
    schedule = get_linear_schedule_with_warmup(ours, 4, 20)
    variable = keras.Variable(start, name="kernel")
    theirs, rates = create_optimizer(1e-3, 20, 4, adam_epsilon=1e-3, weight_decay_rate=0.01)
    for step, grad in enumerate(grads):
        np.testing.assert_allclose(float(rates(step)), schedule.get_lr()[0], rtol=1e-6)
        parameter.grad = torch.tensor(grad)
        ours.step()
        schedule.step()
        theirs.apply([keras.ops.convert_to_tensor(grad)], [variable])
    np.testing.assert_allclose(variable.numpy(), parameter.detach().numpy(), rtol=1e-6, atol=1e-7)
    assert np.abs(variable.numpy() - start).min() > 1e-4


VOCABULARY, LENGTH, ROWS, STEPS = 50, 12, 8, 10
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": LENGTH,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "num_labels": 3,
    "initializer_range": 0.2,  # gradients long enough to be shortened
}


def batch(task: str, number: int) -> dict[str, np.ndarray]:
    """A batch (rows, tokens) whose rows have different lengths, with labels of the task."""
    generator = np.random.default_rng(number)
    lengths = generator.integers(LENGTH // 2, LENGTH + 1, size=(ROWS, 1))
    mask = (np.arange(LENGTH) < lengths).astype("int64")
    # Padding is no token of its own: PyTorch gives the embedding of `pad_token_id` no gradient.
    ids = generator.integers(1, VOCABULARY, size=(ROWS, LENGTH))
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": (np.arange(LENGTH) > 4) * mask}
    if task == "QuestionAnswering":
        starts = generator.integers(0, LENGTH // 2, size=ROWS)
        return {**inputs, "start_positions": starts, "end_positions": starts + generator.integers(0, 3, size=ROWS)}
    if task == "MaskedLM":
        hidden = (generator.random((ROWS, LENGTH)) < 0.3) & (mask == 1)
        return {**inputs, "labels": np.where(hidden, ids, -100)}
    return {**inputs, "labels": generator.integers(0, 3, size=ROWS)}


def torch_losses(folder: Path, task: str) -> tuple[list[float], list[float]]:
    """The losses of ten steps with PyTorch, and how long their gradients were."""
    model = getattr(tx_bert, f"BertFor{task}").from_pretrained(folder).train()
    optimizer = AdamW(decay_groups(model, 0.01), lr=1e-3, eps=1e-6)
    step = TrainingStep(model, optimizer, get_linear_schedule_with_warmup(optimizer, 3, STEPS), max_grad_norm=1.0)
    losses, lengths = [], []
    for number in range(STEPS):
        losses.append(float(step([{name: torch.tensor(part) for name, part in batch(task, number).items()}])))
        lengths.append(float(step.grad_norm if step.grad_norm is not None else 0))
    return losses, lengths


@pytest.mark.parametrize("task", ["SequenceClassification", "QuestionAnswering", "MaskedLM"])
def test_ten_steps_from_one_checkpoint_have_the_same_losses(task: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    getattr(tx_bert, f"BertFor{task}")(tx_bert.BertConfig(**SIZES)).save_pretrained(tmp_path)
    wanted, lengths = torch_losses(tmp_path, task)
    assert max(lengths) > 1.5, "no gradient is shortened"
    model = getattr(tx_bert, f"TFBertFor{task}").from_pretrained(tmp_path)
    training = TrainingModel(model, max_grad_norm=1.0)
    optimizer, _ = create_optimizer(1e-3, STEPS, 3, adam_epsilon=1e-6, weight_decay_rate=0.01)
    training.compile(optimizer, jit_compile=False, run_eagerly=True)
    batches = [batch(task, number) for number in range(STEPS)]
    whole = {name: np.concatenate([each[name] for each in batches]) for name in batches[0]}
    dataset = tf.data.Dataset.from_tensor_slices(whole).batch(ROWS)
    found = training.fit(dataset, epochs=STEPS, steps_per_epoch=1, verbose=0).history["loss"]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)
