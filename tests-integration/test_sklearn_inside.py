"""Sentence embeddings in pipelines of scikit-learn, by the class of docs/working-with.md."""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tx_testing import documented, glue, minilm

sklearn = pytest.importorskip("sklearn", reason="scikit-learn is not installed")
PAGE = Path(__file__).resolve().parent.parent / "docs" / "working-with.md"


@pytest.fixture
def embedder_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """``TxEmbedder``, from the file that the page says to write."""
    documented.write_files(documented.sections(PAGE)["scikit-learn"], tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("tx_embedder").TxEmbedder
    del sys.modules["tx_embedder"]


def test_cross_validation(embedder_class: Any) -> None:
    """Embeddings of all-MiniLM-L6-v2 tell praise from blame in film reviews, by a logistic regression."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline

    texts, labels = zip(*glue.sst2(150, "dev"), strict=True)
    pipeline = make_pipeline(embedder_class(str(minilm.folder())), LogisticRegression(max_iter=1000))
    scores = cross_val_score(pipeline, [*texts], [*labels], cv=3)
    assert scores.mean() > 0.7


def test_clones_and_pickles(embedder_class: Any) -> None:
    """Neither holds the model; both embed as the original does, whatever the size of batches."""
    from sklearn.base import clone

    texts = [sentence for sentence, _ in glue.sst2(7)]
    embedder = embedder_class("tx-tiny/bert", batch_size=3).fit(texts)
    found = embedder.transform(texts)
    assert found.shape == (7, 160)
    pickled = pickle.dumps(embedder)
    assert len(pickled) < 1000
    for other in (clone(embedder).set_params(batch_size=7), pickle.loads(pickled)):  # noqa: S301
        np.testing.assert_allclose(other.transform(np.array(texts)), found, atol=1e-6)
    first = embedder.set_params(pooling="first").transform(texts)
    assert not np.allclose(first, found)
    # Another model is loaded when it is asked for.
    assert embedder.set_params(name="tx-tiny/distilbert").transform(texts).shape == (7, 160)
    assert not np.allclose(embedder.transform(texts), first)
