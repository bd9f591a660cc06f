"""The adaptive softmax (Grave et al. 2016, https://arxiv.org/abs/1609.04309) in Keras. Mirrors
``adaptive_softmax_torch``.

Shapes: H hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from .adaptive_softmax import cluster_widths
from .layers_tf import Linear, Module, ModuleList
from .losses_tf import precise

Tensor = Any


class AdaptiveSoftmax(Module):
    """Logarithms of the probabilities of all words, (…, H) → (…, V).

    The words are in the order of their frequency. The most frequent ones have scores of their own, and so have the
    clusters that the others are cut into: such a word's probability is that of its cluster times its own within it. The
    rarer a cluster, the narrower its vectors. Parameters have the names of ``torch.nn.AdaptiveLogSoftmaxWithLoss``.
    Losses take these logarithms for scores, since softmax makes of them the probabilities that they are of.

    Args:
        width: H. words: V.
        cutoffs: the first word of each cluster, in rising order, each from 1 to V - 1.
        div_value: the vectors of the i-th cluster, from 1, are H / div_value**i wide.
        initializer_range: standard deviation of new weights.

    Raises:
        ValueError: if a cluster's vectors would have no number.
    """

    def __init__(
        self,
        width: int,
        words: int,
        cutoffs: Sequence[int],
        div_value: float,
        initializer_range: float = 0.02,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.words = words
        self.frequent = cutoffs[0]
        std = initializer_range
        widths = cluster_widths(width, len(cutoffs), div_value)
        sizes = [end - start for start, end in zip(cutoffs, [*cutoffs[1:], words], strict=True)]
        self.head = Linear(width, self.frequent + len(sizes), std, name="head")
        clusters = (
            (Linear(width, narrow, std, False, name="0"), Linear(narrow, size, std, False, name="1"))
            for narrow, size in zip(widths, sizes, strict=True)
        )
        self.tail = ModuleList((ModuleList(each, name=str(i)) for i, each in enumerate(clusters)), name="tail")

    def call(self, hidden_states: Tensor) -> Tensor:
        first = ops.log_softmax(precise(self.head(hidden_states)), axis=-1)  # (…, frequent words and clusters)
        likely = [first[..., : self.frequent]]
        for i, (narrow, scores) in enumerate(self.tail, self.frequent):
            within = ops.log_softmax(precise(scores(narrow(hidden_states))), axis=-1)
            likely.append(within + first[..., i : i + 1])
        return ops.cast(ops.concatenate(likely, axis=-1), hidden_states.dtype)
