"""Adaptive embeddings (Baevski & Auli 2018, https://arxiv.org/abs/1809.10853) and the adaptive softmax that fits them
(Grave et al. 2016, https://arxiv.org/abs/1609.04309), in PyTorch. Mirrored by ``adaptive_tf``.

Words are in the order of their frequency. The rarer a cluster of them, the narrower its vectors may be; a projection of
each cluster makes them as wide as the hidden states.

Shapes: V vocabulary, H hidden size, E width of a cluster's vectors.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tx_core.models.inputs_torch import check_ids, has_values
from tx_core.models.losses import IGNORED, no_indices, wrong_shape
from tx_core.models.losses_torch import precise
from tx_core.models.pruning_torch import resize_rows

from .common import check_cutoffs, check_words, clusters


class AdaptiveEmbedding(nn.Module):
    """Vectors of words, (…) ids → (…, H), multiplied by √H.

    Args:
        n_token: V. d_embed: E of the most frequent words. d_proj: H.
        cutoffs: the first ids of the other words' clusters, in rising order; none for one cluster.
        div_val: by how much each cluster's vectors are narrower than those of the one before. With 1 there is one table
            for all, and a projection only where E is not H.

    Raises:
        ValueError: if the cutoffs are no ids in rising order.
    """

    def __init__(self, n_token: int, d_embed: int, d_proj: int, cutoffs: Sequence[int], div_val: int = 1) -> None:
        super().__init__()
        check_cutoffs(n_token, cutoffs)
        self.n_token, self.d_embed, self.d_proj, self.div_val = n_token, d_embed, d_proj, div_val
        self.starts = [*cutoffs]
        self.emb_scale = d_proj**0.5
        parts = clusters(n_token, d_embed, cutoffs if div_val > 1 else (), div_val)
        self.emb_layers = nn.ModuleList(nn.Embedding(each.end - each.start, each.width) for each in parts)
        projected = div_val > 1 or d_proj != d_embed
        self.emb_projs = nn.ParameterList(torch.empty(d_proj, each.width) for each in parts if projected)
        for matrix in self.emb_projs:
            nn.init.normal_(matrix, std=0.01)

    @property
    def num_embeddings(self) -> int:
        """V, by the name that ``nn.Embedding`` has for it."""
        return self.n_token

    @property
    def embedding_dim(self) -> int:
        """H, by the name that ``nn.Embedding`` has for it."""
        return self.d_proj

    @property
    def cutoffs(self) -> list[int]:
        """Where each cluster ends."""
        return [*self.starts, self.n_token]

    def forward(self, inp: Tensor) -> Tensor:
        total: Tensor | None = None
        last = len(self.emb_layers) - 1
        for i, (table, start, end) in enumerate(zip(self.emb_layers, (0, *self.starts), self.cutoffs, strict=False)):
            index, inside = inp - start if start else inp, None
            if last:
                # No id is brought into its range: tables refuse those that are in none.
                inside = (inp < end) if i == 0 else (inp >= start) if i == last else (inp >= start) & (inp < end)
                index = torch.where(inside, index, 0)
            vectors = table(index)  # (…, E)
            if inside is not None:
                vectors = torch.where(inside[..., None], vectors, 0)
            if len(self.emb_projs):
                vectors = F.linear(vectors, self.emb_projs[i])  # (…, H)
            total = vectors if total is None else total + vectors
        assert total is not None
        scaled: Tensor = total * self.emb_scale
        return scaled

    def resize(self, words: int) -> None:
        """Change V, by words of the last cluster. New vectors are the mean of the cluster's.

        Raises:
            ValueError: if the last cluster would have no word.
        """
        check_words(words, self.starts)
        self.n_token, last = words, len(self.emb_layers) - 1
        old: nn.Embedding = self.emb_layers[last]  # type: ignore[assignment]
        rows = old.num_embeddings + words - sum(len(each.weight) for each in self.emb_layers)  # type: ignore[misc, arg-type]
        new = nn.Embedding(rows, old.embedding_dim, device="meta")
        new.weight = resize_rows(old.weight, rows)
        self.emb_layers[last] = new


class ProjectedAdaptiveLogSoftmax(nn.Module):
    """The logarithms of words' probabilities, or of labels' alone, of states (…, H).

    The most frequent words have scores of their own, and so have the clusters of the others: such a word's probability
    is that of its cluster times its own within it.

    Args:
        n_token: V. d_embed: E of the most frequent words. d_proj: H.
        cutoffs, div_val: see :class:`AdaptiveEmbedding`. A projection stands here for each cluster, also with a
            ``div_val`` of 1 where E is not H.
        keep_order: whether losses are in the order of the labels. False puts those of the most frequent words first,
            then each cluster's, as did the code of 2019 unless it was told otherwise.

    Raises:
        ValueError: if the cutoffs are no ids in rising order.
    """

    def __init__(
        self,
        n_token: int,
        d_embed: int,
        d_proj: int,
        cutoffs: Sequence[int],
        div_val: int = 1,
        keep_order: bool = True,
    ) -> None:
        super().__init__()
        check_cutoffs(n_token, cutoffs)
        self.n_token, self.d_embed, self.d_proj, self.div_val = n_token, d_embed, d_proj, div_val
        self.starts = [*cutoffs]
        self.keep_order = keep_order
        self.n_clusters = len(cutoffs)
        if cutoffs:
            self.cluster_weight = nn.Parameter(torch.zeros(len(cutoffs), d_embed))
            self.cluster_bias = nn.Parameter(torch.zeros(len(cutoffs)))
        parts = clusters(n_token, d_embed, cutoffs, div_val)
        projected = div_val > 1 or d_proj != d_embed
        tables = clusters(n_token, d_embed, cutoffs if div_val > 1 else (), div_val)
        self.out_layers = nn.ModuleList(nn.Linear(each.width, each.end - each.start) for each in tables)
        self.out_projs = nn.ParameterList(torch.empty(d_proj, each.width) for each in parts if projected)
        for matrix in self.out_projs:
            nn.init.normal_(matrix, std=0.01)

    @property
    def cutoffs(self) -> list[int]:
        """Where each cluster ends."""
        return [*self.starts, self.n_token]

    @property
    def shortlist_size(self) -> int:
        """How many words have scores of their own."""
        return self.cutoffs[0]

    def _scores(self, cluster: int, hidden: Tensor) -> Tensor:
        """Of a cluster's words; of the most frequent ones, 0, followed by those of the clusters."""
        vectors = hidden @ self.out_projs[cluster] if len(self.out_projs) else hidden  # (…, E)
        if self.div_val > 1 or not self.n_clusters:
            scores = self.out_layers[cluster](vectors)
        else:
            start, end = (0, *self.starts)[cluster], self.cutoffs[cluster]
            layer = self.out_layers[0]
            scores = F.linear(vectors, layer.weight[start:end], layer.bias[start:end])  # type: ignore[index]
        if cluster == 0 and self.n_clusters:
            scores = torch.cat((scores, F.linear(vectors, self.cluster_weight, self.cluster_bias)), -1)
        return precise(scores)

    def forward(self, hidden: Tensor, labels: Tensor | None = None, keep_order: bool | None = None) -> Tensor:
        """Score words.

        Args:
            hidden: (…, H).
            labels: (…), the word of each state; -100 and -1 are ignored.
            keep_order: overrides the layer's.

        Returns:
            Logarithms of the probabilities of all words, (…, V); with labels the losses, those with opposite sign of
            the labels alone, (…), 0 where they are ignored.

        Raises:
            ValueError: if the labels have another shape, are no integers, or there is no such word.
        """
        if labels is None:
            return self.log_prob(hidden)
        if labels.shape != hidden.shape[:-1]:
            raise ValueError(wrong_shape("labels", hidden.shape[:-1], labels.shape))
        if labels.is_floating_point():
            raise ValueError(no_indices("labels", labels.dtype))
        ignored = (labels == IGNORED[0]) | (labels == IGNORED[1])
        targets = labels.long().masked_fill(ignored, 0)
        check_ids("labels", targets, self.n_token, "classes")
        shape, targets = labels.shape, targets.masked_fill(ignored, -100).reshape(-1)
        losses, cluster = self._losses(hidden.reshape(-1, hidden.shape[-1]), targets)
        if not (self.keep_order if keep_order is None else keep_order):
            losses = losses[cluster.argsort(stable=True)]
        return losses.reshape(shape)

    def _losses(self, hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Of states (T, H) and words (T,), of which -100 is ignored: (T,); and the words' clusters (T,)."""
        cluster = torch.zeros_like(targets)
        for start in self.starts:
            cluster = cluster + (targets >= start).long()
        first = torch.where(cluster > 0, self.shortlist_size - 1 + cluster, targets)
        losses = F.cross_entropy(self._scores(0, hidden), first, ignore_index=-100, reduction="none")
        if not self.n_clusters:
            return losses, cluster
        if not has_values(hidden, targets):
            # In a graph, how many words each cluster has cannot decide what is computed.
            for i, start in enumerate(self.starts, 1):
                within = torch.where(cluster == i, targets - start, -100)
                losses = losses + F.cross_entropy(self._scores(i, hidden), within, reduction="none")
            return losses, cluster
        counts: list[int] = cluster.bincount(minlength=self.n_clusters + 1).tolist()
        places = torch.split(cluster.argsort(stable=True), counts)
        for i, start in enumerate(self.starts, 1):
            # Of no word too: so that the cluster's parameters have a gradient, which is 0.
            within = F.cross_entropy(self._scores(i, hidden[places[i]]), targets[places[i]] - start, reduction="none")
            losses = losses.index_add(0, places[i], within)
        return losses, cluster

    def log_prob(self, hidden: Tensor) -> Tensor:
        """The logarithms of the probabilities of all words, (…, H) → (…, V)."""
        first = self._scores(0, hidden).log_softmax(-1)  # (…, frequent words and clusters)
        likely = [first[..., : self.shortlist_size]]
        for i in range(1, self.n_clusters + 1):
            of_cluster = first[..., self.shortlist_size + i - 1, None]
            likely.append(self._scores(i, hidden).log_softmax(-1) + of_cluster)
        return torch.cat(likely, -1).to(hidden.dtype)

    def resize(self, words: int) -> None:
        """Change V, by words of the last cluster. New words score the mean of the cluster's.

        Raises:
            ValueError: if the last cluster would have no word.
        """
        check_words(words, self.starts)
        self.n_token, last = words, len(self.out_layers) - 1
        layer: nn.Linear = self.out_layers[last]  # type: ignore[assignment]
        layer.out_features += words - sum(len(each.bias) for each in self.out_layers)  # type: ignore[misc, arg-type]
        layer.weight, layer.bias = (resize_rows(each, layer.out_features) for each in (layer.weight, layer.bias))
