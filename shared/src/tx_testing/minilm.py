"""Real weights for tests: all-MiniLM-L6-v2, a BERT that encodes sentences, which ``tools/test`` downloads.

The folder is ``$TX_MINILM``. Tests that need it skip without it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Array = np.ndarray[Any, Any]

SENTENCES = ("The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium.")
# Cosines of the first sentence and the second, the second and the third, the first and the third, as published.
SIMILARITIES = ("0.6660", "0.1411", "0.1046")


def folder() -> Path:
    """Where the model lies; skips the test where it is not."""
    named = os.environ.get("TX_MINILM")
    if not named:
        pytest.skip("TX_MINILM: the folder of all-MiniLM-L6-v2 (tools/test downloads it)")
    return Path(named)


def one_segment() -> tuple[dict[str, Any], dict[str, Array]]:
    """The model for texts of one segment, as architectures without segments can have it.

    The vector of segment 0 is part of every position's.

    Returns:
        BERT's configuration, and its parameters by their published names, ``embeddings.word_embeddings.weight`` say,
        without ``embeddings.token_type_embeddings.weight``.
    """
    from safetensors.numpy import load_file

    config: dict[str, Any] = json.loads((folder() / "config.json").read_text(encoding="utf-8"))
    arrays: dict[str, Array] = dict(load_file(folder() / "model.safetensors"))
    del arrays["embeddings.position_ids"]
    segments = arrays.pop("embeddings.token_type_embeddings.weight")
    arrays["embeddings.position_embeddings.weight"] += segments[0]
    return config, arrays


def similarities(hidden_states: Array, mask: Array) -> tuple[str, ...]:
    """The cosines of :data:`SIMILARITIES`, from the sentences' last states (3, S, H) and their mask (3, S)."""
    weights = mask[:, :, None].astype(np.float32)
    means = (hidden_states * weights).sum(1) / weights.sum(1)
    vectors = means / np.linalg.norm(means, axis=1, keepdims=True)
    cosines = vectors @ vectors.T
    return tuple(f"{cosines[pair]:.4f}" for pair in ((0, 1), (1, 2), (0, 2)))
