"""Adam with decoupled weight decay as BERT was trained with it, in PyTorch. Its twin in Keras: ``optimizers_tf``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.adamw import adamw

from tx_core.messages import quoted

_NORMS = (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


class AdamW(Optimizer):
    """Adam (Kingma & Ba 2014, https://arxiv.org/abs/1412.6980) with the weight decay of Loshchilov & Hutter 2017,
    https://arxiv.org/abs/1711.05101, in the form of BERT's original code.

    With m and v the moving averages of a gradient and of its square, step t does ::

        size = lr * sqrt(1 - beta2**t) / (1 - beta1**t)     # lr alone without correct_bias
        p = p - size * m / (sqrt(v) + eps)
        p = p - lr * weight_decay * p

    ``torch.optim.AdamW`` adds ``eps`` to the corrected root and decays first. The two agree where ``eps`` is 0 and
    there is no decay. Otherwise ``eps`` counts ``1 / sqrt(1 - beta2**t)`` times as much here, 32 times at first.

    The computing is torch's own, by its fused kernel on a CPU and its ``foreach`` kernels elsewhere: what differs is
    what they are told. States are those of ``torch.optim.AdamW``, and each of the two loads the other's.

    Args:
        params: the parameters, or groups of them, as every optimizer of torch takes them.
        lr: learning rate.
        betas: how much of the two averages stays at each step.
        eps: added to the root of the second average.
        weight_decay: share of a parameter that a step of rate 1 takes away.
        correct_bias: correct the averages for having begun at zero. BERT's original code did not.

    Raises:
        ValueError: if a number is out of its range.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        correct_bias: bool = True,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "correct_bias": correct_bias,
        }
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters, as a dictionary of ``params`` and of what differs from the defaults.

        Raises:
            ValueError: if a number is out of its range.
        """
        param_group.update(_checked({**self.defaults, **param_group}))
        super().add_param_group(param_group)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("correct_bias", True)  # the state of torch's own
        for each in self.state.values():
            if "step" in each and not isinstance(each["step"], Tensor):  # that of 2019
                each["step"] = torch.tensor(float(each["step"]))

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Change the parameters that have gradients by one step.

        Args:
            closure: computes the loss and the gradients again; called once, before the step.

        Returns:
            What the closure returned.

        Raises:
            RuntimeError: if a gradient is sparse; nothing was changed then.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for number, parameter in enumerate(group["params"]):
                if parameter.grad is not None and parameter.grad.is_sparse:
                    raise RuntimeError(
                        f"AdamW takes no sparse gradients, and parameter {number} of its group, of shape "
                        f"{tuple(parameter.shape)}, has one: make its nn.Embedding with sparse=False, or give it to "
                        "torch.optim.SparseAdam"
                    )
        for group in self.param_groups:
            # Parameters that were frozen for a while are some steps behind.
            behind: dict[tuple[float, bool], list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    key = float(self._state_of(parameter)["step"]), self._can_be_fused(parameter)
                    behind.setdefault(key, []).append(parameter)
            for (steps, fused), parameters in behind.items():
                self._update(group, parameters, steps + 1, fused)
        return loss

    def _state_of(self, parameter: Tensor) -> dict[str, Any]:
        state: dict[str, Any] = self.state[parameter]
        if not state:
            state["step"] = torch.tensor(0.0)
            state["exp_avg"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
            state["exp_avg_sq"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
        return state

    def _can_be_fused(self, parameter: Tensor) -> bool:
        """Whether torch's fused kernel for CPUs can be used: it takes any tensor's memory as one row of numbers."""
        if parameter.device.type != "cpu" or type(parameter) not in (Tensor, nn.Parameter):
            return False
        state, grad = self.state[parameter], parameter.grad
        tensors = (parameter, grad, state["exp_avg"], state["exp_avg_sq"])
        return parameter.is_floating_point() and all(
            each is not None and each.is_contiguous() and each.dtype == parameter.dtype for each in tensors
        )

    def _update(self, group: dict[str, Any], parameters: list[Tensor], step: float, fused: bool) -> None:
        beta1, beta2 = group["betas"]
        corrections = 1 - beta1**step, math.sqrt(1 - beta2**step)
        # torch multiplies the parameters by 1 - lr * weight_decay first, and then subtracts
        #     lr / corrections[0] * m / (sqrt(v) / corrections[1] + eps).
        # Here both are shortened by the decay, and eps is not corrected; without correct_bias, nor is the rest.
        kept = 1 - group["lr"] * group["weight_decay"]
        rate = group["lr"] * kept
        if not group["correct_bias"]:
            rate *= corrections[0] / corrections[1]
        states = [self.state[parameter] for parameter in parameters]
        adamw(
            parameters,
            [parameter.grad for parameter in parameters if parameter.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            foreach=not fused,
            fused=fused,
            has_complex=any(map(torch.is_complex, parameters)),
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=rate,
            weight_decay=(1 - kept) / rate if rate else 0.0,
            eps=group["eps"] / corrections[1],
            maximize=False,
        )
        if not kept:
            for parameter in parameters:
                parameter.zero_()


def _checked(group: dict[str, Any]) -> dict[str, Any]:
    """A group's numbers as Python's own: a state that holds one of NumPy's cannot be loaded as weights alone."""
    for name in ("lr", "eps", "weight_decay"):
        value = group[name]
        if isinstance(value, Tensor) or not 0.0 <= value < math.inf:
            raise ValueError(f"{name} must be a number from 0 on, not {quoted(value)}")
    betas = tuple(group["betas"])
    if len(betas) != 2 or not all(0.0 <= beta < 1.0 for beta in betas):
        raise ValueError(f"betas must be two numbers from 0 to below 1, not {quoted(betas)}")
    numbers: dict[str, Any] = {name: float(group[name]) for name in ("lr", "eps", "weight_decay")}
    return {**numbers, "betas": tuple(map(float, betas))}


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """A model's trainable parameters in two groups for an optimizer: those that decay, and those that do not.

    Biases and what belongs to a normalisation layer do not decay. Such layers are found by their type, whatever an
    architecture calls them (``LayerNorm``, ``ln_1``, ``sa_layer_norm``); biases by ``bias`` in their own name, as
    Transformer-XL's ``r_w_bias``.

        optimizer = AdamW(decay_groups(model, 0.01), lr=5e-5)

    Args:
        model: any module of torch, wrapped or not; tied parameters are taken once.
        weight_decay: that of the first group.

    Returns:
        The groups, each with ``params`` and ``weight_decay``; one that would be empty is left out.

    Raises:
        ValueError: if no parameter is trainable.
    """
    decayed: dict[Tensor, None] = {}
    spared: dict[Tensor, None] = {}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad:
                is_spared = isinstance(module, _NORMS) or "bias" in name
                (spared if is_spared else decayed)[parameter] = None
    groups = [
        {"params": [each for each in decayed if each not in spared], "weight_decay": weight_decay},
        {"params": [*spared], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if not groups:
        raise ValueError(f"{type(model).__name__} has no parameter that is trainable (requires_grad)")
    return groups
