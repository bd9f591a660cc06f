"""How models were trained that learn from others: what they begin with, what is hidden from them, and their losses."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tx_core.auto import AutoModelWithLMHead, AutoTokenizer
from tx_testing.data import data_path
from tx_tiny import MODELS

TRAIN = Path(__file__).parents[1] / "train"
MODULES = [path.stem for path in TRAIN.glob("*.py")]
DOCUMENT = [
    "The film was released in the summer. The band played at the end of the game, and the team won.",
    "Hobbes' cæsura fell.",
]


@pytest.fixture(autouse=True)
def _modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The training modules import each other by their names, as a script's do."""
    monkeypatch.setenv("TX_OFFLINE", "1")
    monkeypatch.syspath_prepend(str(TRAIN))
    yield
    for name in MODULES:
        sys.modules.pop(name, None)


def prepared(name: str, folder: Path, **changes: Any) -> tuple[Any, Any]:
    """The module of a task, and the task over a few sentences."""
    module = import_module(name)
    corpus = import_module("text").Corpus([DOCUMENT, DOCUMENT], [DOCUMENT, DOCUMENT], [DOCUMENT, DOCUMENT], {})
    settings = argparse.Namespace(**{**module.DEFAULTS, "seed": 1, "device": "cpu", "batch": 4, **changes})
    return module, module.prepare(corpus, settings, folder)


def test_distilbert_begins_with_the_teachers_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all of them it gives what the teacher gives."""
    module = import_module("distil")
    monkeypatch.setattr(module, "LAYERS", (0, 1, 2, 3))
    _, task = prepared("distil", tmp_path)
    ids = torch.from_numpy(task.train.ids[:2])
    with torch.no_grad():
        student = task.model().eval()(ids, (ids != 0).long()).logits
        teacher = task.teacher(ids, (ids != 0).long()).prediction_logits
    torch.testing.assert_close(student[ids != 0], teacher[ids != 0], rtol=1e-4, atol=1e-4)


def test_distilbert_loss_is_that_of_a_teacher_it_agrees_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A student of all layers has nothing to learn from the teacher: what is left is the loss of the hidden words."""
    module = import_module("distil")
    monkeypatch.setattr(module, "LAYERS", (0, 1, 2, 3))
    _, task = prepared("distil", tmp_path)
    batch = task.batch(np.random.default_rng(1))
    batch["token_type_ids"].zero_()
    model = task.model().eval()
    labels = batch["masked_lm_labels"]
    with torch.no_grad():
        hard = model(batch["input_ids"], batch["attention_mask"], labels=labels).loss
        torch.testing.assert_close(task.loss(model, batch), module.HARD * hard, rtol=1e-3, atol=1e-3)


def test_roberta_begins_as_the_teacher_where_the_tokens_are_the_same(tmp_path: Path) -> None:
    _, task = prepared("transfer", tmp_path)
    texts = task.read([" the film was released in the United States, and the team won."])
    length = int((texts.ids != task.tokenizer.pad_token_id).sum())
    assert texts.same[0, 1 : length - 1].tolist() == list(range(1, length - 1))  # one token each in both
    ids, theirs = (torch.from_numpy(x[:, :length]) for x in (texts.ids, texts.teachers))
    with torch.no_grad():
        student, teacher = task.model().eval().roberta(ids)[0], task.teacher.bert(theirs)[0]
    torch.testing.assert_close(student, teacher, rtol=1e-4, atol=1e-4)


def test_what_is_hidden_from_roberta_is_hidden_from_the_teacher(tmp_path: Path) -> None:
    _, task = prepared("transfer", tmp_path)
    data, rows = task.train, np.array([0, 1])
    generator = np.random.default_rng(0)
    for _ in range(20):
        hidden, labels = task.hide(data.ids[rows], generator)
        changed = hidden != data.ids[rows]
        assert (labels[changed] != -100).all()
        read = task.hide_from_teacher(data, rows, changed)
        masked = read == task.teachers.mask_token_id
        same = data.same[rows]
        for row, place in zip(*np.nonzero(same >= 0), strict=True):
            assert masked[row, same[row, place]] == changed[row, place]
        assert (read[~masked] == data.teachers[rows][~masked]).all()
        assert not masked[:, 0].any()


def test_roberta_learns_from_its_loss(tmp_path: Path) -> None:
    _, task = prepared("transfer", tmp_path)
    model = task.model().train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(5):
        loss = task.loss(model, task.batch(np.random.default_rng(1)))
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.5


def of_words(folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> tuple[Any, Any]:
    """Transformer-XL's module and task, of a vocabulary so small that all its clusters have words."""
    module = import_module("recurrent")
    monkeypatch.setattr(module, "RAREST_WORD", 1)
    monkeypatch.setattr(module, "CUTOFFS", (6, 12))
    monkeypatch.setattr(module, "LENGTH", 4)
    return prepared("recurrent", folder, batch=2, **changes)


def test_transfo_xl_begins_with_the_words_of_gpt2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, task = of_words(tmp_path, monkeypatch)
    vectors = task.vectors()
    assert vectors[task.tokenizer.convert_tokens_to_ids(["was", "and"])].std() > 0.03
    assert not vectors[task.tokenizer.unk_token_id].any()
    with torch.no_grad():
        found = task.model().transformer.word_emb(torch.arange(len(vectors))) / math.sqrt(vectors.shape[1])
        # The words of a cluster no larger than its vectors are wide lose nothing; of others as little as possible.
        torch.testing.assert_close(found[:12], vectors[:12], rtol=1e-3, atol=1e-5)
        rest = vectors[12:]
        lost = torch.linalg.svdvals(rest)[160 // 4**2 :].square().sum().sqrt()
        assert 0 < torch.linalg.matrix_norm(found[12:] - rest) <= 1.001 * lost + 1e-5
    assert vectors.std().item() == pytest.approx(module.SPREAD, rel=0.1)


def test_transfo_xl_reads_on_in_each_row_and_forgets_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, task = of_words(tmp_path, monkeypatch, dropout=0.0)
    model = task.model().train()
    length = sum(map(len, task.documents["train"])) // 2
    segments = (length - 1) // module.LENGTH
    assert segments > 2
    rows = []
    for number in range(2 * segments):
        batch = task.batch(np.random.default_rng(number))
        assert ("mems" in task.carried) == (number % segments > 0)
        assert torch.equal(batch["input_ids"][:, 1:], batch["labels"][:, :-1])
        rows.append(batch["input_ids"])
        loss = task.loss(model, batch)
    # With its memory, the last segment's loss is that of the whole row.
    read, labels = (
        torch.cat(rows[segments:], 1),
        torch.cat([torch.cat(rows[segments:], 1)[:, 1:], batch["labels"][:, -1:]], 1),
    )
    with torch.no_grad():
        losses = model(read, labels=labels)[0]
    torch.testing.assert_close(loss, losses[:, -module.LENGTH :].mean(), rtol=1e-4, atol=1e-4)
    documents = {tuple(ids.tolist()) for ids in task.documents["train"]}
    assert tuple(torch.cat(rows[:segments], 1)[0, : length - 1].tolist()) in {ids[: segments * 4] for ids in documents}


def test_transfo_xl_measures_the_same_however_long_segments_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, task = of_words(tmp_path, monkeypatch)
    model = task.model().eval()
    found = task.evaluate(model, "dev")
    assert found["word_perplexity"] > found["perplexity"] > 1
    monkeypatch.setattr(module, "LENGTH", 1000)
    assert task.evaluate(model, "dev") == pytest.approx(found, rel=1e-3)


def test_an_interrupted_run_goes_on_with_its_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = import_module("train")
    results = []
    for stops in ((4,), (3, 4)):
        for stop in stops:
            state = tmp_path / f"{len(stops)}.pt"
            settings = {"steps": 4, "warmup": 1, "every": 3, "stop": stop, "state": state}
            _, task = of_words(tmp_path, monkeypatch, **settings)
            weights = train.train(task, task.settings, lambda **values: None)
        results.append(weights)
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[0])


def of_pieces(**changes: Any) -> tuple[Any, Any]:
    """XLNet's module and task, with the vocabulary of the finished model."""
    module = import_module("permutation")
    document = DOCUMENT * 8
    corpus = import_module("text").Corpus([document, document], [document], [document], {})
    settings = argparse.Namespace(**{**module.DEFAULTS, "seed": 1, "device": "cpu", "batch": 4, **changes})
    return module, module.Task(corpus, settings, module.XLNetTokenizer.from_pretrained("tx-tiny/xlnet", max_len=9999))


def test_xlnet_sees_what_comes_before_in_the_order() -> None:
    arguments = import_module("permutation").arguments
    order = np.array([[0, 2, 0, 1], [0, 0, 0, 1]])
    batch = arguments(np.array([[7, 8, 9, 10], [5, 11, 12, 13]]), np.zeros_like(order), order, 5)
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [0, 1, 1, 1]]
    assert batch["labels"].tolist() == [[10, 8], [13, -100]]
    assert batch["target_mapping"].tolist() == [[[0, 0, 0, 1], [0, 1, 0, 0]], [[0, 0, 0, 1], [0, 0, 0, 0]]]
    assert batch["perm_mask"][0].tolist() == [[0, 1, 0, 1], [0, 1, 0, 0], [0, 1, 0, 1], [0, 1, 0, 1]]
    assert batch["perm_mask"][1].tolist() == [[0, 0, 0, 1]] * 4


def test_a_sixth_of_xlnets_tokens_is_predicted_at_random_or_at_the_end() -> None:
    module, task = of_pieces()
    texts = task.train[:3]
    assert max(map(len, texts)) == max(map(len, task.train)) <= module.LENGTH - 2
    ends = [task.tokenizer.sep_token_id, task.tokenizer.cls_token_id]
    for onwards in (0.0, 1.0):
        batch = task.rows(texts, np.random.default_rng(0), onwards)
        for row, text in enumerate(texts):
            ids = batch["input_ids"][row][batch["attention_mask"][row] == 1].tolist()
            labels = batch["labels"][row][batch["labels"][row] != -100].tolist()
            assert len(labels) == max(1, len(text) // 6)
            if onwards:
                assert ids == text[: len(ids)]
                assert labels == ids[-len(labels) :]
            else:
                assert ids == [*text, *ends]
                places = batch["target_mapping"][row, : len(labels)].argmax(-1)
                assert batch["input_ids"][row, places].tolist() == labels
                assert places.tolist() != sorted(places.tolist()) or len(places) < 3


def test_xlnet_begins_as_a_teacher_without_positions() -> None:
    module, task = of_pieces()
    teacher, texts = task.teacher, task.teachers_texts
    with torch.no_grad():
        teacher.bert.embeddings.position_embeddings.weight[:] = 0.1
        embeddings = teacher.bert.embeddings
        words = embeddings.word_embeddings.weight
        pieces = [[index] for index in texts[0].tolist()]
        model = task.model()
        model.resize_token_embeddings(len(pieces))
        module.begin(model, teacher, pieces, task.teachers.mask_token_id, texts)
        found = model.eval().transformer(torch.arange(len(pieces))[None])[0]
        wanted = teacher.bert(texts[:1])[0]
    assert words.shape[0] == task.teachers.vocab_size
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)


def test_xlnets_distances_are_worth_what_the_teachers_positions_are() -> None:
    """Its states are nearer to the teacher's than without."""
    module, task = of_pieces()
    teacher, texts = task.teacher, task.teachers_texts
    pieces = [[index] for index in range(task.teachers.vocab_size)]
    with torch.no_grad():
        model = task.model()
        model.resize_token_embeddings(len(pieces))
        module.begin(model, teacher, pieces, task.teachers.mask_token_id, texts)
        wanted = teacher.bert(texts)[0]
        near = (model.eval().transformer(texts)[0] - wanted).square().mean()
        for layer in model.transformer.layer:
            layer.rel_attn.r.zero_()
        far = (model.transformer(texts)[0] - wanted).square().mean()
    assert near < far / 2


def test_xlnet_learns_from_its_loss() -> None:
    _, task = of_pieces()
    model = task.model().train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(6):
        loss = task.loss(model, task.batch(np.random.default_rng(1)))
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.5


@pytest.mark.parametrize(
    "model, name, measure", [("transfo-xl", "recurrent", "evaluate"), ("xlnet", "permutation", "onwards")]
)
def test_perplexities_of_the_test_part_are_those_of_the_log(model: str, name: str, measure: str) -> None:
    """Those that depend on nothing but the text, by the finished files."""
    text, module = import_module("text"), import_module(name)
    file = data_path(text.FILES[0])
    data_path(text.FILES[1])
    test = text.read_corpus(file.parents[len(Path(text.FILES[0]).parents) - 1]).test
    settings = argparse.Namespace(**{**module.DEFAULTS, "seed": 1, "device": "cpu"})
    tokenizer = AutoTokenizer.from_pretrained(f"tx-tiny/{model}", max_len=sys.maxsize)
    task = module.Task(text.Corpus(test, test, test, {}), settings, tokenizer)
    found = getattr(task, measure)(AutoModelWithLMHead.from_pretrained(f"tx-tiny/{model}"), "test")
    log = (MODELS / model / "training.jsonl").read_text(encoding="utf-8").splitlines()
    wanted = {key: value for key, value in json.loads(log[-1]).items() if key in found}
    assert found == pytest.approx(wanted, rel=1e-3)
    assert len(found) >= 3
