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
from tx_transfo_xl.corpus import (
    DATASETS,
    LMMultiFileIterator,
    LMOrderedIterator,
    LMShuffledIterator,
    get_lm_corpus,
)

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


def lm1b(folder):
    shards = folder / "1-billion-word-language-modeling-benchmark-r13output/training-monolingual.tokenized.shuffled"
    shards.mkdir(parents=True)
    for number in range(2):
        (shards / f"news.en-0000{number}-of-00100").write_text("the cat\nthe dog the\n")
    (folder / "1b_word_vocab.txt").write_text("<S> 9\nthe 8\ncat 7\ndog 6\n<UNK> 5\n")


def test_lm1b_is_sentences(folder):
    lm1b(folder)
    with pytest.raises(ValueError, match=r"lm1b's vocabulary is a file: .*1b_word_vocab\.txt"):
        built(folder, "lm1b")
    corpus = built(folder, "lm1b", vocab_file=folder / "1b_word_vocab.txt")
    assert [sentence.tolist() for sentence in corpus.valid] == [[0, 1, 4, 4, 0]]
    assert [os.path.basename(path) for path in corpus.train] == ["news.en-00000-of-00100", "news.en-00001-of-00100"]
    batches = [*corpus.get_iterator("train", 1, 3)]
    assert [batch[2] for batch in batches] == [3] * 4
    assert all((batch[0] == 0).sum() <= 2 for batch in batches)
    kinds = [type(corpus.get_iterator(split, 1, 2)) for split in ("train", "valid")]
    assert kinds == [LMMultiFileIterator, LMShuffledIterator]
    corpus.save_pretrained(folder / "saved")
    again = TransfoXLCorpus.from_pretrained(folder / "saved")
    assert again.train == corpus.train
    assert [each.tolist() for each in again.test] == [each.tolist() for each in corpus.test]


def test_what_is_missing(folder, tmp_path):
    with pytest.raises(ValueError, match="'wt3' is no known dataset: ptb, wt2"):
        built(folder, "wt3")
    with pytest.raises(ValueError, match="the corpus has no train"):
        TransfoXLCorpus().get_iterator("train", 1, 1)
    with pytest.raises(ValueError, match="'dev' is no part of a corpus"):
        TransfoXLCorpus().get_iterator("dev", 1, 1)
    with pytest.raises(FileNotFoundError, match=r"news\.en"):
        built(folder, "lm1b", vocab_file=folder / "test.txt")
    (folder / "valid.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"neither valid\.txt nor wiki\.valid\.tokens"):
        built(folder)


def test_real_text(tmp_path):
    for name in ("valid", "test"):
        (tmp_path / f"wiki.{name}.tokens").symlink_to(data_path(f"lm/wikitext-103/wiki.{name}.tokens"))
    (tmp_path / "train.txt").symlink_to(data_path("lm/wikitext-103/wiki.valid.tokens"))
    corpus = get_lm_corpus(tmp_path, "wt103")
    assert len(corpus.valid) == 217_646  # as published: https://huggingface.co/datasets/Salesforce/wikitext
    assert len(corpus.test) == 245_569
    words = data_path("lm/wikitext-103/wiki.valid.tokens").read_text(encoding="utf-8").replace("\n", " <eos> ").split()
    assert corpus.vocab.get_symbols(corpus.valid) == words
    assert corpus.vocab.idx2sym[:2] == ["<eos>", "the"]
    again = get_lm_corpus(tmp_path, "wt103")
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


def test_rows_of_random_lengths():
    np.random.seed(0)
    batches = [*LMOrderedIterator(np.arange(400), 2, 20).get_varlen_iter()]
    assert np.concatenate([batch[0] for batch in batches], axis=1).tolist()[0] == [*range(199)]
    assert len({batch[2] for batch in batches}) > 3


@pytest.mark.parametrize("sizes", [(0, 1, None), (1, 0, None), (1, 1, -1), (6, 1, None)])
def test_impossible_sizes(sizes):
    bsz, bptt, ext_len = sizes
    with pytest.raises(ValueError, match=f"bsz={bsz}"):
        LMOrderedIterator(np.arange(10), bsz, bptt, ext_len=ext_len)


def test_sentences_follow_each_other_in_rows():
    sentences = [np.array(each) for each in ([1, 2, 3, 4], [5], [6, 7, 8], [9, 10], [11, 12, 13], [14, 15, 16, 17])]
    data, target, length = next(iter(LMShuffledIterator(sentences, 2, 4)))
    assert data.tolist() == [[1, 2, 3, 6], [9, 11, 12, 14]]
    assert target.tolist() == [[2, 3, 4, 7], [10, 12, 13, 15]]
    assert length == 4
    batches = [*LMShuffledIterator(sentences, 1, 3, ext_len=2)]
    assert [batch[0].tolist() for batch in batches] == [[[1, 2, 3]], [[2, 3, 6, 7, 9]], [[7, 9, 11, 12, 14]]]
    np.random.seed(3)
    orders = {tuple(batch[0][0, 0] for batch in LMShuffledIterator(sentences, 1, 3, shuffle=True)) for _ in range(9)}
    assert len(orders) > 3


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
        ("corpus.json", b'{"dataset": "wt2", "splits": {"train": "../x"}}', "no part of a corpus can be"),
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


# get_lm_corpus


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_cache_is_taken_while_the_files_are_the_same(dataset, folder, monkeypatch):
    if dataset == "lm1b":
        lm1b(folder)
    if dataset == "wt103":
        (folder / "train.txt").write_text(TEXTS["train"] + "<unk>\n")
    first = get_lm_corpus(folder, dataset)
    assert ("<eos>" in first.vocab.sym2idx) == (dataset in ("ptb", "wt2", "wt103"))
    assert first.vocab.lower_case == (dataset == "ptb")
    monkeypatch.setattr(TransfoXLCorpus, "build_corpus", None)
    again = get_lm_corpus(folder, dataset)
    assert again.vocab.get_vocab() == first.vocab.get_vocab()
    assert again.vocab.lower_case == first.vocab.lower_case
    for split in ("train", "valid", "test"):
        one, two = (getattr(each, split) for each in (first, again))
        assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    (folder / "test.txt").write_text("a cat cat\n")
    with pytest.raises(TypeError):  # build_corpus
        get_lm_corpus(folder, dataset)


def test_a_folder_that_cannot_be_written_to(folder, caplog):
    (folder / "cache-wt2").write_text("a file in its place")
    corpus = get_lm_corpus(folder, "wt2")
    assert "the corpus is not kept" in caplog.text
    equal(corpus, built(folder, special=["<eos>"]))


def test_the_notes_are_json(folder):
    get_lm_corpus(folder, "wt2")
    notes = json.loads((folder / "cache-wt2/corpus.json").read_text())
    assert notes["splits"] == dict.fromkeys(["train", "valid", "test"], "text")
    assert [*notes["sources"]] == ["train.txt", "valid.txt", "test.txt"]
