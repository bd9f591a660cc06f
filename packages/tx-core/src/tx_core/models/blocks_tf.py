"""Attention and the feed-forward network as DistilBERT and XLM publish them, in Keras. Mirrors ``blocks_torch``.

Shapes: B batch, S sequence, H hidden size, N heads, D head width.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from .activations_tf import ACTIVATIONS
from .forward_tf import LayerContext, LayerOutput
from .layers_tf import Linear, Module
from .pruning_tf import kept_columns, prune_linear

Tensor = Any


class SelfAttention(Module):
    """Multi-head attention with its projection; heads can be removed.

    Args:
        hidden_size: H. heads: N. head_width: D. dropout: probability that what a key gives a query is left out.
        initializer_range: standard deviation of new weights.
    """

    def __init__(
        self, hidden_size: int, heads: int, head_width: int, dropout: float, initializer_range: float, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.n_heads = heads
        width = heads * head_width
        self.q_lin = Linear(hidden_size, width, initializer_range, name="q_lin")
        self.k_lin = Linear(hidden_size, width, initializer_range, name="k_lin")
        self.v_lin = Linear(hidden_size, width, initializer_range, name="v_lin")
        self.out_lin = Linear(width, hidden_size, initializer_range, name="out_lin")
        self.dropout = keras.layers.Dropout(dropout, name="dropout")

    def call(self, hidden_states: Tensor, context: LayerContext) -> LayerOutput:
        query, key, value = self.q_lin(hidden_states), self.k_lin(hidden_states), self.v_lin(hidden_states)
        attended, weights, present = context.attend(query, key, value, self.n_heads, self.dropout)  # (B, S, N·D)
        return self.out_lin(attended), weights, present

    def prune(self, kept: np.ndarray[Any, Any]) -> None:
        """Keep only the given heads, numbered as they are now."""
        index = kept_columns(kept, self.q_lin.out_features // self.n_heads)
        for each in (self.q_lin, self.k_lin, self.v_lin):
            prune_linear(each, index)
        prune_linear(self.out_lin, index, dim=1)
        self.n_heads = len(kept)


class FeedForward(Module):
    """The feed-forward network, (B, S, H) → (B, S, H).

    Args:
        hidden_size: H. inner_size: between the two linear layers. activation: a name of ``ACTIVATIONS``.
        dropout: of the result. initializer_range: standard deviation of new weights.
    """

    def __init__(
        self,
        hidden_size: int,
        inner_size: int,
        activation: str,
        dropout: float,
        initializer_range: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.lin1 = Linear(hidden_size, inner_size, initializer_range, name="lin1")
        self.lin2 = Linear(inner_size, hidden_size, initializer_range, name="lin2")
        self.activation = ACTIVATIONS[activation]
        self.dropout = keras.layers.Dropout(dropout, name="dropout")

    def call(self, hidden_states: Tensor) -> Tensor:
        return self.dropout(self.lin2(self.activation(self.lin1(hidden_states))))
