"""The models in TensorFlow: they load strictly and know some English."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tx_bert
import tx_distilbert
import tx_gpt2
import tx_roberta
import tx_transfo_xl
import tx_xlnet
from tx_core.auto import TFAutoModel


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TX_OFFLINE", "1")


@pytest.mark.parametrize("name", ["TFBertModel", "TFBertForPreTraining", "TFBertForMaskedLM"])
def test_bert_loads_strictly(name: str) -> None:
    model, report = getattr(tx_bert, name).from_pretrained("tx-tiny/bert", output_loading_info=True)
    assert not report.newly_initialized
    assert not report.unexpected_keys
    assert {variable.dtype for variable in model.weights} == {"float32"}


def test_auto_class() -> None:
    assert type(TFAutoModel.from_pretrained("tx-tiny/gpt2")) is tx_gpt2.TFGPT2Model


def test_bert_finds_hidden_words() -> None:
    tokenizer = tx_bert.BertTokenizer.from_pretrained("tx-tiny/bert")
    model = tx_bert.TFBertForMaskedLM.from_pretrained("tx-tiny/bert")
    sentences = ["It was one [MASK] the largest cities in the world.", "The album sold more [MASK] two million copies."]
    batch = tokenizer(sentences, padding=True, return_tensors="tf")
    logits = model(batch).logits.numpy()
    hidden = batch["input_ids"].numpy() == tokenizer.mask_token_id
    assert tokenizer.convert_ids_to_tokens(logits[hidden].argmax(-1).tolist()) == ["of", "than"]


@pytest.mark.parametrize(
    "student, model_class, tokenizer_class",
    [
        ("distilbert", tx_distilbert.TFDistilBertForMaskedLM, tx_distilbert.DistilBertTokenizer),
        ("roberta", tx_roberta.TFRobertaForMaskedLM, tx_roberta.RobertaTokenizer),
    ],
)
def test_students_load_strictly_and_find_hidden_words(student: str, model_class: Any, tokenizer_class: Any) -> None:
    tokenizer = tokenizer_class.from_pretrained(f"tx-tiny/{student}")
    model, report = model_class.from_pretrained(f"tx-tiny/{student}", output_loading_info=True)
    assert not report.newly_initialized
    assert not report.unexpected_keys
    mask = tokenizer.mask_token
    sentences = [
        f"It was one {mask} the largest cities in the world.",
        f"The album sold more {mask} two million copies.",
    ]
    batch = tokenizer(sentences, padding=True, return_tensors="tf")
    best = model(batch).logits.numpy()[batch["input_ids"].numpy() == tokenizer.mask_token_id].argmax(-1)
    assert [tokenizer.decode([index]).strip() for index in best.tolist()] == ["of", "than"]


def test_gpt2_predicts_text_that_it_was_not_trained_on() -> None:
    tokenizer = tx_gpt2.GPT2Tokenizer.from_pretrained("tx-tiny/gpt2")
    model, report = tx_gpt2.TFGPT2LMHeadModel.from_pretrained("tx-tiny/gpt2", output_loading_info=True)
    assert not report.newly_initialized
    text = "<|endoftext|>The film was released in the United States, and it was one of the best films of that year."
    ids = np.array([tokenizer.encode(text)])
    logits = model(ids).logits.numpy()[0, :-1].astype(np.float64)
    chances = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    loss = -np.log(chances[np.arange(len(chances)), ids[0, 1:]]).mean()
    assert math.exp(loss) < 30  # of 3072


def test_transfo_xl_predicts_text_that_it_was_not_trained_on() -> None:
    tokenizer = tx_transfo_xl.TransfoXLTokenizer.from_pretrained("tx-tiny/transfo-xl")
    name = "tx-tiny/transfo-xl"
    model, report = tx_transfo_xl.TFTransfoXLLMHeadModel.from_pretrained(name, output_loading_info=True)
    assert not report.newly_initialized
    assert not report.unexpected_keys
    text = "The film was released in the United States, and it was one of the best films of that year."
    ids = np.array([[tokenizer.eos_token_id, *tokenizer.encode(text, add_eos=True)]])
    losses = model(ids[:, :-1], labels=ids[:, 1:])[0].numpy()
    assert losses.shape == (1, ids.shape[1] - 1)
    assert math.exp(losses.mean()) < 80  # of 8743


def test_xlnet_loads_strictly_and_finds_hidden_words() -> None:
    tokenizer = tx_xlnet.XLNetTokenizer.from_pretrained("tx-tiny/xlnet")
    model, report = tx_xlnet.TFXLNetLMHeadModel.from_pretrained("tx-tiny/xlnet", output_loading_info=True)
    assert not report.newly_initialized
    assert not report.unexpected_keys
    for sentence, word in (
        ("It was one <mask> the largest cities in the world.", "of"),
        ("The album sold more <mask> two million copies.", "than"),
    ):
        ids = np.array([tokenizer.encode(sentence)])
        hidden = (ids == tokenizer.mask_token_id).astype(np.float32)  # (1, S)
        logits = model(
            ids, perm_mask=hidden[:, None] * np.ones_like(hidden)[:, :, None], target_mapping=hidden[:, None]
        )
        assert tokenizer.decode([int(logits.logits.numpy()[0, 0].argmax())]).strip() == word
