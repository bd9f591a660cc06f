from __future__ import annotations

import collections
import json
import os
import pickle

import numpy as np
import pytest

from tx_testing.data import data_path
from tx_testing.server import HubServer
from tx_transfo_xl import TransfoXLCorpus, TransfoXLTokenizer
from tx_transfo_xl.corpus import LMOrderedIterator

TEXTS = {"train": "the cat , the dog\n\nthe 5 @,@ 000 cat\n", "valid": "the <unk> mouse\n", "test": "a cat\n"}


@pytest.fixture
def folder(tmp_path):
    for split, text in TEXTS.items():
        (tmp_path / f"{split}.txt").write_text(text)
    return tmp_path


def built(folder, dataset="wt2", **options):
    corpus = TransfoXLCorpus(**options)
    corpus.build_corpus(folder, dataset)
    return corpus


def ids(corpus, text):
    return [corpus.vocab.sym2idx.get(word, corpus.vocab.unk_token_id) for word in text.split(" ")]


def equal(one, two):
    assert (one.dataset, one.vocab.idx2sym) == (two.dataset, two.vocab.idx2sym)
    for split in ("train", "valid", "test"):
        assert np.array_equal(getattr(one, split), getattr(two, split))


# Making a corpus


def test_wikitext_2_counts_all_its_files(folder):
    corpus = built(folder, special=["<eos>"])
    words = ["<eos>", "the", "cat", ",", "dog", "5", "@,@", "000", "<unk>", "mouse", "a"]
    assert corpus.vocab.idx2sym == words
    assert corpus.train.tolist() == ids(corpus, "the cat , the dog <eos> <eos> the 5 @,@ 000 cat <eos>")
    assert (corpus.valid.tolist(), corpus.test.tolist()) == ([1, 8, 9, 0], [10, 2, 0])
    assert corpus.train.dtype == np.int64


def test_wikitext_103_counts_what_it_trains_on(folder):
    (folder / "train.txt").write_text(TEXTS["train"] + "<unk>\n")
    corpus = built(folder, "wt103", special=["<eos>"])
    assert "mouse" not in corpus.vocab.sym2idx
    assert corpus.valid.tolist() == ids(corpus, "the <unk> <unk> <eos>")
    assert corpus.dataset == "wt103"


@pytest.mark.parametrize("dataset", ["enwik8", "text8"])
def test_characters_have_no_ends(dataset, folder):
    for name, text in (("train", "1 2 3 2\n"), ("valid", "1 1\n"), ("test", "3\n")):
        (folder / f"{name}.txt").write_text(text)
    corpus = built(folder, dataset)
    assert corpus.vocab.idx2sym == ["1", "2", "3"]  # as often, and in this order
    assert (corpus.train.tolist(), corpus.valid.tolist(), corpus.test.tolist()) == ([0, 1, 2, 1], [0, 0], [2])


def test_a_given_vocabulary_is_kept(folder):
    (folder / "words.txt").write_text("<eos> 3\ncat\n<unk>\n")
    corpus = built(folder, vocab_file=folder / "words.txt")
    assert corpus.vocab.idx2sym == ["<eos>", "cat", "<unk>"]
    assert corpus.test.tolist() == [2, 1, 0]


def test_what_is_missing(folder, tmp_path):
    for name in ("wt3", "lm1b"):
        with pytest.raises(ValueError, match=f"{name!r} is no known dataset: ptb, wt2"):
            built(folder, name)
    with pytest.raises(ValueError, match="the corpus has no train"):
        TransfoXLCorpus().get_iterator("train", 1, 1)
    with pytest.raises(ValueError, match="'dev' is no part of a corpus"):
        TransfoXLCorpus().get_iterator("dev", 1, 1)
    (folder / "valid.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"neither valid\.txt nor wiki\.valid\.tokens"):
        built(folder)


def test_real_text(tmp_path):
    for name in ("valid", "test"):
        (tmp_path / f"wiki.{name}.tokens").symlink_to(data_path(f"lm/wikitext-103/wiki.{name}.tokens"))
    (tmp_path / "train.txt").symlink_to(data_path("lm/wikitext-103/wiki.valid.tokens"))
    corpus = built(tmp_path, "wt103", special=["<eos>"])
    assert len(corpus.valid) == 217_646  # as published: https://huggingface.co/datasets/Salesforce/wikitext
    assert len(corpus.test) == 245_569
    words = data_path("lm/wikitext-103/wiki.valid.tokens").read_text(encoding="utf-8").replace("\n", " <eos> ").split()
    assert corpus.vocab.get_symbols(corpus.valid) == words
    assert corpus.vocab.idx2sym[:2] == ["<eos>", "the"]
    corpus.save_pretrained(tmp_path / "saved")
    again = TransfoXLCorpus.from_pretrained(tmp_path / "saved")
    assert isinstance(again.valid, np.memmap)
    equal(corpus, again)


def test_real_characters(tmp_path):
    content = data_path("lm/enwik8-1kB/enwik8").read_bytes()
    for split, part in (("train", content[:800]), ("valid", content[800:900]), ("test", content[900:])):
        (tmp_path / f"{split}.txt").write_text(" ".join(str(byte) for byte in part) + "\n")
    corpus = built(tmp_path, "enwik8")
    found = b"".join(
        bytes(map(int, corpus.vocab.get_symbols(each))) for each in (corpus.train, corpus.valid, corpus.test)
    )
    assert found == content


# Batches


def test_rows_go_on_from_batch_to_batch():
    batches = [*LMOrderedIterator(np.arange(23), 2, 4)]
    rows, targets = (np.concatenate([batch[n] for batch in batches], axis=1).tolist() for n in (0, 1))
    assert rows == [[*range(10)], [*range(11, 21)]]
    assert targets == [[*range(1, 11)], [*range(12, 22)]]
    assert [batch[2] for batch in batches] == [4, 4, 2]
    assert all(type(part) is np.ndarray and part.dtype == np.int64 for part in batches[0][:2])


def test_more_tokens_before_a_row():
    iterator = LMOrderedIterator(np.arange(20), 2, 4, ext_len=3)
    first, second, _ = [*iterator]
    assert (first[0].tolist()[0], second[0].tolist()[0], second[1].tolist()[0]) == (
        [0, 1, 2, 3], [1, 2, 3, 4, 5, 6, 7], [5, 6, 7, 8],
    )  # fmt: skip
    assert (iterator.n_step, iterator.n_batch) == (10, 3)
    assert iterator.get_batch(8)[0].tolist()[0] == [5, 6, 7, 8]


@pytest.mark.parametrize("sizes", [(0, 1, None), (1, 0, None), (1, 1, -1), (6, 1, None)])
def test_impossible_sizes(sizes):
    bsz, bptt, ext_len = sizes
    with pytest.raises(ValueError, match=f"bsz={bsz}"):
        LMOrderedIterator(np.arange(10), bsz, bptt, ext_len=ext_len)


# Files


def test_saved_and_loaded(folder):
    corpus = built(folder, special=["<eos>"])
    corpus.save_pretrained(folder / "saved")
    assert sorted(file.name for file in (folder / "saved").iterdir()) == [
        *("corpus-test.npy", "corpus-train.npy", "corpus-valid.npy", "corpus.json", "special_tokens_map.json"),
        *("tokenizer_config.json", "vocab.txt"),
    ]
    equal(corpus, TransfoXLCorpus.from_pretrained(folder / "saved"))
    assert type(TransfoXLTokenizer.from_pretrained(folder / "saved")) is TransfoXLTokenizer
    corpus.test = None
    corpus.save_pretrained(folder / "saved")
    assert not (folder / "saved/corpus-test.npy").exists()
    assert TransfoXLCorpus.from_pretrained(folder / "saved").test is None


def test_a_save_that_fails_leaves_the_old_corpus(folder, monkeypatch):
    corpus = built(folder, special=["<eos>"])
    corpus.save_pretrained(folder / "saved")
    other = built(folder, "text8")
    calls = []

    def failing(file, array, **options):
        calls.append(file)
        if len(calls) == 2:
            raise OSError("the disk is full")
        save(file, array, **options)

    save = np.save
    monkeypatch.setattr(np, "save", failing)
    with pytest.raises(OSError, match="full"):
        other.save_pretrained(folder / "saved")
    equal(corpus, TransfoXLCorpus.from_pretrained(folder / "saved"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("corpus-train.npy", b"\x93NUMPY", "corpus-train.npy: no array of ids"),
        ("corpus-train.npy", None, "speaks of corpus-train.npy, which is not beside it"),
        ("corpus-train.npy", np.array([0, 99]), "has ids of 0 to 99, but the vocabulary beside it has 11 words"),
        ("corpus-train.npy", np.array([0, -1]), "has ids of -1 to 0"),
        ("corpus-train.npy", np.array([0.5]), "not float64"),
        ("corpus-train.npy", np.array([[1]]), "one axis"),
        ("corpus-train.npy", np.array([{}, None]), "no array of ids"),
        ("corpus.json", b"{}", "no description of a corpus"),
        ("corpus.json", b'{"dataset": "wt2", "splits": ["../x"]}', "no description of a corpus"),
    ],
)
def test_damaged_corpora(name, content, message, folder, monkeypatch):
    built(folder, special=["<eos>"]).save_pretrained(folder / "saved")
    path = folder / "saved" / name
    path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content, allow_pickle=True)
    with pytest.raises(ValueError, match=message):
        TransfoXLCorpus.from_pretrained(folder / "saved")


def test_no_corpus(folder):
    with pytest.raises(FileNotFoundError, match=r"needs one of vocab\.txt"):
        TransfoXLCorpus.from_pretrained(folder)
    (folder / "vocab.txt").write_text("a\n")
    with pytest.raises(FileNotFoundError, match=r"has neither corpus\.json nor corpus\.bin: build_corpus"):
        TransfoXLCorpus.from_pretrained(folder)


class Evil:
    def __reduce__(self):
        return os.system, ("touch ran",)


def write_published(folder, **values):
    words = ["<eos>", "the", "<unk>"]
    vocab = {"idx2sym": words, "sym2idx": collections.OrderedDict((w, i) for i, w in enumerate(words)), "unk_idx": 2}
    (folder / "vocab.bin").write_bytes(pickle.dumps(vocab, 2))
    (folder / "corpus.bin").write_bytes(pickle.dumps(values, 2))


def test_published_lists(tmp_path):
    write_published(tmp_path, dataset="wt103", train=None, valid=[1, 2, 0, 1, 1], test=[2, 0], vocab=None)
    corpus = TransfoXLCorpus.from_pretrained(tmp_path)
    assert (corpus.train, corpus.valid.tolist(), corpus.test.tolist()) == (None, [1, 2, 0, 1, 1], [2, 0])
    ((data, target, length), *_) = corpus.get_iterator("valid", 1, 10)
    assert (data.tolist(), target.tolist(), length) == ([[1, 2, 0, 1]], [[2, 0, 1, 1]], 4)


def test_the_published_name_is_found_on_the_hub(tmp_path, monkeypatch):
    for name in ("TX_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    write_published(tmp_path, dataset="wt103", train=None, valid=[1, 2, 0], test=None)
    files = {name: (tmp_path / name).read_bytes() for name in ("vocab.bin", "corpus.bin")}
    with HubServer() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.add("transfo-xl-wt103", files, lfs=[*files])
        hub.rename("transfo-xl-wt103", "transfo-xl/transfo-xl-wt103")
        corpus = TransfoXLCorpus.from_pretrained("transfo-xl-wt103", tmp_path / "cache")
    assert (corpus.valid.tolist(), corpus.vocab.idx2sym) == ([1, 2, 0], ["<eos>", "the", "<unk>"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"valid": [3]}, "has ids of 3 to 3, but the vocabulary beside it has 3 words"),
        ({"valid": [1, None]}, "valid is a list of other things than ids"),
        ({"valid": [1 << 70]}, "valid is a list of other things than ids"),
        ({"valid": "the"}, "valid is neither a tensor nor a list"),
        ({"dataset": "lm1b"}, "'lm1b' is none of ptb"),
        ({"dataset": ["wt2"]}, "is none of ptb"),
        ({}, "a pickle without train, valid, test"),
        ({"valid": [0], "more": Evil()}, "nothing was run"),
        ({"valid": Evil()}, "nothing was run"),
    ],
)
def test_pickles_that_are_no_corpus(values, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_published(tmp_path, **values)
    with pytest.raises(ValueError, match=rf"corpus\.bin: .*{message}"):
        TransfoXLCorpus.from_pretrained(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_the_notes_are_json(folder):
    built(folder, special=["<eos>"]).save_pretrained(folder / "saved")
    notes = json.loads((folder / "saved/corpus.json").read_text())
    assert notes == {"dataset": "wt2", "splits": ["train", "valid", "test"]}
