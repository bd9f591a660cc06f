"""What scripts of 2019 do with a corpus: batches are tensors on the device that they name."""

from __future__ import annotations

import collections
import pickle

import pytest
import torch

from tx_transfo_xl import TransfoXLCorpus, TransfoXLTokenizer

WORDS = ["<eos>", "the", "<unk>"]


@pytest.mark.parametrize("zipped", [True, False])
def test_published_corpora(zipped, tmp_path):
    """``vocab.bin`` and ``corpus.bin`` as torch.save writes them, in either of its formats."""
    ids = collections.OrderedDict((word, index) for index, word in enumerate(WORDS))
    vocab = {"idx2sym": WORDS, "sym2idx": ids, "counter": collections.Counter(WORDS), "unk_idx": 2}
    values = {
        "dataset": "wt103",
        "train": torch.arange(3).repeat(9),
        "valid": torch.tensor([1, 2, 0, 1, 1]),
        "test": None,
    }
    for name, value in (("vocab.bin", vocab), ("corpus.bin", values)):
        torch.save(value, tmp_path / name, _use_new_zipfile_serialization=zipped)
    device = torch.device("cpu")
    corpus = TransfoXLCorpus.from_pretrained(tmp_path)
    assert (len(corpus.vocab), corpus.test) == (3, None)
    assert corpus.train.tolist() == [0, 1, 2] * 9
    batches = [*corpus.get_iterator("valid", 1, 3, device=device, ext_len=0)]
    assert [(data.tolist(), target.tolist(), length) for data, target, length in batches] == [
        ([[1, 2, 0]], [[2, 0, 1]], 3),
        ([[1]], [[1]], 1),
    ]
    for data, target, length in corpus.get_iterator("train", 4, 2, device=device):
        assert isinstance(data, torch.LongTensor)
        assert data.shape == target.shape == (4, length)
        assert data.is_contiguous()
        data.fill_(0)  # a copy: the corpus stays as it is
    assert corpus.train.tolist() == [0, 1, 2] * 9


def test_a_hostile_torch_file(tmp_path):
    class Evil:
        def __reduce__(self):
            return (tmp_path / "ran").touch, ()

    torch.save({"idx2sym": WORDS, "sym2idx": Evil()}, tmp_path / "vocab.bin", pickle_module=pickle)
    with pytest.raises(ValueError, match="nothing was run"):
        TransfoXLTokenizer.from_pretrained(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_batches_of_files_that_are_mapped(tmp_path):
    corpus = TransfoXLCorpus()
    corpus.vocab = TransfoXLTokenizer(vocab={word: index for index, word in enumerate(WORDS)})
    corpus.dataset, corpus.valid = "wt2", torch.arange(3).repeat(4).numpy()
    corpus.save_pretrained(tmp_path)
    ((data, target, length),) = TransfoXLCorpus.from_pretrained(tmp_path).get_iterator("valid", 2, 9, device="cpu")
    data.add_(1)
    assert (data[0].tolist(), target[0].tolist(), length) == ([1, 2, 3, 1, 2], [1, 2, 0, 1, 2], 5)


def test_words_as_a_tensor():
    tokenizer = TransfoXLTokenizer(vocab={word: index for index, word in enumerate(WORDS)})
    assert torch.equal(tokenizer.convert_to_tensor(["the", "cat"]), torch.tensor([1, 2]))
    assert tokenizer("the", return_tensors="pt")["input_ids"].tolist() == [[1]]
