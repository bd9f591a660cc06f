"""Layers that several architectures publish under the same names, in PyTorch. Mirrored by ``layers_tf``.

Shapes: B batch, S sequence, H hidden size.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .activations_torch import ACTIVATIONS


class Conv1D(nn.Module):
    """A linear layer whose weight is (inputs, outputs), as in OpenAI's code and files.

    Args:
        nf: outputs. nx: inputs.
    """

    def __init__(self, nf: int, nx: int) -> None:
        super().__init__()
        self.nf = nf
        self.weight = nn.Parameter(torch.empty(nx, nf))
        self.bias = nn.Parameter(torch.zeros(nf))
        nn.init.normal_(self.weight, std=0.02)

    @property
    def in_features(self) -> int:
        """Inputs, by the name that ``nn.Linear`` has for them."""
        return self.weight.shape[0]

    @property
    def out_features(self) -> int:
        """Outputs, by the name that ``nn.Linear`` has for them."""
        return self.weight.shape[1]

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.T, self.bias)


class SequenceSummary(nn.Module):
    """The head that scores a whole sequence, as the configuration's ``summary_…`` fields say.

    Args:
        labels: how many scores, unless ``summary_proj_to_labels`` is off: then they are a vector of the hidden size.
        last_dropout: dropout of the result.
    """

    def __init__(self, config: Any, labels: int, last_dropout: float = 0.0) -> None:
        super().__init__()
        self.summary_type = config.summary_type
        self.first_dropout = nn.Dropout(config.summary_first_dropout)
        outputs = labels if config.summary_proj_to_labels else config.hidden_size
        self.summary = nn.Linear(config.hidden_size, outputs) if config.summary_use_proj else nn.Identity()
        self.activation = ACTIVATIONS[config.summary_activation or "linear"]
        self.last_dropout = nn.Dropout(last_dropout)

    def forward(self, hidden_states: Tensor, index: Tensor | None, attention_mask: Tensor | None) -> Tensor:
        """Score sequences.

        Args:
            hidden_states: (B, S, H).
            index: (B,), the token to score, if ``summary_type`` is ``cls_index``; by default the last.
            attention_mask: (B, S), 0 for padding.

        Returns:
            (B, outputs).
        """
        vectors = summarize(hidden_states, self.summary_type, index, attention_mask)  # (B, H)
        return self.last_dropout(self.activation(self.summary(self.first_dropout(vectors))))


def summarize(hidden_states: Tensor, kind: str, index: Tensor | None, attention_mask: Tensor | None) -> Tensor:
    """One vector a sequence: its last or first token's, the mean of all, or the one at an index. Padding is left out.

    Args:
        hidden_states: (B, S, H).
        kind: ``last``, ``first``, ``mean`` or ``cls_index``.
        index: (B,), positions, for ``cls_index``; the last token's by default.
        attention_mask: (B, S), 1 for tokens, 0 for padding; None for no padding.

    Returns:
        (B, H).
    """
    batch, length = hidden_states.shape[:2]
    if attention_mask is None or attention_mask.dim() != 2:
        attention_mask = torch.ones(batch, length, dtype=torch.long, device=hidden_states.device)
    present = (attention_mask[:, -length:] > 0).long().expand(batch, -1)  # with a past, the mask covers that too
    if kind == "mean":
        weights = present[:, :, None].to(hidden_states.dtype)
        return (hidden_states * weights).sum(1) / weights.sum(1).clamp(min=1)
    if index is None or kind != "cls_index":
        # The last of equal values wins where positions are added, the first where they are taken away.
        steps = torch.arange(length, device=hidden_states.device)
        index = (present * (steps + 1 if kind != "first" else length - steps)).argmax(-1)
    elif index.shape != (batch,):
        raise ValueError(f"the index of the token to classify must have shape ({batch},), not {tuple(index.shape)}")
    return hidden_states.gather(1, index.long()[:, None, None].expand(batch, 1, hidden_states.shape[2]))[:, 0]
