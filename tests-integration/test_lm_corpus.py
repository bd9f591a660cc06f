"""`get_lm_corpus` of tx-data with the tokenizer and the corpora of tx-transfo-xl."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tx_data import LMShuffledIterator, get_lm_corpus
from tx_testing.data import data_path
from tx_transfo_xl import TransfoXLCorpus

TEXTS = {"train": "the cat , the dog\n\nthe 5 @,@ 000 cat\n", "valid": "the <unk> mouse\n", "test": "A cat\n"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for split, text in TEXTS.items():
        (tmp_path / f"{split}.txt").write_text(text)
    return tmp_path


def caches(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("cache-*"))


def test_a_corpus_is_kept_and_found_by_its_texts(folder: Path, tmp_path: Path, monkeypatch) -> None:
    first = get_lm_corpus(folder, "wt2")
    assert first.vocab.idx2sym[:3] == ["<eos>", "the", "cat"]
    assert first.test.tolist() == [first.vocab.sym2idx["A"], 2, 0]
    (name,) = caches(folder)
    with monkeypatch.context() as patch:
        patch.setattr(TransfoXLCorpus, "build_corpus", None)  # nothing is built again
        again = get_lm_corpus(folder, "wt2")
    for split in TEXTS:
        np.testing.assert_array_equal(getattr(again, split), getattr(first, split))
    assert again.vocab.idx2sym == first.vocab.idx2sym
    lower = get_lm_corpus(folder, "ptb", cache_dir=folder / "elsewhere")
    assert lower.test.tolist() == [lower.vocab.sym2idx["a"], lower.vocab.sym2idx["cat"], 0]
    assert caches(folder) == [name]
    assert len(caches(folder / "elsewhere")) == 1
    (folder / "test.txt").write_text("a dog\n")
    assert get_lm_corpus(folder, "wt2").test.tolist() != first.test.tolist()
    assert len(caches(folder)) == 2


def test_characters_are_words_of_enwik8(tmp_path: Path) -> None:
    content = data_path("lm/enwik8-1kB/enwik8").read_bytes()[:300]
    for split in TEXTS:
        (tmp_path / f"{split}.txt").write_text(" ".join(map(str, content)) + "\n")
    corpus = get_lm_corpus(tmp_path, "enwik8")
    assert [int(corpus.vocab.idx2sym[index]) for index in corpus.train] == [*content]


def test_lm1b_is_sentences(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"1b_word_vocab.txt: there is no such file"):
        get_lm_corpus(folder, "lm1b")
    (folder / "1b_word_vocab.txt").write_text("\n".join(["<S>", "<UNK>", "the", "cat", ",", "dog", "A", "mouse"]))
    with pytest.raises(FileNotFoundError, match=r"has no files news.en-\*: unpack the benchmark there"):
        get_lm_corpus(folder, "lm1b")
    shards = folder / "1-billion-word-language-modeling-benchmark-r13output/training-monolingual.tokenized.shuffled"
    shards.mkdir(parents=True)
    (shards / "news.en-00001-of-00100").write_text("the cat\nA dog\n")
    (shards / "news.en-00002-of-00100").write_text("the mouse\n")
    corpus = get_lm_corpus(folder, "lm1b")
    assert [each.tolist() for each in corpus.test] == [[0, 6, 3, 0]]
    iterator = corpus.get_iterator("valid", 1, 3)
    assert isinstance(iterator, LMShuffledIterator)
    assert [(data.tolist(), target.tolist()) for data, target, _ in iterator] == [([[0, 2, 1]], [[2, 1, 7]])]
    batches = [*corpus.get_iterator("train", 1, 3, seed=1)]
    assert sorted(data.tolist() for data, _, _ in batches) == [[[0, 2, 3]], [[0, 2, 7]], [[0, 6, 5]]]
    with pytest.raises(ValueError, match=r"'dev' is no part of a corpus: train, valid, test"):
        corpus.get_iterator("dev", 1, 3)


def test_other_datasets_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'wt3' is no known dataset: ptb, wt2, wt103, enwik8, text8, lm1b"):
        get_lm_corpus(tmp_path, "wt3")
    with pytest.raises(FileNotFoundError, match=r"train.txt: there is no such file"):
        get_lm_corpus(tmp_path, "wt2")
