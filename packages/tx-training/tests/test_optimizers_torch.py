"""AdamW against its formula, against torch's own where the two agree, saved and resumed; and groups that decay."""

from __future__ import annotations

import copy
import io
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tx_core.models.layers_torch import Conv1D
from tx_training import AdamW, decay_groups

SHAPES = ((3, 4), (5,), (), (2, 0))
OPTIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "decay": {"weight_decay": 0.1},
    "uncorrected": {"correct_bias": False, "weight_decay": 0.01},
    "large-eps": {"eps": 0.1, "betas": (0.5, 0.7), "weight_decay": 0.3},
    "no-averages": {"betas": (0.0, 0.0)},
    "no-rate": {"lr": 0.0, "weight_decay": 0.1},
    "all-decays": {"lr": 0.5, "weight_decay": 2.0},
    "more-than-all-decays": {"lr": 0.5, "weight_decay": 3.0},
}


def formula(p: Any, grads: Iterable[Any], lr: float = 1e-3, betas: Any = (0.9, 0.999), eps: float = 1e-6,
            weight_decay: float = 0.0, correct_bias: bool = True) -> Any:  # fmt: skip
    """The parameter after a step for each gradient, in double precision."""
    m, v = np.zeros_like(p), np.zeros_like(p)
    for t, grad in enumerate(grads, start=1):
        m = betas[0] * m + (1 - betas[0]) * grad
        v = betas[1] * v + (1 - betas[1]) * grad**2
        size = lr * math.sqrt(1 - betas[1] ** t) / (1 - betas[0] ** t) if correct_bias else lr
        p = p - size * m / (np.sqrt(v) + eps)
        p = p - lr * weight_decay * p
    return p


def parameters(dtype: torch.dtype = torch.float32) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=generator).to(dtype)) for shape in SHAPES]


def gradients(steps: int = 12) -> list[list[Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [[torch.randn(shape, generator=generator) for shape in SHAPES] for _ in range(steps)]


def run(optimizer: torch.optim.Optimizer, steps: Iterable[list[Tensor]]) -> None:
    for grads in steps:
        for parameter, grad in zip(optimizer.param_groups[0]["params"], grads, strict=True):
            parameter.grad = grad.to(parameter.dtype)
        optimizer.step()


def saved(state: dict[str, Any]) -> dict[str, Any]:
    """A state after `torch.save` and the load that executes nothing."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    loaded: dict[str, Any] = torch.load(file, weights_only=True)
    return loaded


def assert_close(found: list[nn.Parameter], wanted: list[Any], tolerance: float) -> None:
    for each, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(each.detach().double().numpy(), want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_steps_follow_the_formula(options: dict[str, Any], dtype: torch.dtype) -> None:
    found = parameters(dtype)
    run(AdamW(found, **options), gradients())
    start = [each.detach().double().numpy() for each in parameters(dtype)]
    wanted = [formula(p, [g.double().numpy() for g in grads], **options)
              for p, grads in zip(start, zip(*gradients(), strict=True), strict=True)]  # fmt: skip
    assert_close(found, wanted, 2e-6 if dtype == torch.float32 else 1e-13)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_gradients_in_another_order_of_memory_count_the_same(options: dict[str, Any]) -> None:
    found, wanted = ([nn.Parameter(torch.arange(12.0, dtype=torch.float64).reshape(3, 4))] for _ in range(2))
    for parameter, is_turned in ((found, True), (wanted, False)):
        optimizer = AdamW(parameter, **options)
        for step in gradients(3):
            grad = step[0].double()
            parameter[0].grad = grad.T.contiguous().T if is_turned else grad
            optimizer.step()
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("fused", [True, False])
def test_it_is_torchs_own_without_eps_and_decay(fused: bool) -> None:
    ours, theirs = parameters(), parameters()
    run(AdamW(ours, lr=0.01, eps=0.0), gradients())
    run(torch.optim.AdamW(theirs, lr=0.01, eps=0.0, weight_decay=0.0, fused=fused), gradients())
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)


def test_decay_is_that_of_torchs_own_where_the_step_is_nothing() -> None:
    ours, theirs = parameters(), parameters()
    still = [[torch.zeros(shape) for shape in SHAPES]] * 3
    run(AdamW(ours, lr=0.1, weight_decay=0.2), still)
    run(torch.optim.AdamW(theirs, lr=0.1, weight_decay=0.2), still)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_parameters_of_half_precision_move(dtype: torch.dtype) -> None:
    found = parameters(dtype)
    run(AdamW(found, lr=0.1, eps=1e-8), gradients(1))
    for each, start, grad in zip(found, parameters(dtype), gradients(1)[0], strict=True):
        torch.testing.assert_close(each, start - 0.1 * grad.sign().to(dtype), rtol=0, atol=0.02)


def test_complex_parameters_are_pairs_of_numbers() -> None:
    found = nn.Parameter(torch.tensor([1 + 2j]))
    found.grad = torch.tensor([0.5 - 0.25j])
    AdamW([found], lr=0.1, eps=0.0).step()
    torch.testing.assert_close(found.detach(), torch.tensor([0.9 + 2.1j]))


def test_a_resumed_training_is_the_uninterrupted_one_bit_by_bit() -> None:
    whole, steps = parameters(), gradients()
    run(AdamW(whole, lr=0.01, weight_decay=0.1), steps)
    first = AdamW(parameters(), lr=0.01, weight_decay=0.1)
    run(first, steps[:5])
    second = AdamW(copy.deepcopy(first.param_groups[0]["params"]))
    second.load_state_dict(saved(first.state_dict()))
    run(second, steps[5:])
    for each, want in zip(second.param_groups[0]["params"], whole, strict=True):
        assert torch.equal(each, want)


def test_numbers_of_numpy_are_saved_as_pythons() -> None:
    groups = [{"params": parameters(), "weight_decay": np.float32(0.5)}]
    optimizer = AdamW(groups, lr=np.float64(0.25), betas=(np.float32(0.5), 0.75), eps=np.float64(1e-6))
    (group,) = saved(optimizer.state_dict())["param_groups"]
    assert [group[name] for name in ("lr", "betas", "weight_decay")] == [0.25, (0.5, 0.75), 0.5]


def test_states_of_2019_and_of_torch_are_taken_up() -> None:
    steps = gradients()
    for make in (lambda params: torch.optim.AdamW(params, lr=0.01, weight_decay=0.0), lambda p: AdamW(p, lr=0.01)):
        first: torch.optim.Optimizer = make(parameters())
        run(first, steps[:5])
        state = saved(first.state_dict())
        for each in state["state"].values():
            each["step"] = int(each["step"])  # as it was in 2019
        second = AdamW(copy.deepcopy(first.param_groups[0]["params"]), lr=1.0)
        second.load_state_dict(state)
        assert second.param_groups[0]["lr"] == 0.01
        run(second, steps[5:6])
        assert {float(each["step"]) for each in second.state.values()} == {6.0}


def test_torchs_own_takes_up_a_state() -> None:
    first = AdamW(parameters(), lr=0.01, eps=0.0)
    run(first, gradients(5))
    params = copy.deepcopy(first.param_groups[0]["params"])
    second = torch.optim.AdamW(params)
    second.load_state_dict(saved(first.state_dict()))
    for optimizer in (first, second):
        run(optimizer, gradients(1))
    torch.testing.assert_close(first.param_groups[0]["params"], params, rtol=1e-6, atol=1e-7)


def test_a_parameter_that_was_frozen_counts_its_own_steps() -> None:
    late, early = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    optimizer = AdamW([late, early], lr=0.1)
    for step in range(4):
        early.grad = torch.full((3,), step + 1.0)
        late.grad = torch.full((3,), step + 1.0) if step >= 2 else None
        optimizer.step()
    ones = np.ones(3)
    assert_close([early, late], [formula(ones, [1, 2, 3, 4], lr=0.1), formula(ones, [3, 4], lr=0.1)], 1e-6)
    assert [float(optimizer.state[each]["step"]) for each in (early, late)] == [4.0, 2.0]


def test_groups_have_their_own_numbers() -> None:
    one, two, three = (nn.Parameter(torch.ones(2)) for _ in range(3))
    optimizer = AdamW([{"params": [one]}, {"params": [two], "lr": 0.5, "weight_decay": 0.1}], lr=0.1)
    optimizer.add_param_group({"params": [three], "correct_bias": False})
    for each in (one, two, three):
        each.grad = torch.ones(2)
    optimizer.step()
    grads, ones = [np.ones(2)], np.ones(2)
    wanted = [formula(ones, grads, lr=0.1), formula(ones, grads, lr=0.5, weight_decay=0.1),
              formula(ones, grads, lr=0.1, correct_bias=False)]  # fmt: skip
    assert_close([one, two, three], wanted, 1e-6)


def test_a_closure_is_called_with_gradients_on() -> None:
    parameter = nn.Parameter(torch.tensor([2.0]))
    optimizer = AdamW([parameter], lr=0.1)

    def closure() -> float:
        optimizer.zero_grad()
        loss = parameter.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    assert optimizer.step(closure) == 4.0
    assert parameter.item() == pytest.approx(1.9, abs=1e-6)


def test_sparse_gradients_are_refused_before_anything_changes() -> None:
    plain, table = nn.Parameter(torch.ones(2)), nn.Embedding(10, 3, sparse=True)
    optimizer = AdamW([plain, table.weight], lr=0.1)
    (table(torch.tensor([1])).sum() + plain.sum()).backward()
    with pytest.raises(RuntimeError, match=r"no sparse gradients, and parameter 1 .* \(10, 3\)"):
        optimizer.step()
    assert torch.equal(plain.detach(), torch.ones(2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -1.0}, "lr must be a number from 0 on, not -1.0"),
        ({"lr": math.nan}, "not nan"),
        ({"eps": -1e-8}, "eps must be .* not -1e-08"),
        ({"weight_decay": -0.1}, "weight_decay must be .* not -0.1"),
        ({"betas": (0.9, 1.0)}, r"betas must be .* not \(0.9, 1.0\)"),
        ({"betas": (0.9,)}, r"betas must be two numbers .* not \(0.9,\)"),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AdamW(parameters(), **options)
    optimizer = AdamW(parameters())
    with pytest.raises(ValueError, match=message):
        optimizer.add_param_group({"params": [nn.Parameter(torch.ones(1))], **options})
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize("make", [AdamW, torch.optim.AdamW])
def test_scaled_losses_are_unscaled_and_infinite_gradients_left_out(make: Callable[..., torch.optim.Optimizer]) -> None:
    parameter = nn.Parameter(torch.tensor([1.0]))
    optimizer = make([parameter], lr=0.1, eps=0.0, weight_decay=0.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for factor in (1.0, math.inf):
        optimizer.zero_grad()
        scaler.scale((parameter * factor).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
    assert parameter.item() == pytest.approx(0.9, abs=1e-6)
    assert scaler.get_scale() == 512.0


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(5, 4)
        self.ln_1 = nn.LayerNorm(4)
        self.scale = nn.RMSNorm(4)
        self.project = Conv1D(4, 4)
        self.r_w_bias = nn.Parameter(torch.zeros(4))
        self.decoder = nn.Linear(4, 5)
        self.decoder.weight = self.words.weight
        self.frozen = nn.Linear(4, 4).requires_grad_(False)


def test_biases_and_normalisations_do_not_decay() -> None:
    model = Model()
    names = {parameter: name for name, parameter in model.named_parameters()}
    decayed, spared = decay_groups(model, 0.01)
    assert decayed["weight_decay"] == 0.01
    assert [names[each] for each in decayed["params"]] == ["words.weight", "project.weight"]
    assert spared["weight_decay"] == 0.0
    assert {names[each] for each in spared["params"]} == {
        "r_w_bias", "ln_1.weight", "ln_1.bias", "scale.weight", "project.bias", "decoder.bias",
    }  # fmt: skip
    AdamW([decayed, spared])


def test_groups_without_parameters_are_left_out_or_refused() -> None:
    assert [group["weight_decay"] for group in decay_groups(nn.LayerNorm(3), 0.1)] == [0.0]
    with pytest.raises(ValueError, match="Linear has no parameter that is trainable"):
        decay_groups(nn.Linear(2, 2).requires_grad_(False), 0.1)
