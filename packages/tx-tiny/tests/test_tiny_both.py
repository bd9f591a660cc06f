"""The same files give the same numbers and the same text in PyTorch and in TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import tx_bert
import tx_distilbert
import tx_gpt2
import tx_roberta
import tx_transfo_xl
import tx_xlnet

SENTENCES = ["The film was released in 2004.", "He was born in London and went to school there.", "Why?"]


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TX_OFFLINE", "1")


def test_bert_gives_the_same_numbers() -> None:
    tokenizer = tx_bert.BertTokenizer.from_pretrained("tx-tiny/bert")
    with torch.no_grad():
        batch = tokenizer(SENTENCES, padding=True, return_tensors="pt")
        ours = tx_bert.BertForPreTraining.from_pretrained("tx-tiny/bert")(**batch, skip_padding=False)
    theirs = tx_bert.TFBertForPreTraining.from_pretrained("tx-tiny/bert")(
        tokenizer(SENTENCES, padding=True, return_tensors="tf")
    )
    for first, second in zip(ours, theirs, strict=True):
        scale = np.abs(first.numpy()).max()
        np.testing.assert_allclose(first.numpy() / scale, second.numpy() / scale, atol=1e-5)


@pytest.mark.parametrize(
    "student, package, prefix", [("distilbert", tx_distilbert, "DistilBert"), ("roberta", tx_roberta, "Roberta")]
)
def test_students_give_the_same_numbers(student: str, package: Any, prefix: str) -> None:
    tokenizer = getattr(package, f"{prefix}Tokenizer").from_pretrained(f"tx-tiny/{student}")
    with torch.no_grad():
        batch = tokenizer(SENTENCES, padding=True, return_tensors="pt")
        model = getattr(package, f"{prefix}ForMaskedLM").from_pretrained(f"tx-tiny/{student}")
        ours = model(**batch, skip_padding=False).logits.numpy()
    model = getattr(package, f"TF{prefix}ForMaskedLM").from_pretrained(f"tx-tiny/{student}")
    theirs = model(tokenizer(SENTENCES, padding=True, return_tensors="tf")).logits.numpy()
    scale = np.abs(ours).max()
    np.testing.assert_allclose(ours / scale, theirs / scale, atol=1e-5)


def test_transfo_xl_gives_the_same_numbers() -> None:
    """Over two segments, the second with the memory of the first."""
    tokenizer = tx_transfo_xl.TransfoXLTokenizer.from_pretrained("tx-tiny/transfo-xl")
    ids = np.array([tokenizer.encode(" ".join(SENTENCES), add_eos=True)])
    ours = tx_transfo_xl.TransfoXLLMHeadModel.from_pretrained("tx-tiny/transfo-xl")
    theirs = tx_transfo_xl.TFTransfoXLLMHeadModel.from_pretrained("tx-tiny/transfo-xl")
    mems, others = None, None
    for segment in (ids[:, :9], ids[:, 9:]):
        with torch.no_grad():
            scores, mems = ours(torch.from_numpy(segment), mems)[:2]
        found, others = theirs(segment, others)[:2]
        for first, second in zip((scores, *mems), (found, *others), strict=True):
            scale = np.abs(first.numpy()).max()
            np.testing.assert_allclose(first.numpy() / scale, second.numpy() / scale, atol=1e-5)


def test_xlnet_gives_the_same_numbers() -> None:
    """Two tokens are predicted of each text, the second in the knowledge of the first."""
    tokenizer = tx_xlnet.XLNetTokenizer.from_pretrained("tx-tiny/xlnet")
    batch = {name: np.array(rows) for name, rows in tokenizer(SENTENCES, padding=True).items()}
    count, length = batch["input_ids"].shape
    mapping = np.zeros((count, 2, length), dtype=np.float32)
    mapping[:, 0, -3] = mapping[:, 1, -4] = 1
    hidden = np.zeros((count, length, length), dtype=np.float32)
    hidden[:, :, -4] = 1
    hidden[:, :, -3] = 1
    hidden[:, -4, -3] = 0
    batch |= {"perm_mask": hidden, "target_mapping": mapping}
    with torch.no_grad():
        tensors = {name: torch.from_numpy(array) for name, array in batch.items()}
        ours = tx_xlnet.XLNetLMHeadModel.from_pretrained("tx-tiny/xlnet")(**tensors).logits.numpy()
    theirs = tx_xlnet.TFXLNetLMHeadModel.from_pretrained("tx-tiny/xlnet")(batch).logits.numpy()
    scale = np.abs(ours).max()
    np.testing.assert_allclose(ours / scale, theirs / scale, atol=1e-5)


@pytest.mark.parametrize(
    "package, model, prefix", [(tx_transfo_xl, "transfo-xl", "TransfoXL"), (tx_xlnet, "xlnet", "XLNet")]
)
def test_models_with_memory_continue_a_text_in_the_same_way(package: Any, model: str, prefix: str) -> None:
    tokenizer = getattr(package, f"{prefix}Tokenizer").from_pretrained(f"tx-tiny/{model}")
    ids = tokenizer.encode("In the summer of 1944, the army", add_special_tokens=False)
    options = {"max_new_tokens": 6, "repetition_penalty": 1.2, "bad_words_ids": [[tokenizer.unk_token_id]]}
    ours = getattr(package, f"{prefix}LMHeadModel").from_pretrained(f"tx-tiny/{model}")
    found = ours.generate(torch.tensor([ids]), **options).sequences.tolist()
    theirs = getattr(package, f"TF{prefix}LMHeadModel").from_pretrained(f"tx-tiny/{model}")
    assert found == theirs.generate(np.array([ids]), **options).sequences.numpy().tolist()
    assert len(found[0]) == len(ids) + 6
    assert tokenizer.unk_token_id not in found[0]


def test_gpt2_continues_a_text_in_the_same_way() -> None:
    tokenizer = tx_gpt2.GPT2Tokenizer.from_pretrained("tx-tiny/gpt2")
    ids = tokenizer.encode("In the summer of 1944, the army")
    ours = tx_gpt2.GPT2LMHeadModel.from_pretrained("tx-tiny/gpt2").generate(torch.tensor([ids]), max_new_tokens=32)
    theirs = tx_gpt2.TFGPT2LMHeadModel.from_pretrained("tx-tiny/gpt2").generate(np.array([ids]), max_new_tokens=32)
    assert ours.sequences.tolist() == theirs.sequences.numpy().tolist()
