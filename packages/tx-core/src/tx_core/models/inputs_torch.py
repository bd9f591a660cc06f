"""Checks and shapes of a call's inputs, in PyTorch. Mirrored by ``inputs_tf``.

Shapes: B batch, C choices, S sequence, H hidden size.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .inputs import outside, refuse_empty


def has_values(*tensors: Tensor) -> bool:
    """Whether the numbers of tensors can be read now.

    They cannot while a graph is recorded, nor of tensors that stand for others (fake ones, those of ``torch.func``).
    """
    if torch.jit.is_tracing() or torch.compiler.is_compiling():  # type: ignore[attr-defined]
        return False
    # Fake tensors, and make_fx, which records what is done to real ones.
    modes = torch._C._TorchDispatchModeKey
    if any(torch._C._get_dispatch_mode(mode) is not None for mode in (modes.FAKE, modes.PROXY)):
        return False
    return all(
        type(x) in (Tensor, torch.nn.Parameter)
        and x.device.type != "meta"
        and not torch._C._functorch.is_functorch_wrapped_tensor(x)
        for x in tensors
    )


def check_ids(name: str, ids: Tensor | None, size: int | None, kind: str = "") -> None:
    """Refuse numbers that are none of 0 to size - 1, where they can be read.

    Where they cannot, PyTorch's own operations refuse them. Those do not know the argument's name.

    Args:
        name: the argument. size: None if there is no upper limit. kind: what the numbers are, see :func:`outside`.

    Raises:
        ValueError: naming the argument, its range and the number found.
    """
    # On an accelerator the comparison would wait for all work that is queued.
    if ids is None or ids.device.type != "cpu" or not has_values(ids) or not ids.numel():
        return
    low, high = (int(x) for x in ids.aminmax())
    if low < 0 or (size is not None and high >= size):
        before, after = outside(name, size, kind, low >= 0)
        raise ValueError(f"{before} {low if low < 0 else high}, {after}")


def input_shape(
    input_ids: Tensor | None,
    inputs_embeds: Tensor | None,
    max_positions: int | None = None,
    attention_mask: Tensor | None = None,
    past_length: int = 0,
) -> tuple[int, int, torch.device]:
    """Check what a model is called with; returns batch size, sequence length and device.

    Args:
        input_ids: (B, S). inputs_embeds: (B, S, H); exactly one of the two.
        max_positions: how many positions the model knows, if that is limited.
        attention_mask: its last axis must be as long as past and sequence together.
        past_length: number of tokens seen before.

    Raises:
        ValueError: naming the argument, what it is and what it should be.
    """
    if (input_ids is None) == (inputs_embeds is None):
        raise ValueError("give either input_ids or inputs_embeds" + ("" if input_ids is None else ", not both"))
    given, name, rank = (input_ids, "input_ids", 2) if input_ids is not None else (inputs_embeds, "inputs_embeds", 3)
    assert given is not None
    if given.dim() != rank:
        wanted = "(batch, sequence)" if rank == 2 else "(batch, sequence, hidden)"
        raise ValueError(f"{name} must have shape {wanted}, not {tuple(given.shape)}")
    refuse_empty(**{name: given})
    batch, length = given.shape[:2]
    if torch.jit.is_tracing() or torch.compiler.is_compiling():  # type: ignore[attr-defined]
        return batch, length, given.device
    if max_positions is not None and past_length + length > max_positions:
        raise ValueError(
            f"the sequence has {past_length + length} tokens, but the model knows only {max_positions} positions: "
            "truncate it, or split it"
        )
    if attention_mask is not None and attention_mask.shape[-1] != past_length + length:
        raise ValueError(
            f"attention_mask has shape {tuple(attention_mask.shape)}, but there are {past_length + length} tokens"
        )
    return batch, length, given.device


def as_rows(input_ids: Tensor | None, *others: Tensor | None) -> tuple[torch.Size | None, list[Tensor | None]]:
    """Token ids of any rank, (…, S), as (B, S), and so what comes with them.

    Returns:
        The axes before S, which :func:`from_rows` gives back to the outputs, None if there is nothing to be done; and
        the inputs.
    """
    inputs = [input_ids, *others]
    if input_ids is None or input_ids.dim() in (0, 2):
        return None, inputs
    refuse_empty(input_ids=input_ids)
    return input_ids.shape[:-1], [None if x is None else x.reshape(-1, x.shape[-1]) for x in inputs]


def from_rows(x: Tensor, axes: torch.Size | None) -> Tensor:
    """(B, …) → (axes, …), see :func:`as_rows`."""
    return x if axes is None else x.reshape(*axes, *x.shape[1:])


def choices(input_ids: Tensor | None, inputs_embeds: Tensor | None) -> int:
    """The number of choices C of multiple-choice inputs, (B, C, S) or (B, C, S, H)."""
    given, rank = (input_ids, 3) if input_ids is not None else (inputs_embeds, 4)
    if given is None or given.dim() != rank:
        found = None if given is None else tuple(given.shape)
        raise ValueError(f"multiple-choice inputs must have shape (batch, choices, sequence), not {found}")
    if given.shape[1] == 0:
        raise ValueError(f"multiple-choice inputs have shape {tuple(given.shape)}, which is no choice at all")
    refuse_empty(input_ids=input_ids, inputs_embeds=inputs_embeds)
    return given.shape[1]


def have_choices(input_ids: Tensor | None, inputs_embeds: Tensor | None) -> bool:
    """Whether inputs are multiple-choice ones, (B, C, S) or (B, C, S, H), rather than (B, S) or (B, S, H)."""
    given, rank = (input_ids, 3) if input_ids is not None else (inputs_embeds, 4)
    return given is not None and given.dim() == rank


def flatten_choices(x: Tensor | None) -> Tensor | None:
    """(B, C, …) → (B·C, …)."""
    return None if x is None else x.flatten(0, 1)


def by_choice(x: Tensor, count: int) -> Tensor:
    """(B·C, …) → (B, C, …)."""
    rows, *others = x.shape
    return x.view(rows // count, count, *others)
