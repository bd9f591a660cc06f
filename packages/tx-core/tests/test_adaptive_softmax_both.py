"""The adaptive softmax: PyTorch's numbers under PyTorch's names, in both frameworks."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch

from tx_core.models import adaptive_softmax_tf, adaptive_softmax_torch, losses_tf, losses_torch
from tx_core.models.embeddings_tf import check_scores as check_scores_tf
from tx_core.models.embeddings_torch import check_scores as check_scores_torch
from tx_core.models.layers_tf import ModuleList
from tx_core.models.variables_tf import named_parameters
from tx_core.weights import Row, WeightTable, linear

SIZES: dict[str, tuple[int, int, list[int], float]] = {
    "three clusters": (16, 50, [10, 22, 40], 2.0),
    "one cluster": (16, 50, [3], 4.0),
    "clusters of one word": (16, 12, [1, 2, 11], 1.5),
}
RNG = np.random.default_rng(0)
STATES = RNG.standard_normal((2, 5, 16)).astype(np.float32)


def three(sizes: str) -> tuple[torch.nn.AdaptiveLogSoftmaxWithLoss, torch.nn.Module, Any]:
    """PyTorch's module, and the two of ours with its parameters."""
    width, words, cutoffs, div_value = SIZES[sizes]
    torch.manual_seed(0)
    wanted = torch.nn.AdaptiveLogSoftmaxWithLoss(width, words, cutoffs, div_value, head_bias=True)
    with torch.no_grad():
        for parameter in wanted.parameters():
            parameter.normal_()
    one, two = (m.AdaptiveSoftmax(*SIZES[sizes]) for m in (adaptive_softmax_torch, adaptive_softmax_tf))
    one.load_state_dict(wanted.state_dict())
    two.build()
    for parameter in named_parameters(two):
        parameter.assign(wanted.state_dict()[parameter.name].numpy())
    assert {parameter.name for parameter in named_parameters(two)} == wanted.state_dict().keys()
    return wanted, one, two


def close(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6 * np.abs(wanted).max())


@pytest.mark.parametrize("sizes", SIZES)
def test_same_probabilities(sizes: str) -> None:
    wanted, one, two = three(sizes)
    with torch.no_grad():
        scores = wanted.log_prob(torch.from_numpy(STATES).flatten(0, 1)).unflatten(0, (2, 5)).numpy()
        close(one(torch.from_numpy(STATES)), scores)
        close(one(torch.from_numpy(STATES[0, 0])), scores[0, 0])
    close(two(tf.constant(STATES)), scores)
    close(tf.function(two, jit_compile=True)(tf.constant(STATES[0])), scores[0])
    np.testing.assert_allclose(np.exp(scores).sum(-1), 1, rtol=1e-5)


@pytest.mark.parametrize("sizes", SIZES)
def test_same_loss_and_gradients(sizes: str) -> None:
    """Labels of -100 and -1 are ignored, which PyTorch's own loss refuses."""
    wanted, one, two = three(sizes)
    labels = RNG.integers(0, SIZES[sizes][1], (2, 5))
    kept = np.ones((2, 5), bool)
    kept[0, 1] = kept[1, 4] = False
    ignored = np.where(kept, labels, np.array([-100, -1])[:, None])
    assert (ignored < 0).sum() == 2
    loss = wanted(torch.from_numpy(STATES[kept]), torch.from_numpy(labels[kept])).loss
    found = losses_torch.token_loss(one(torch.from_numpy(STATES)), torch.from_numpy(ignored))
    for each in (loss, found):
        each.backward()
    close(found.item(), loss.item())
    parameters = list(named_parameters(two))
    with tf.GradientTape() as tape:
        found_tf = losses_tf.token_loss(two(tf.constant(STATES)), tf.constant(ignored))
    gradients = tape.gradient(found_tf, [each.variable.value for each in parameters])
    close(float(found_tf), loss.item())
    of_tf = {each.name: np.asarray(gradient).T for each, gradient in zip(parameters, gradients, strict=True)}
    # PyTorch leaves out clusters that no label is in.
    of_torch = {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in wanted.named_parameters()}
    largest = max(float(gradient.abs().max()) for gradient in of_torch.values())
    for name, gradient in of_torch.items():
        for other in (one.get_parameter(name).grad, of_tf[name]):
            np.testing.assert_allclose(other, gradient, rtol=0, atol=1e-6 * largest, err_msg=name)


def test_gradients_of_states_reach_a_causal_loss() -> None:
    _, one, two = three("three clusters")
    labels = RNG.integers(0, 50, (2, 5))
    states = torch.from_numpy(STATES).requires_grad_()
    loss = losses_torch.causal_loss(one(states), torch.from_numpy(labels))
    loss.backward()
    given = tf.constant(STATES)
    with tf.GradientTape() as tape:
        tape.watch(given)
        other = losses_tf.causal_loss(two(given), tf.constant(labels))
    close(float(other), loss.item())
    assert states.grad is not None
    np.testing.assert_allclose(tape.gradient(other, given), states.grad, rtol=0, atol=1e-6)
    assert not states.grad[:, -1].any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(dtype: torch.dtype) -> None:
    wanted, one, _ = three("three clusters")
    with torch.no_grad():
        exact = wanted.log_prob(torch.from_numpy(STATES[0]))
        found = one.to(dtype)(torch.from_numpy(STATES[0]).to(dtype))
    assert found.dtype == dtype
    assert found.isfinite().all()
    np.testing.assert_allclose(found.float(), exact, rtol=0, atol=1e-5 if dtype == torch.float64 else 0.1 * 30)


def test_compiled_and_exported() -> None:
    _, one, _ = three("three clusters")
    states = torch.from_numpy(STATES)
    compiled: Any = torch.compile(one, fullgraph=True, backend="eager", dynamic=True)
    with torch.no_grad():
        close(compiled(states), one(states))
        close(torch.export.export(one, (states,)).module()(states), one(states))


def test_rows_of_a_weight_table() -> None:
    """The clusters' layers are two numbers in a name."""
    table = WeightTable("xlm", (*linear("proj.head"), Row("proj.tail.{i}.{j}.weight")))
    for name in three("three clusters")[0].state_dict():
        assert table.published(f"proj.{name}") == f"proj.{name}"


def test_vectors_of_no_number_are_refused() -> None:
    for module in (adaptive_softmax_torch, adaptive_softmax_tf):
        with pytest.raises(ValueError, match="clusters would be 4, 1, 0 wide, of 16: lower it"):
            module.AdaptiveSoftmax(16, 50, [10, 20, 30], 4)


def test_another_vocabulary_is_refused() -> None:
    _, one, two = three("three clusters")
    around = ModuleList([two])
    for check, model in ((check_scores_torch, torch.nn.Sequential(one)), (check_scores_tf, around)):
        check(model, 50)
        with pytest.raises(ValueError, match="cannot be made 51 tokens: the adaptive softmax scores 50"):
            check(model, 51)
