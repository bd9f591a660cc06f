"""Inputs of XLM's models and of their ``generate``, for both frameworks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tx_core.generation.prompts import Prompts
from tx_core.models.inputs import outside

from .config import XLMConfig


def check_lengths(
    shape: tuple[int | None, ...], batch: Any, length: Any, least: int | None = None, most: int | None = None
) -> None:
    """Raise ValueError unless ``lengths`` has a number for each row, of 0 to the row's tokens, as far as is known.

    Args:
        shape: of ``lengths``. batch, length: of the rows. least, most: the numbers' range; None where it is not known.
    """
    if len(shape) != 1 or (isinstance(batch, int) and shape[0] not in (batch, None)):
        raise ValueError(f"lengths must have shape ({batch},), how many tokens each row has, not {shape}")
    if least is not None and most is not None and (least < 0 or most > length):
        wrong = least if least < 0 else most
        raise ValueError(f"lengths holds {wrong}, but a row has 0 to {length} tokens")


def read_cache(config: XLMConfig, cache: Mapping[Any, Any]) -> tuple[Any, list[Any] | None]:
    """How many tokens a ``cache`` holds, and per layer their keys and values; 0 and None at first.

    Raises:
        ValueError: if the model is not causal, or the cache does not hold what one of this model does.
    """
    if not config.causal:
        raise ValueError(
            "cache is for causal models (config.causal): in others the keys and values of tokens depend on those that "
            "follow"
        )
    layers = range(config.n_layers)
    held = [i for i in layers if i in cache]
    if not held and isinstance(start := cache.get("slen", 0), int) and start == 0:
        return 0, None
    if "slen" not in cache or len(held) < len(layers):
        raise ValueError(
            f"cache must be empty, or hold 'slen' and the keys and values of each of {len(layers)} layers under their "
            f"numbers from 0 on, as a call of this model leaves it; it has {', '.join(map(repr, cache))}"
        )
    return cache["slen"], [cache[i] for i in layers]


def refuse_generation(config: XLMConfig) -> None:
    """Raise ValueError if a model cannot continue texts."""
    if not config.causal:
        raise ValueError(
            "generate() continues a text by what its last token predicts, but this model is not causal "
            "(config.causal is False): it was trained to predict masked tokens in place. To have it guess the next "
            "token, append the mask token to input_ids, call the model, and read the logits at that place"
        )


def with_languages(config: XLMConfig, prompts: Prompts) -> Prompts:
    """Prompts with the language of every token, which is ``config.lang_id`` where ``langs`` are not given.

    Raises:
        ValueError: if there is no such language.
    """
    langs = prompts.extra.get("langs")
    if langs is None:
        if not config.has_lang_embeddings:
            return prompts
        langs = np.full_like(prompts.ids, config.lang_id)
    low, high = int(langs.min()), int(langs.max())
    if low < 0 or high >= config.n_langs:
        before, after = outside("langs", config.n_langs)
        raise ValueError(f"{before} {low if low < 0 else high}, {after}")
    return replace(prompts, extra={**prompts.extra, "langs": langs})
