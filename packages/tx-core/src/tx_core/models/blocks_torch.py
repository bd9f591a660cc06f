"""Attention and the feed-forward network as DistilBERT and XLM publish them, in PyTorch. Mirrored by ``blocks_tf``.

Shapes: B batch, S sequence, H hidden size, N heads, D head width.
"""

from __future__ import annotations

from torch import Tensor, nn

from .activations_torch import ACTIVATIONS
from .forward_torch import LayerContext, LayerOutput
from .pruning_torch import kept_columns, prune_linear


class SelfAttention(nn.Module):
    """Multi-head attention with its projection; heads can be removed.

    Args:
        hidden_size: H. heads: N. head_width: D. dropout: probability that what a key gives a query is left out.
    """

    def __init__(self, hidden_size: int, heads: int, head_width: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = heads
        width = heads * head_width
        self.q_lin = nn.Linear(hidden_size, width)
        self.k_lin = nn.Linear(hidden_size, width)
        self.v_lin = nn.Linear(hidden_size, width)
        self.out_lin = nn.Linear(width, hidden_size)
        self.dropout = dropout

    def forward(self, hidden_states: Tensor, context: LayerContext) -> LayerOutput:
        query, key, value = self.q_lin(hidden_states), self.k_lin(hidden_states), self.v_lin(hidden_states)
        dropout = self.dropout if self.training else 0.0
        attended, weights, present = context.attend(query, key, value, self.n_heads, dropout)  # (B, S, N·D)
        return self.out_lin(attended), weights, present

    def prune(self, kept: Tensor) -> None:
        """Keep only the given heads, numbered as they are now."""
        index = kept_columns(kept, self.q_lin.out_features // self.n_heads)
        self.q_lin, self.k_lin, self.v_lin = (prune_linear(x, index) for x in (self.q_lin, self.k_lin, self.v_lin))
        self.out_lin = prune_linear(self.out_lin, index, dim=1)
        self.n_heads = len(kept)


class FeedForward(nn.Module):
    """The feed-forward network, (B, S, H) → (B, S, H).

    Args:
        hidden_size: H. inner_size: between the two linear layers. activation: a name of ``ACTIVATIONS``.
        dropout: of the result.
    """

    def __init__(self, hidden_size: int, inner_size: int, activation: str, dropout: float) -> None:
        super().__init__()
        self.lin1 = nn.Linear(hidden_size, inner_size)
        self.lin2 = nn.Linear(inner_size, hidden_size)
        self.activation = ACTIVATIONS[activation]
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden_states: Tensor) -> Tensor:
        return self.dropout(self.lin2(self.activation(self.lin1(hidden_states))))
