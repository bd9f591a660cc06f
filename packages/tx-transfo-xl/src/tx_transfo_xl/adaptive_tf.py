"""Adaptive embeddings (Baevski & Auli 2018, https://arxiv.org/abs/1809.10853) and the adaptive softmax that fits them
(Grave et al. 2016, https://arxiv.org/abs/1609.04309), in Keras. Mirrors ``adaptive_torch``.

Words are in the order of their frequency. The rarer a cluster of them, the narrower its vectors may be; a projection of
each cluster makes them as wide as the hidden states.

Shapes: V vocabulary, H hidden size, E width of a cluster's vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from tx_core.models.inputs_tf import check_ids, undefined
from tx_core.models.layers_tf import Embedding, Module, ModuleList, Normal, OutputEmbedding
from tx_core.models.losses import IGNORED, no_indices, wrong_shape
from tx_core.models.losses_tf import fits, precise
from tx_core.models.pruning_tf import resize, resize_rows

from .common import check_cutoffs, check_words, clusters

Tensor = Any


class Matrices(Module):
    """Parameters under the names "0", "1", …, (H, E) each, as those of ``torch.nn.ParameterList``.

    Args:
        shapes: their shapes. std: standard deviation of new ones.
    """

    def __init__(self, shapes: Sequence[tuple[int, int]], std: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._shapes = [*shapes]
        # Functions, since Keras would take another layer's variables for this one's.
        self._sources: dict[int, Callable[[], Any]] = {}
        for i in range(len(self._shapes)):
            setattr(self, f"{i}_initializer", Normal(std))

    def __len__(self) -> int:
        return len(self._shapes)

    def __getitem__(self, index: int) -> Any:
        return self._sources[index]() if index in self._sources else getattr(self, str(index))

    def tie(self, index: int, others: Matrices, at: int) -> None:
        """From now on use another one's matrix in the place of one."""
        self._sources[index] = lambda: others[at]

    def build(self, input_shape: Any = None) -> None:
        for i, shape in enumerate(self._shapes):
            if i not in self._sources:
                initializer = getattr(self, f"{i}_initializer")
                setattr(self, str(i), self.add_weight(shape=shape, initializer=initializer, name=str(i)))


class TFAdaptiveEmbedding(Module):
    """Vectors of words, (…) ids → (…, H), multiplied by √H.

    Args:
        n_token: V. d_embed: E of the most frequent words. d_proj: H.
        cutoffs: the first ids of the other words' clusters, in rising order; none for one cluster.
        div_val: by how much each cluster's vectors are narrower than those of the one before. With 1 there is one table
            for all, and a projection only where E is not H.
        initializer_range, proj_init_std: standard deviation of new vectors, and of new projections.

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
        *,
        initializer_range: float = 0.02,
        proj_init_std: float = 0.01,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_cutoffs(n_token, cutoffs)
        self.n_token, self.d_embed, self.d_proj, self.div_val = n_token, d_embed, d_proj, div_val
        self.starts = [*cutoffs]
        self.emb_scale = d_proj**0.5
        parts = clusters(n_token, d_embed, cutoffs if div_val > 1 else (), div_val)
        self.emb_layers = ModuleList(
            (Embedding(x.end - x.start, x.width, initializer_range, name=str(i)) for i, x in enumerate(parts)),
            name="emb_layers",
        )
        projected = div_val > 1 or d_proj != d_embed
        self.emb_projs = Matrices(
            [(d_proj, each.width) for each in parts if projected], proj_init_std, name="emb_projs"
        )

    @property
    def input_dim(self) -> int:
        """V, by the name that ``keras.layers.Embedding`` has for it."""
        return self.n_token

    @property
    def output_dim(self) -> int:
        """H, by the name that ``keras.layers.Embedding`` has for it."""
        return self.d_proj

    @property
    def cutoffs(self) -> list[int]:
        """Where each cluster ends."""
        return [*self.starts, self.n_token]

    def call(self, inp: Tensor) -> Tensor:
        total: Tensor | None = None
        last = len(self.emb_layers) - 1
        for i, (table, start, end) in enumerate(zip(self.emb_layers, (0, *self.starts), self.cutoffs, strict=False)):
            index, inside = inp - start if start else inp, None
            if last:
                # No id is brought into its range: tables refuse those that are in none.
                inside = inp < end if i == 0 else inp >= start
                if 0 < i < last:
                    inside = ops.logical_and(inside, inp < end)
                index = ops.where(inside, index, 0)
            vectors = table(index)  # (…, E)
            if inside is not None:
                vectors = ops.where(ops.expand_dims(inside, -1), vectors, ops.zeros_like(vectors))
            if len(self.emb_projs):
                vectors = times_transposed(vectors, self.emb_projs[i])  # (…, H)
            total = vectors if total is None else total + vectors
        assert total is not None
        return total * self.emb_scale

    def resize(self, words: int) -> None:
        """Change V, by words of the last cluster. New vectors are the mean of the cluster's.

        Raises:
            ValueError: if the last cluster would have no word.
        """
        check_words(words, self.starts)
        self.n_token, table = words, self.emb_layers[-1]
        resize(table, table.input_dim + words - sum(each.input_dim for each in self.emb_layers))


class TFProjectedAdaptiveLogSoftmax(Module):
    """The logarithms of words' probabilities, or of labels' alone, of states (…, H).

    The most frequent words have scores of their own, and so have the clusters of the others: such a word's probability
    is that of its cluster times its own within it.

    Args:
        n_token: V. d_embed: E of the most frequent words. d_proj: H.
        cutoffs, div_val: see :class:`TFAdaptiveEmbedding`. A projection stands here for each cluster, also with a
            ``div_val`` of 1 where E is not H.
        keep_order: whether losses are in the order of the labels. False puts those of the most frequent words first,
            then each cluster's, as did the code of 2019 unless it was told otherwise.
        initializer_range, proj_init_std: standard deviation of new vectors, and of new projections.

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
        *,
        initializer_range: float = 0.02,
        proj_init_std: float = 0.01,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_cutoffs(n_token, cutoffs)
        self.n_token, self.d_embed, self.d_proj, self.div_val = n_token, d_embed, d_proj, div_val
        self.starts = [*cutoffs]
        self.keep_order = keep_order
        self.n_clusters = len(cutoffs)
        self.cluster_weight_initializer = Normal(initializer_range)
        self.cluster_bias_initializer = keras.initializers.Zeros()
        parts = clusters(n_token, d_embed, cutoffs, div_val)
        projected = div_val > 1 or d_proj != d_embed
        tables = clusters(n_token, d_embed, cutoffs if div_val > 1 else (), div_val)
        self.out_layers = ModuleList(
            (
                OutputEmbedding(x.width, x.end - x.start, initializer_range, True, name=str(i))
                for i, x in enumerate(tables)
            ),
            name="out_layers",
        )
        self.out_projs = Matrices(
            [(d_proj, each.width) for each in parts if projected], proj_init_std, name="out_projs"
        )

    def build(self, input_shape: Any = None) -> None:
        if self.n_clusters:
            self.cluster_weight = self.add_weight(
                shape=(self.n_clusters, self.d_embed),
                initializer=self.cluster_weight_initializer,
                name="cluster_weight",
            )
            self.cluster_bias = self.add_weight(
                shape=(self.n_clusters,), initializer=self.cluster_bias_initializer, name="cluster_bias"
            )
        super().build(input_shape)

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
        vectors = hidden
        if len(self.out_projs):
            vectors = ops.matmul(hidden, _of_type(self.out_projs[cluster], hidden))  # (…, E)
        if self.div_val > 1 or not self.n_clusters:
            scores = self.out_layers[cluster](vectors)
        else:
            start, end = (0, *self.starts)[cluster], self.cutoffs[cluster]
            layer = self.out_layers[0]
            scores = times_transposed(vectors, layer.weight[start:end]) + _of_type(layer.bias[start:end], vectors)
        if cluster == 0 and self.n_clusters:
            of_clusters = times_transposed(vectors, self.cluster_weight) + _of_type(self.cluster_bias, vectors)
            scores = ops.concatenate((scores, of_clusters), axis=-1)
        return precise(scores)

    def call(self, hidden: Tensor, labels: Tensor | None = None, keep_order: bool | None = None) -> Tensor:
        """Score words.

        Args:
            hidden: (…, H).
            labels: (…), the word of each state; -100 and -1 are ignored.
            keep_order: overrides the layer's.

        Returns:
            Logarithms of the probabilities of all words, (…, V); with labels the losses, those with opposite sign of
            the labels alone, (…), 0 where they are ignored.

        Raises:
            ValueError: if the labels have another shape, are no integers, or there is no such word. In a graph that
                last error is TensorFlow's ``InvalidArgumentError``; under XLA the loss is NaN.
        """
        if labels is None:
            return self.log_prob(hidden)
        if not fits(hidden.shape[:-1], labels.shape):
            raise ValueError(wrong_shape("labels", hidden.shape[:-1], labels.shape))
        dtype = keras.backend.standardize_dtype(labels.dtype)
        if "float" in dtype:
            raise ValueError(no_indices("labels", dtype))
        labels = ops.cast(labels, "int32")
        ignored = ops.logical_or(labels == IGNORED[0], labels == IGNORED[1])
        targets, wrong = check_ids("labels", ops.where(ignored, 0, labels), self.n_token, "classes")
        cluster = ops.zeros_like(targets)
        for start in self.starts:
            cluster = cluster + ops.cast(targets >= start, targets.dtype)
        first = ops.where(cluster > 0, self.shortlist_size - 1 + cluster, targets)
        losses = _cross_entropy(self._scores(0, hidden), first)
        # How many words each cluster has cannot decide what a graph computes: all are scored for all states.
        for i, start in enumerate(self.starts, 1):
            inside = cluster == i
            within = _cross_entropy(self._scores(i, hidden), ops.where(inside, targets - start, 0))
            losses = losses + ops.where(inside, within, ops.zeros_like(within))
        losses = ops.where(ignored, ops.zeros_like(losses), losses)
        if wrong is not None:
            losses = losses + undefined(wrong, keras.backend.standardize_dtype(losses.dtype))
        if self.keep_order if keep_order is None else keep_order:
            return losses
        # Not by an argument of argsort, which keeps the order of equal numbers in some of Keras's backends only.
        cluster = ops.reshape(ops.where(ignored, 0, cluster), (-1,))
        count = ops.shape(cluster)[0]
        order = ops.argsort(cluster * count + ops.arange(count, dtype=cluster.dtype))
        return ops.reshape(ops.take(ops.reshape(losses, (-1,)), order), ops.shape(losses))

    def log_prob(self, hidden: Tensor) -> Tensor:
        """The logarithms of the probabilities of all words, (…, H) → (…, V)."""
        first = ops.log_softmax(self._scores(0, hidden), axis=-1)  # (…, frequent words and clusters)
        likely = [first[..., : self.shortlist_size]]
        for i in range(1, self.n_clusters + 1):
            place = self.shortlist_size + i - 1
            within = ops.log_softmax(self._scores(i, hidden), axis=-1)
            likely.append(within + first[..., place : place + 1])
        return ops.cast(ops.concatenate(likely, axis=-1), hidden.dtype)

    def resize(self, words: int) -> None:
        """Change V, by words of the last cluster. New words score the mean of the cluster's.

        Raises:
            ValueError: if the last cluster would have no word.
        """
        check_words(words, self.starts)
        self.n_token, layer = words, self.out_layers[-1]
        rows = layer.num_embeddings + words - sum(each.num_embeddings for each in self.out_layers)
        resize_rows(layer, "bias", rows)
        resize(layer, rows)


def _of_type(values: Any, like: Tensor) -> Tensor:
    return ops.cast(ops.convert_to_tensor(values), like.dtype)


def times_transposed(vectors: Tensor, matrix: Any) -> Tensor:
    """(…, E) times the transpose of (R, E): (…, R)."""
    matrix = _of_type(matrix, vectors)
    if keras.backend.backend() != "tensorflow":
        return ops.matmul(vectors, ops.transpose(matrix))
    # TensorFlow would copy a table to transpose it; its product can read it as it is.
    import tensorflow as tf

    scores = tf.matmul(tf.reshape(vectors, (-1, matrix.shape[1])), matrix, transpose_b=True)
    return ops.reshape(scores, (*ops.shape(vectors)[:-1], matrix.shape[0]))


def _cross_entropy(scores: Tensor, targets: Tensor) -> Tensor:
    """Of scores (…, R) and integers (…): (…)."""
    return ops.sparse_categorical_crossentropy(targets, scores, from_logits=True)
