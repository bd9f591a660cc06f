"""A tx encoder in a ``SentenceTransformer``, with real weights, by the class of docs/working-with.md."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tx_bert import BertModel, BertTokenizer
from tx_testing import documented, glue, minilm

sentence_transformers = pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
PAGE = Path(__file__).resolve().parent.parent / "docs" / "working-with.md"


@pytest.fixture
def encoder_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """``TxEncoder``, from the file that the page says to write."""
    (tmp_path / "code").mkdir()
    documented.write_files(documented.sections(PAGE)["sentence-transformers"], tmp_path / "code")
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    yield importlib.import_module("tx_encoder").TxEncoder
    del sys.modules["tx_encoder"]


def pipeline(encoder: Any) -> Any:
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

    modules = [encoder, Pooling(encoder.get_embedding_dimension()), Normalize()]
    return sentence_transformers.SentenceTransformer(modules=modules, device="cpu")


def by_hand(texts: list[str], max_length: int) -> Any:
    """Means of the last hidden states of all-MiniLM-L6-v2, of length 1."""
    tokenizer, model = (cls.from_pretrained(minilm.folder()) for cls in (BertTokenizer, BertModel))
    inputs = tokenizer(texts, padding=True, truncation=True, max_length=max_length, return_tensors="pt")
    with torch.no_grad():
        states = model(**inputs).last_hidden_state
    mask = inputs["attention_mask"][:, :, None]
    return torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1).numpy()


@pytest.mark.filterwarnings("ignore")
def test_encode_save_and_load(encoder_class: Any, tmp_path: Path) -> None:
    model = pipeline(encoder_class(str(minilm.folder()), max_seq_length=16))
    texts = [text for pair in glue.stsb(12) for text in pair[:2]]
    found = model.encode(texts, batch_size=5)
    np.testing.assert_allclose(found, by_hand(texts, 16), atol=1e-6)
    assert model.max_seq_length == 16
    np.testing.assert_allclose(
        model.encode(["a girl"], prompt="Who: "), by_hand(["Who: a girl"], 16), atol=1e-6, err_msg="with a prompt"
    )

    model.save(str(tmp_path / "saved"))
    again = sentence_transformers.SentenceTransformer(str(tmp_path / "saved"), device="cpu", trust_remote_code=True)
    assert type(again[0]) is encoder_class
    assert again.max_seq_length == 16
    np.testing.assert_array_equal(again.encode(texts, batch_size=5), found)


@pytest.mark.filterwarnings("ignore")
def test_published_quality(encoder_class: Any) -> None:
    """What the model card says of the three sentences; and human judgement of STS-B's pairs is followed closely."""
    from sentence_transformers.sentence_transformer.evaluation import EmbeddingSimilarityEvaluator

    model = pipeline(encoder_class(str(minilm.folder())))
    cosines = model.similarity(*[model.encode([*minilm.SENTENCES])] * 2)
    assert tuple(f"{cosines[pair]:.4f}" for pair in ((0, 1), (1, 2), (0, 2))) == minilm.SIMILARITIES
    first, second, scores = zip(*glue.stsb(200), strict=True)
    result = EmbeddingSimilarityEvaluator([*first], [*second], [score / 5 for score in scores], name="sts")(model)
    assert result["sts_spearman_cosine"] > 0.85


@pytest.mark.filterwarnings("ignore")
def test_training(encoder_class: Any, tmp_path: Path) -> None:
    """Its own trainer makes the scores of pairs fit better, and all of the encoder learns."""
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss

    first, second, scores = zip(*glue.stsb(16), strict=True)
    rows = {"sentence1": [*first], "sentence2": [*second], "score": [score / 5 for score in scores]}
    model = pipeline(encoder_class("tx-tiny/bert", max_seq_length=32))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    loss = CosineSimilarityLoss(model)
    options = SentenceTransformerTrainingArguments(
        str(tmp_path / "out"),
        max_steps=4,
        per_device_train_batch_size=16,
        learning_rate=1e-3,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = SentenceTransformerTrainer(model, options, train_dataset=datasets.Dataset.from_dict(rows), loss=loss)
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(losses) == 4
    assert losses[-1] < losses[0]
    still = [name for name, tensor in model.state_dict().items() if torch.equal(tensor, before[name])]
    assert all("pooler" in name or "position_ids" in name for name in still), still
