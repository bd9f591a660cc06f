"""What a model does when its input embeddings are replaced, in PyTorch. Mirrored by ``embeddings_tf``."""

from __future__ import annotations

from typing import Any

from torch import nn

from .adaptive_softmax_torch import AdaptiveSoftmax
from .pretrained import check_scored, check_words
from .pruning_torch import resize_rows


def check_embeddings(model: Any, new: nn.Module) -> None:
    """Check that a layer can take the place of a model's input embeddings.

    Raises:
        TypeError: if output embeddings are to be tied to something else than an ``nn.Embedding``.
        ValueError: if output embeddings that are not tied, or an adaptive softmax, score another number of tokens.
    """
    decoder, tied = model.get_output_embeddings(), model.config.tie_word_embeddings
    if decoder is not None and tied and not isinstance(new, nn.Embedding):
        raise TypeError(
            f"{type(model).__name__} ties its output embeddings to its input embeddings, which must be an "
            f"nn.Embedding, not {type(new).__name__}: set config.tie_word_embeddings to False to use another"
        )
    check_scores(model, _tokens(model, new))
    check_scored(_tokens(model, new), None if decoder is None or tied else decoder.out_features)


def check_scores(model: Any, size: int) -> None:
    """Raise ValueError if a model has an adaptive softmax, which scores a vocabulary of another size."""
    for module in model.modules():
        if isinstance(module, AdaptiveSoftmax):
            check_words(size, module.words)


def follow_embeddings(model: Any, new: nn.Module) -> None:
    """Give a model's vocabulary, and the bias over it, the size of new input embeddings."""
    size, decoder = _tokens(model, new), model.get_output_embeddings()
    model.config.vocab_size = size
    if decoder is not None:
        decoder.out_features = size
    for holder, attribute in filter(None, (model._output_bias(),)):
        bias = getattr(holder, attribute)
        if len(bias) != size:
            setattr(holder, attribute, resize_rows(bias, size))


def _tokens(model: Any, layer: nn.Module) -> int:
    size: int = getattr(layer, "num_embeddings", model.config.vocab_size)
    return size
