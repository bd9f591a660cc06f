"""Corpora of whole texts and of sentences, as Transformer-XL's authors train on them, and more ways to make batches.

Ids come from Transformer-XL's tokenizer or any other; `get_lm_corpus` and lm1b need the package tx-transfo-xl.
"""

from __future__ import annotations

import hashlib
import os
from importlib import import_module
from pathlib import Path

from tx_core.messages import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    Folder = str | os.PathLike[str]
    #: (data, target, length of the target): (B, S) each, NumPy's or PyTorch's.
    Batch = tuple[Any, Any, int]

# How the vocabulary of each dataset that is one text is made, as in the authors' experiments.
_OPTIONS: dict[str, dict[str, Any]] = {
    "ptb": {"special": ["<eos>"], "lower_case": True},
    "wt2": {"special": ["<eos>"]},
    "wt103": {"special": ["<eos>"]},
    "enwik8": {},
    "text8": {},
}
_LM1B_TRAIN = "1-billion-word-language-modeling-benchmark-r13output/training-monolingual.tokenized.shuffled"
_LM1B_WORDS = "1b_word_vocab.txt"
_SPLITS = ("train", "valid", "test")


def variable_length_batches(
    ordered: Any,
    start: int = 0,
    std: float = 5,
    min_len: int = 5,
    max_deviation: float = 3,
    seed: Any = None,
) -> Iterator[Batch]:
    """Batches of a random number of tokens a row, for training: about `bptt`, and half of it in one of twenty.

    Args:
        ordered: an `LMOrderedIterator` of tx-transfo-xl, whose `bptt` is meant.
        start: the token of each row to begin with.
        std: standard deviation of the number of tokens.
        min_len: the fewest tokens, but for what is left at the end.
        max_deviation: so many times `std` more than `bptt` are the most.
        seed: what the numbers depend on, or a `numpy.random.Generator`; None is different every time.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    most = int(ordered.bptt + max_deviation * std)
    place = start
    while place < ordered.n_step - 1:
        about = ordered.bptt if random.random() < 0.95 else ordered.bptt / 2
        batch = ordered.get_batch(place, min(most, max(min_len, int(random.normal(about, std)))))
        place += batch[2]
        yield batch


class LMShuffledIterator:
    """Batches of sentences in any order: where one ends in a row, the next one goes on.

    The first token of a sentence is never a target. Sentences that do not fill a batch at the end are dropped.

    Args:
        data: ids of each sentence.
        bsz: rows B of a batch.
        bptt: tokens S of a row.
        device: where PyTorch's tensors are put; None for NumPy's arrays.
        ext_len: so many tokens before those of a row are given again, (B, ext_len + S).
        shuffle: whether the sentences are put into another order for each pass.
        seed: what the order depends on, or a `numpy.random.Generator`; None is different every time.

    Each batch is (data, target, S): `target`, (B, S), are the tokens that follow.

    Raises ValueError if `bsz` or `bptt` is below 1, or `ext_len` below 0.
    """

    def __init__(
        self,
        data: Sequence[Any],
        bsz: int,
        bptt: int,
        device: Any = None,
        ext_len: int | None = None,
        shuffle: bool = False,
        seed: Any = None,
    ) -> None:
        import numpy as np

        if bsz < 1 or bptt < 1 or (ext_len or 0) < 0:
            raise ValueError(f"bsz={bsz} and bptt={bptt} must be 1 or more, and ext_len={ext_len} 0 or more")
        self.data = data
        self.bsz, self.bptt, self.ext_len = bsz, bptt, ext_len or 0
        self.device = device
        self.shuffle = shuffle
        self._random = np.random.default_rng(seed)

    def _in_order(self, values: Sequence[Any]) -> Iterable[Any]:
        return (values[int(index)] for index in self._random.permutation(len(values))) if self.shuffle else values

    def get_sent_stream(self) -> Iterator[Any]:
        """The sentences of one pass."""
        yield from self._in_order(self.data)

    def stream_iterator(self, sent_stream: Iterator[Any]) -> Iterator[Batch]:
        """The batches of sentences."""
        import numpy as np

        rows: list[Any] = [()] * self.bsz  # what is left of the sentence that each row is in
        before = np.empty((self.bsz, 0), np.int64)
        while True:
            data = np.empty((self.bsz, self.bptt), np.int64)
            target = np.empty_like(data)
            for number in range(self.bsz):
                filled = 0
                while filled < self.bptt:
                    while len(rows[number]) < 2:
                        sentence = next(sent_stream, None)
                        if sentence is None:
                            return
                        rows[number] = sentence
                    count = min(len(rows[number]) - 1, self.bptt - filled)
                    data[number, filled : filled + count] = rows[number][:count]
                    target[number, filled : filled + count] = rows[number][1 : count + 1]
                    rows[number] = rows[number][count:]
                    filled += count
            seen = np.concatenate([before, data], axis=1)
            yield self._tensor(seen), self._tensor(target), self.bptt
            before = seen[:, max(seen.shape[1] - self.ext_len, 0) :] if self.ext_len else before

    def _tensor(self, array: Any) -> Any:
        if self.device is None:
            return array
        import torch

        return torch.from_numpy(array).to(self.device)

    def __iter__(self) -> Iterator[Batch]:
        return self.stream_iterator(self.get_sent_stream())


class LMMultiFileIterator(LMShuffledIterator):
    """The same of the sentences of several files, one file after the other, so that only one is in memory.

    Args:
        paths: the files, a sentence a line.
        vocab: a tokenizer that has `encode_file(path, add_double_eos=True)`, as Transformer-XL's.
        bsz, bptt, device, ext_len, shuffle, seed: see `LMShuffledIterator`; `shuffle` is for the files too.
    """

    def __init__(
        self,
        paths: Sequence[Folder],
        vocab: Any,
        bsz: int,
        bptt: int,
        device: Any = None,
        ext_len: int | None = None,
        shuffle: bool = False,
        seed: Any = None,
    ) -> None:
        super().__init__((), bsz, bptt, device, ext_len, shuffle, seed)
        self.paths = paths
        self.vocab = vocab

    def __iter__(self) -> Iterator[Batch]:
        for path in self._in_order(self.paths):
            sentences = self.vocab.encode_file(path, add_double_eos=True)
            yield from self.stream_iterator(iter(self._in_order(sentences)))


class LM1BCorpus:
    """The billion words benchmark (Chelba et al. 2013, https://arxiv.org/abs/1312.3005): sentences in no order.

    Args:
        datadir: the folder that has the unpacked benchmark, `1b_word_vocab.txt`, `valid.txt` and `test.txt`.

    Attributes:
        vocab: Transformer-XL's tokenizer.
        train: the files to train on.
        valid, test: the ids of each sentence.

    Raises:
        FileNotFoundError: a file is missing; names it.
        ImportError: tx-transfo-xl is not installed.
    """

    dataset = "lm1b"

    def __init__(self, datadir: Folder) -> None:
        folder = Path(datadir)
        words, *others = (folder / name for name in (_LM1B_WORDS, "valid.txt", "test.txt"))
        for file in (words, *others):
            _check_is_file(file)
        self.train = sorted(str(path) for path in (folder / _LM1B_TRAIN).glob("news.en-*"))
        if not self.train:
            raise FileNotFoundError(f"{folder / _LM1B_TRAIN} has no files news.en-*: unpack the benchmark there")
        self.vocab: Any = _transfo_xl().TransfoXLTokenizer(vocab_file=words)
        self.vocab.build_vocab()
        self.valid, self.test = (self.vocab.encode_file(file, add_double_eos=True) for file in others)

    def get_iterator(self, split: str, *args: Any, **kwargs: Any) -> LMShuffledIterator:
        """Batches (data, target, length) of "train", whose sentences are shuffled, "valid" or "test".

        Args:
            split: which part.
            args, kwargs: `bsz`, `bptt`, `device`, `ext_len` and `seed`, see `LMShuffledIterator`.

        Raises ValueError for another split.
        """
        if split == "train":
            return LMMultiFileIterator(self.train, self.vocab, *args, **{"shuffle": True, **kwargs})
        if split not in _SPLITS:
            raise ValueError(f"{quoted(split)} is no part of a corpus: {', '.join(_SPLITS)}")
        return LMShuffledIterator(self.valid if split == "valid" else self.test, *args, **kwargs)


def get_lm_corpus(datadir: Folder, dataset: str, cache_dir: Folder | None = None) -> Any:
    """The corpus of the files in a folder, as the experiments of Transformer-XL's authors take it.

    What is made is kept in a folder `cache-<dataset>-<hash>`, of the SHA-256 of the texts and the version of
    tx-transfo-xl, and found again by that alone.

    Args:
        datadir: the folder with `train.txt`, `valid.txt` and `test.txt`, or WikiText's names; see `LM1BCorpus` for
            lm1b, of which nothing is kept: its vocabulary is a file, and it is read while training.
        dataset: "ptb", "wt2", "wt103", "enwik8", "text8" or "lm1b".
        cache_dir: where it is kept; None is `datadir`.

    Returns:
        A `TransfoXLCorpus`, or an `LM1BCorpus`.

    Raises:
        ValueError: there is no such dataset, or a file is no text.
        OSError: a file is missing, or the corpus cannot be kept.
        ImportError: tx-transfo-xl is not installed.
    """
    if dataset == "lm1b":
        return LM1BCorpus(datadir)
    if dataset not in _OPTIONS:
        raise ValueError(f"{quoted(dataset)} is no known dataset: {', '.join((*_OPTIONS, 'lm1b'))}")
    package = _transfo_xl()
    folder = Path(datadir)
    digest = hashlib.sha256(f"{dataset}:{_OPTIONS[dataset]}:{package.__version__}".encode())
    for split in _SPLITS:
        names = (f"{split}.txt", f"wiki.{split}.tokens")
        file = next((folder / name for name in names if (folder / name).is_file()), folder / names[0])
        _check_is_file(file)
        with file.open("rb") as content:
            digest.update(f"{split}:{hashlib.file_digest(content, 'sha256').hexdigest()}:".encode())
    cache = Path(folder if cache_dir is None else cache_dir) / f"cache-{dataset}-{digest.hexdigest()}"
    if (cache / "corpus.json").is_file():
        return package.TransfoXLCorpus.from_pretrained(cache)
    corpus: Any = package.TransfoXLCorpus(**_OPTIONS[dataset])
    corpus.build_corpus(folder, dataset)
    corpus.save_pretrained(cache)
    return corpus


def _transfo_xl() -> Any:
    """The package of Transformer-XL. Raises ImportError that says what to install."""
    from tx_core.architecture import find

    return import_module(find("transfo-xl").package)


def _check_is_file(file: Path) -> None:
    if not file.is_file():
        raise FileNotFoundError(f"{file}: there is no such file; put the corpus's text there")
