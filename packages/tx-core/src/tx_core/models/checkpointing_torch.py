"""Layers that PyTorch computes again in the backward pass (Chen et al. 2016, https://arxiv.org/abs/1604.06174)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.utils.checkpoint
from torch import Tensor

from tx_core.messages import quoted

_OPTIONS = {"use_reentrant", "preserve_rng_state", "context_fn", "determinism_check", "debug", "early_stop"}


@dataclass(frozen=True)
class Checkpointing:
    """Which layers of a stack are computed again, and how.

    Attributes:
        options: of ``torch.utils.checkpoint.checkpoint``.
        every_n_layers: 1 for all layers, 2 for the first, the third, …
        offload: whether what the layers read is held in the memory of the CPU meanwhile.
    """

    options: Mapping[str, Any]
    every_n_layers: int = 1
    offload: bool = False

    @classmethod
    def of(cls, given: Mapping[str, Any] | None, every_n_layers: int, offload: bool) -> Checkpointing:
        """Check what a user asks for. Checkpointing is not reentrant unless it is told to be.

        Raises:
            TypeError: if PyTorch has no such option.
            ValueError: if ``every_n_layers`` is less than 1.
        """
        options = {"use_reentrant": False, **(given or {})}
        if unknown := options.keys() - _OPTIONS:
            raise TypeError(
                f"gradient_checkpointing_kwargs has {', '.join(map(quoted, sorted(unknown)))}; "
                f"checkpointing takes {', '.join(sorted(_OPTIONS))}"
            )
        if every_n_layers < 1:
            raise ValueError(f"every_n_layers must be at least 1, not {every_n_layers}")
        return cls(options, every_n_layers, offload)

    def check(self, **beside: Tensor | None) -> None:
        """Raise ValueError if a tensor within the context of the layers would lose its gradient.

        Reentrant checkpointing gives gradients to the arguments of a layer alone.
        """
        lost = [name for name, x in beside.items() if x is not None and x.requires_grad]
        if lost and self.options["use_reentrant"]:
            raise ValueError(
                f"{' and '.join(lost)} would get no gradient: leave use_reentrant=True out of "
                "gradient_checkpointing_enable(gradient_checkpointing_kwargs=…)"
            )

    def around(self, layer: Callable[..., Any], index: int) -> Callable[..., Any]:
        """The call of a layer of the stack."""
        if index % self.every_n_layers:
            return layer

        def call(*args: Any) -> Any:
            if not self.offload:
                return torch.utils.checkpoint.checkpoint(layer, *args, **self.options)
            with torch.autograd.graph.save_on_cpu(pin_memory=torch.cuda.is_available()):
                return torch.utils.checkpoint.checkpoint(layer, *args, **self.options)

        return call
