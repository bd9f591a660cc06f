"""The models in PyTorch: they load strictly and know some English."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

import tx_bert
import tx_distilbert
import tx_gpt2
import tx_roberta
import tx_transfo_xl
import tx_xlnet
from tx_core.auto import AutoModel, AutoModelForPreTraining, AutoModelWithLMHead

# Written for this test.
TEXT = (
    "The second film of the series was released in the summer of 1998. It was directed by a young man from London, who "
    "had been a teacher before the war. Most of the critics did not like it, but the public did, and it was one of the "
    "best films of that year.\n"
    "I went out of the house and walked to the school. The students were standing in front of the gate, and one of "
    'them asked me where I had been. "I have been at home," I said, "and I do not want to talk about it."\n'
)

# A sentence, and the word that belongs in it.
HIDDEN = [
    ("It was one [MASK] the largest cities in the world.", "of"),
    ("The album sold more [MASK] two million copies.", "than"),
    ("He was born [MASK] London.", "in"),
    ('"I do not think so," he [MASK].', "said"),
    ("At the end of the [MASK], the team had won two games.", "season"),
    ("The [MASK] was released in 2005.", "album"),
]


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TX_OFFLINE", "1")


@pytest.mark.parametrize(
    "name, new",
    [
        ("BertModel", []),
        ("BertForPreTraining", []),
        ("BertForMaskedLM", []),
        ("BertForNextSentencePrediction", []),
        ("BertForSequenceClassification", ["classifier.bias", "classifier.weight"]),
    ],
)
def test_bert_loads_strictly(name: str, new: list[str]) -> None:
    model, report = getattr(tx_bert, name).from_pretrained("tx-tiny/bert", output_loading_info=True)
    assert sorted(report.newly_initialized) == new
    assert not report.unexpected_keys
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert not model.training


@pytest.mark.parametrize("name", ["GPT2Model", "GPT2LMHeadModel"])
def test_gpt2_loads_strictly(name: str) -> None:
    model, report = getattr(tx_gpt2, name).from_pretrained("tx-tiny/gpt2", output_loading_info=True)
    assert not report.newly_initialized
    assert not report.unexpected_keys
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_auto_classes() -> None:
    assert type(AutoModel.from_pretrained("tx-tiny/bert")) is tx_bert.BertModel
    assert type(AutoModelForPreTraining.from_pretrained("tx-tiny/bert")) is tx_bert.BertForPreTraining
    assert type(AutoModelWithLMHead.from_pretrained("tx-tiny/gpt2")) is tx_gpt2.GPT2LMHeadModel
    assert type(AutoModel.from_pretrained("tx-tiny/transfo-xl")) is tx_transfo_xl.TransfoXLModel
    assert type(AutoModelWithLMHead.from_pretrained("tx-tiny/transfo-xl")) is tx_transfo_xl.TransfoXLLMHeadModel
    assert type(AutoModel.from_pretrained("tx-tiny/xlnet")) is tx_xlnet.XLNetModel
    assert type(AutoModelWithLMHead.from_pretrained("tx-tiny/xlnet")) is tx_xlnet.XLNetLMHeadModel


@pytest.mark.parametrize(
    "package, name, model, new",
    [
        (tx_distilbert, "DistilBertModel", "distilbert", []),
        (tx_distilbert, "DistilBertForMaskedLM", "distilbert", []),
        (tx_distilbert, "DistilBertForTokenClassification", "distilbert", ["classifier.bias", "classifier.weight"]),
        (tx_roberta, "RobertaForMaskedLM", "roberta", []),
        (tx_roberta, "RobertaForTokenClassification", "roberta", ["classifier.bias", "classifier.weight"]),
        (tx_transfo_xl, "TransfoXLModel", "transfo-xl", []),
        (tx_transfo_xl, "TransfoXLLMHeadModel", "transfo-xl", []),
        (tx_xlnet, "XLNetModel", "xlnet", []),
        (tx_xlnet, "XLNetLMHeadModel", "xlnet", []),
        (tx_xlnet, "XLNetForTokenClassification", "xlnet", ["classifier.bias", "classifier.weight"]),
    ],
)
def test_models_load_strictly(package: Any, name: str, model: str, new: list[str]) -> None:
    loaded, report = getattr(package, name).from_pretrained(f"tx-tiny/{model}", output_loading_info=True)
    assert sorted(report.newly_initialized) == new
    assert not report.unexpected_keys
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    assert not loaded.training


def perplexity(model: Any, ids: torch.Tensor) -> float:
    with torch.no_grad():
        return math.exp(model(ids, labels=ids).loss.item())


def test_gpt2_predicts_text_that_it_was_not_trained_on() -> None:
    tokenizer = tx_gpt2.GPT2Tokenizer.from_pretrained("tx-tiny/gpt2")
    ids = torch.tensor([tokenizer.encode("<|endoftext|>" + TEXT)])
    trained = perplexity(tx_gpt2.GPT2LMHeadModel.from_pretrained("tx-tiny/gpt2"), ids)
    torch.manual_seed(0)
    untrained = perplexity(tx_gpt2.GPT2LMHeadModel(tx_gpt2.GPT2Config.from_pretrained("tx-tiny/gpt2")).eval(), ids)
    assert untrained > 2000  # about that of a uniform guess among 3072
    assert trained < 50


def test_gpt2_continues_in_the_same_way_each_time() -> None:
    tokenizer = tx_gpt2.GPT2Tokenizer.from_pretrained("tx-tiny/gpt2")
    model = tx_gpt2.GPT2LMHeadModel.from_pretrained("tx-tiny/gpt2")
    ids = torch.tensor([tokenizer.encode("In the summer of 1944, the army")])
    first = model.generate(ids, max_new_tokens=24).sequences
    assert first.shape == (1, ids.shape[1] + 24)
    assert torch.equal(first, model.generate(ids, max_new_tokens=24).sequences)
    assert "French" in tokenizer.decode(first[0].tolist())  # it stays with the war that the prompt is about


@pytest.mark.parametrize("sentence, word", HIDDEN)
def test_bert_finds_the_hidden_word(sentence: str, word: str) -> None:
    tokenizer = tx_bert.BertTokenizer.from_pretrained("tx-tiny/bert")
    model = tx_bert.BertForMaskedLM.from_pretrained("tx-tiny/bert")
    ids = tokenizer.encode(sentence, return_tensors="pt")
    with torch.no_grad():
        best = model(ids).logits[ids == tokenizer.mask_token_id].argmax().item()
    assert tokenizer.convert_ids_to_tokens(best) == word


STUDENTS = {
    "distilbert": (tx_distilbert.DistilBertForMaskedLM, tx_distilbert.DistilBertTokenizer),
    "roberta": (tx_roberta.RobertaForMaskedLM, tx_roberta.RobertaTokenizer),
}


@pytest.mark.parametrize("student", sorted(STUDENTS))
@pytest.mark.parametrize("sentence, word", HIDDEN[:5])
def test_students_find_the_hidden_word(student: str, sentence: str, word: str) -> None:
    tokenizer = STUDENTS[student][1].from_pretrained(f"tx-tiny/{student}")
    model = STUDENTS[student][0].from_pretrained(f"tx-tiny/{student}")
    ids = tokenizer.encode(sentence.replace("[MASK]", str(tokenizer.mask_token)), return_tensors="pt")
    with torch.no_grad():
        best = model(ids).logits[ids == tokenizer.mask_token_id].argmax().item()
    assert tokenizer.decode([best]).strip() == word


def hidden_one_by_one(model: Any, tokenizer: Any, text: str) -> float:
    """Perplexity of the tokens of a text, each hidden in turn."""
    ids = torch.tensor(tokenizer.encode(text))
    rows = ids.repeat(len(ids) - 2, 1)
    places = torch.arange(1, len(ids) - 1)
    labels = torch.full_like(rows, -100)
    labels[places - 1, places] = ids[places]
    rows[places - 1, places] = tokenizer.mask_token_id
    with torch.no_grad():
        return math.exp(model(rows, labels=labels).loss.item())


@pytest.mark.parametrize("student", sorted(STUDENTS))
def test_students_predict_text_that_they_were_not_trained_on(student: str) -> None:
    tokenizer = STUDENTS[student][1].from_pretrained(f"tx-tiny/{student}")
    model = STUDENTS[student][0].from_pretrained(f"tx-tiny/{student}")
    assert hidden_one_by_one(model, tokenizer, TEXT[:160]) < 20


def test_bert_predicts_text_that_it_was_not_trained_on() -> None:
    tokenizer = tx_bert.BertTokenizer.from_pretrained("tx-tiny/bert")
    model = tx_bert.BertForMaskedLM.from_pretrained("tx-tiny/bert")
    assert hidden_one_by_one(model, tokenizer, TEXT[:160]) < 20


def test_bert_tells_whether_a_text_goes_on() -> None:
    tokenizer = tx_bert.BertTokenizer.from_pretrained("tx-tiny/bert")
    model = tx_bert.BertForNextSentencePrediction.from_pretrained("tx-tiny/bert")
    first = "The second film of the series was released in the summer of 1998. It was directed by a man from London."
    pairs = [(first, "Most of the critics did not like the film."), (first, "I looked at Red Shirt, and he laughed.")]
    batch = tokenizer(pairs, padding=True, return_tensors="pt")
    with torch.no_grad():
        assert model(**batch).logits.argmax(-1).tolist() == [0, 1]


def read(model: Any, ids: torch.Tensor, length: int) -> float:
    """Perplexity of all words but the first, read in segments with memory."""
    losses, mems = [], None
    for start in range(0, ids.shape[1] - 1, length):
        end = min(start + length, ids.shape[1] - 1)
        with torch.no_grad():
            loss, _, mems = model(ids[:, start:end], mems, labels=ids[:, start + 1 : end + 1])[:3]
        losses.append(loss)
    return math.exp(torch.cat(losses, 1).mean().item())


def test_transfo_xl_predicts_text_that_it_was_not_trained_on() -> None:
    tokenizer = tx_transfo_xl.TransfoXLTokenizer.from_pretrained("tx-tiny/transfo-xl")
    model = tx_transfo_xl.TransfoXLLMHeadModel.from_pretrained("tx-tiny/transfo-xl")
    lines = [tokenizer.encode(line, add_eos=True) for line in TEXT.splitlines()]
    ids = torch.tensor([[tokenizer.eos_token_id, *(index for line in lines for index in line)]])
    whole = read(model, ids, ids.shape[1])
    assert whole < 80  # of 8743
    # Each word sees 128 places, the memory's zeros among them, wherever segments end.
    assert read(model, ids, 7) == pytest.approx(whole, rel=1e-4)
    forgotten = [read(model, ids[:, start : start + 8], 8) for start in range(0, ids.shape[1] - 8, 7)]
    assert sum(forgotten) / len(forgotten) > 1.2 * whole


def hidden_in_turn(model: Any, ids: torch.Tensor, places: list[int], onwards: bool) -> torch.Tensor:
    """Scores (T, V) of the tokens at some places, each from all the others, or from those before it alone."""
    rows = ids.repeat(len(places), 1)
    hidden, mapping = torch.zeros(len(places), len(ids), len(ids)), torch.zeros(len(places), 1, len(ids))
    for row, place in enumerate(places):
        hidden[row, :, place:] = 1
        if not onwards:
            hidden[row, :, place + 1 :] = 0
        mapping[row, 0, place] = 1
    with torch.no_grad():
        return model(rows, perm_mask=hidden, target_mapping=mapping).logits[:, 0]


@pytest.mark.parametrize("sentence, word", HIDDEN[:4])
def test_xlnet_finds_the_hidden_word(sentence: str, word: str) -> None:
    tokenizer = tx_xlnet.XLNetTokenizer.from_pretrained("tx-tiny/xlnet")
    model = tx_xlnet.XLNetLMHeadModel.from_pretrained("tx-tiny/xlnet")
    ids = torch.tensor(tokenizer.encode(sentence.replace("[MASK]", "<mask>")))
    (place,) = (ids == tokenizer.mask_token_id).nonzero()[0].tolist()
    best = hidden_in_turn(model, ids, [place], False).argmax().item()
    assert tokenizer.decode([best]).strip() == word


@pytest.mark.parametrize("onwards, most", [(False, 20), (True, 100)])
def test_xlnet_predicts_text_that_it_was_not_trained_on(onwards: bool, most: float) -> None:
    tokenizer = tx_xlnet.XLNetTokenizer.from_pretrained("tx-tiny/xlnet")
    model = tx_xlnet.XLNetLMHeadModel.from_pretrained("tx-tiny/xlnet")
    ids = torch.tensor(tokenizer.encode(TEXT[:160], add_special_tokens=not onwards))
    places = [*range(1, len(ids) - 2)]
    logits = hidden_in_turn(model, ids, places, onwards)
    assert math.exp(torch.nn.functional.cross_entropy(logits, ids[places]).item()) < most  # of 3072
