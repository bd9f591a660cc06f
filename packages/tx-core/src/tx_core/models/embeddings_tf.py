"""What a model does when its input embeddings are replaced, in Keras. Mirrors ``embeddings_torch``."""

from __future__ import annotations

from typing import Any

import keras

from tx_core.messages import quoted

from .adaptive_softmax_tf import AdaptiveSoftmax
from .layers_tf import descendants
from .pretrained import check_scored, check_words
from .pruning_tf import resize_rows


def check_embeddings(model: Any, new: Any) -> None:
    """Check that a layer can take the place of a model's input embeddings.

    Raises:
        TypeError: if it is no ``keras.layers.Embedding``.
        ValueError: if output embeddings that are not tied, or an adaptive softmax, score another number of tokens.
    """
    decoder, tied = model.get_output_embeddings(), model.config.tie_word_embeddings
    if not isinstance(new, keras.layers.Embedding):
        raise TypeError(f"the input embeddings must be a keras.layers.Embedding, not {quoted(new)}")
    check_scores(model, new.input_dim)
    check_scored(new.input_dim, None if decoder is None or tied else decoder.num_embeddings)


def check_scores(model: Any, size: int) -> None:
    """Raise ValueError if a model has an adaptive softmax, which scores a vocabulary of another size."""
    for layer in descendants(model):
        if isinstance(layer, AdaptiveSoftmax):
            check_words(size, layer.words)


def follow_embeddings(model: Any, new: Any) -> None:
    """Give a model's vocabulary, and the bias over it, the size of new input embeddings."""
    size, decoder = new.input_dim, model.get_output_embeddings()
    model.config.vocab_size = size
    if decoder is not None:
        decoder.num_embeddings = size
    for holder, attribute in filter(None, (model._output_bias(),)):
        if getattr(holder, attribute).shape[0] != size:
            resize_rows(holder, attribute, size)
