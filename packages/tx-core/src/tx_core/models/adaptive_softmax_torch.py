"""The adaptive softmax (Grave et al. 2016, https://arxiv.org/abs/1609.04309) in PyTorch. Mirrored by
``adaptive_softmax_tf``.

Shapes: H hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .adaptive_softmax import cluster_widths
from .losses_torch import precise


class AdaptiveSoftmax(nn.Module):
    """Logarithms of the probabilities of all words, (…, H) → (…, V).

    The words are in the order of their frequency. The most frequent ones have scores of their own, and so have the
    clusters that the others are cut into: such a word's probability is that of its cluster times its own within it. The
    rarer a cluster, the narrower its vectors. Parameters have the names of ``torch.nn.AdaptiveLogSoftmaxWithLoss``.
    Losses take these logarithms for scores, since softmax makes of them the probabilities that they are of.

    Args:
        width: H. words: V.
        cutoffs: the first word of each cluster, in rising order, each from 1 to V - 1.
        div_value: the vectors of the i-th cluster, from 1, are H / div_value**i wide.

    Raises:
        ValueError: if a cluster's vectors would have no number.
    """

    def __init__(self, width: int, words: int, cutoffs: Sequence[int], div_value: float) -> None:
        super().__init__()
        self.words = words
        self.frequent = cutoffs[0]
        widths = cluster_widths(width, len(cutoffs), div_value)
        sizes = [end - start for start, end in zip(cutoffs, [*cutoffs[1:], words], strict=True)]
        self.head = nn.Linear(width, self.frequent + len(sizes))
        self.tail = nn.ModuleList(
            nn.Sequential(nn.Linear(width, narrow, bias=False), nn.Linear(narrow, size, bias=False))
            for narrow, size in zip(widths, sizes, strict=True)
        )

    def forward(self, hidden_states: Tensor) -> Tensor:
        first = precise(self.head(hidden_states)).log_softmax(-1)  # (…, frequent words and clusters)
        likely = [first[..., : self.frequent]]
        for i, cluster in enumerate(self.tail, self.frequent):
            likely.append(precise(cluster(hidden_states)).log_softmax(-1) + first[..., i : i + 1])
        return torch.cat(likely, dim=-1).to(hidden_states.dtype)
