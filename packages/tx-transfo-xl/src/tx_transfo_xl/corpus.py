"""Corpora as Transformer-XL is trained and tested on: ids of a text's words, and batches of them.

The files are those of the authors' ``getdata.sh``: ``train.txt``, ``valid.txt`` and ``test.txt`` in a folder, or the
names that WikiText has. White space divides their words, which no tokenizer has to find any more.
"""

from __future__ import annotations

from tx_core.messages import quoted

from .tokenizer import TransfoXLTokenizer
from .vocabulary import open_pickled

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Any, Self

    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.int64]]
    #: (data, target, length of the target): (B, S) each, NumPy's or PyTorch's.
    Batch = tuple[Any, Any, int]

DATASETS = ("ptb", "wt2", "wt103", "enwik8", "text8")
SPLITS = ("train", "valid", "test")
CORPUS_JSON = "corpus.json"
CORPUS_BIN = "corpus.bin"

_WITHOUT_EOS = ("enwik8", "text8")  # characters, of which line ends are some
_MAX_NOTES = 1 << 16  # bytes of corpus.json


def _tensors(array: Any, device: Any) -> Any:
    """A copy of an array: NumPy's without a device, PyTorch's on one."""
    import numpy as np

    copied = np.array(array, np.int64)
    if device is None:
        return copied
    import torch

    return torch.from_numpy(copied).to(device)


class LMOrderedIterator:
    """Batches of a text whose rows each go on where the same row of the batch before ended.

    Args:
        data: ids of the text, (T,).
        bsz: rows B of a batch: the text is cut into as many parts of one length; what is left over is dropped.
        bptt: tokens S of a row.
        device: where PyTorch's tensors are put; None for NumPy's arrays.
        ext_len: so many tokens before those of a row are given again, (B, ext_len + S).

    Each batch is (data, target, S): ``target``, (B, S), are the tokens that follow. The last ones may be shorter.

    Raises ValueError if there are too few tokens for a batch, or ``bsz`` or ``bptt`` is below 1.
    """

    def __init__(self, data: Any, bsz: int, bptt: int, device: Any = None, ext_len: int | None = None) -> None:
        self.bsz, self.bptt, self.ext_len = _checked_sizes(bsz, bptt, ext_len)
        self.device = device
        self.n_step = len(data) // bsz
        if self.n_step < 2:
            raise ValueError(f"{len(data)} tokens are too few for bsz={bsz} rows of at least a token and the next one")
        self.data = data[: self.n_step * bsz].reshape(bsz, self.n_step)
        self.n_batch = (self.n_step + bptt - 1) // bptt

    def get_batch(self, i: int, bptt: int | None = None) -> Batch:
        """The batch that begins at the tokens ``i`` of the rows."""
        seq_len = min(bptt or self.bptt, self.n_step - 1 - i)
        data = self.data[:, max(0, i - self.ext_len) : i + seq_len]
        target = self.data[:, i + 1 : i + 1 + seq_len]
        return _tensors(data, self.device), _tensors(target, self.device), seq_len

    def get_fixlen_iter(self, start: int = 0) -> Iterator[Batch]:
        """Batches of ``bptt`` tokens a row."""
        for i in range(start, self.n_step - 1, self.bptt):
            yield self.get_batch(i)

    def __iter__(self) -> Iterator[Batch]:
        return self.get_fixlen_iter()


def _checked_sizes(bsz: int, bptt: int, ext_len: int | None) -> tuple[int, int, int]:
    if bsz < 1 or bptt < 1 or (ext_len or 0) < 0:
        raise ValueError(f"bsz={bsz} and bptt={bptt} must be 1 or more, and ext_len={ext_len} 0 or more")
    return bsz, bptt, ext_len or 0


class TransfoXLCorpus:
    """A corpus and its vocabulary.

    Args:
        inputs, options: those of ``TransfoXLTokenizer``, which ``vocab`` is.

    Attributes:
        vocab: the tokenizer.
        dataset: one of ``DATASETS``.
        train, valid, test: ids of all words, (T,) in int64; None for those that it lacks.
    """

    def __init__(self, *inputs: Any, **options: Any) -> None:
        self.vocab = TransfoXLTokenizer(*inputs, **options)
        self.dataset: str | None = None
        self.train: Any = None
        self.valid: Any = None
        self.test: Any = None

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        cache_dir: str | os.PathLike[str] | None = None,
        *inputs: Any,
        **kwargs: Any,
    ) -> Self:
        """Loads a corpus from a folder or a name on the hub: what ``save_pretrained`` wrote, or ``corpus.bin``.

        ``corpus.bin``, as published, is a pickle, which is read without running anything.

        Args:
            pretrained_model_name_or_path: the folder or name, which holds the vocabulary too.
            cache_dir: folder of the cache of downloads.
            inputs, kwargs: options of the tokenizer, and of the download.

        Raises:
            OSError: there is no such folder or name, or it has no corpus or no vocabulary.
            ValueError: a file is damaged, or is no corpus of this vocabulary; the message names it.
        """
        from tx_core.files import Source, check_unchanged, locate, locate_each, pinned

        if cache_dir is not None:
            kwargs["cache_dir"] = cache_dir
        name = pretrained_model_name_or_path
        source = Source.take(dict(kwargs))
        corpus = cls.__new__(cls)
        corpus.vocab = TransfoXLTokenizer.from_pretrained(name, *inputs, **kwargs)
        path = locate(name, [CORPUS_JSON, CORPUS_BIN], source)
        if path is None:
            raise FileNotFoundError(
                f"{name} has neither {CORPUS_JSON} nor {CORPUS_BIN}: build_corpus makes a corpus of texts"
            )
        source = pinned(source, path, name)
        if path.name == CORPUS_JSON:
            corpus._load(path, locate_each(name, [*map(_ids_file, SPLITS)], source)[0])
        else:
            corpus._load_pickled(path)
        check_unchanged(source)
        return corpus

    def build_corpus(self, path: str | os.PathLike[str], dataset: str) -> None:
        """Makes the corpus, and its vocabulary, of the files in a folder.

        Raises:
            FileNotFoundError: a file is missing; names it.
            ValueError: the dataset is unknown, or a file is no text.
        """
        from pathlib import Path

        _checked_dataset(dataset)
        folder = Path(path)
        self.dataset = dataset
        files = [_split_file(folder, split) for split in SPLITS]
        if self.vocab.vocab_file is None:
            for file in files[:1] if dataset == "wt103" else files:
                self.vocab.count_sents(self.vocab.file_words(file))
        self.vocab.build_vocab()
        eos = dataset not in _WITHOUT_EOS
        self.train, self.valid, self.test = (self.vocab.encode_file(file, ordered=True, add_eos=eos) for file in files)

    def get_iterator(self, split: str, *args: Any, **kwargs: Any) -> LMOrderedIterator:
        """Batches (data, target, length) of "train", "valid" or "test".

        Args:
            split: which part.
            args, kwargs: ``bsz``, ``bptt``, ``device`` and ``ext_len``, see ``LMOrderedIterator``. With a ``device``,
                batches are PyTorch's tensors on it, and NumPy's arrays without.

        Raises ValueError for another split, for one that the corpus does not have, and for impossible sizes.
        """
        if split not in SPLITS:
            raise ValueError(f"{quoted(split)} is no part of a corpus: {', '.join(SPLITS)}")
        data = getattr(self, split)
        if data is None:
            raise ValueError(f"the corpus has no {split}: build_corpus makes it, and from_pretrained loads it")
        return LMOrderedIterator(data, *args, **kwargs)

    # Files ----------------------------------------------------------------------------------------------------------

    def save_pretrained(self, save_directory: str | os.PathLike[str]) -> None:
        """Writes the vocabulary, the ids (``.npy``) and ``corpus.json`` into a folder, all at once.

        ``from_pretrained`` of it gives an equal corpus, whose ids stay in the files until they are used.
        """
        from pathlib import Path

        import numpy as np

        from tx_core.files import atomic_write, remove, saving
        from tx_tokenizers.tokenizer_files import json_bytes, write_bytes

        arrays = {split: getattr(self, split) for split in SPLITS if getattr(self, split) is not None}
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        with saving(folder):
            self.vocab.save_pretrained(folder)
            for split in SPLITS:
                if split not in arrays:
                    remove(folder / _ids_file(split))
            for split, array in arrays.items():
                with atomic_write(folder / _ids_file(split)) as temporary, temporary.open("wb") as file:
                    np.save(file, np.asarray(array, np.int64), allow_pickle=False)
            write_bytes(folder / CORPUS_JSON, json_bytes({"dataset": self.dataset, "splits": [*arrays]}))

    def _load(self, path: Path, found: Mapping[str, Path]) -> None:
        """Takes what ``save_pretrained`` wrote: the notes, and the files of ids that are there."""
        import numpy as np

        notes = _notes(path)
        self.dataset = notes["dataset"]
        self.train = self.valid = self.test = None
        for split in notes["splits"]:
            file = found.get(_ids_file(split))
            if file is None:
                raise ValueError(
                    f"{path} speaks of {_ids_file(split)}, which is not beside it: copy the whole folder again"
                )
            try:
                array = np.load(file, mmap_mode="r", allow_pickle=False)
            except (ValueError, EOFError, OSError) as error:
                raise ValueError(f"{file}: no array of ids: {error}; copy it again, or build the corpus anew") from None
            setattr(self, split, self._checked_ids(file, _checked_shape(file, array)))

    def _load_pickled(self, path: Path) -> None:
        """Takes a published ``corpus.bin``: tensors of ids, or lists."""
        import numpy as np

        with open_pickled(path) as file:
            values = file.values
            dataset = values.get("dataset")
            if not isinstance(dataset, str | None) or dataset not in (*DATASETS, None):
                raise ValueError(f"{path}: the dataset {quoted(dataset)} is none of {', '.join(DATASETS)}")
            self.dataset = dataset
            names = file.names()
            if not any(split in names or split in values for split in SPLITS):
                raise ValueError(f"{path}: a pickle without {', '.join(SPLITS)}: no corpus of Transformer-XL")
            for split in SPLITS:
                data: Any = file.read(split) if split in names else values.get(split)
                if isinstance(data, list):
                    if not all(type(each) is int and 0 <= each < 1 << 31 for each in data):
                        raise ValueError(f"{path}: {split} is a list of other things than ids")
                    data = np.array(data, np.int64)
                elif data is not None and not isinstance(data, np.ndarray):
                    raise ValueError(f"{path}: {split} is neither a tensor nor a list of ids")
                if data is not None:
                    data = self._checked_ids(path, _checked_shape(path, data))
                setattr(self, split, data)

    def _checked_ids(self, path: Path, ids: Array) -> Array:
        size = len(self.vocab)
        if len(ids) and (ids.min() < 0 or ids.max() >= size):
            raise ValueError(
                f"{path}: has ids of {ids.min()} to {ids.max()}, but the vocabulary beside it has {size} words: they "
                "must be of one corpus"
            )
        return ids


def _ids_file(split: str) -> str:
    return f"corpus-{split}.npy"


def _checked_shape(path: Path, array: Array) -> Array:
    import numpy as np

    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{path}: ids are an array of one axis of whole numbers, not {array.dtype} {array.shape}")
    return array


def _notes(path: Path) -> dict[str, Any]:
    """What ``corpus.json`` says. Raises ValueError if it says anything else than such a file may."""
    from tx_core.json_files import read_json_object

    notes = read_json_object(path, _MAX_NOTES)
    splits = notes.get("splits")
    known = isinstance(splits, list) and all(split in SPLITS for split in splits)
    if notes.get("dataset") not in (*DATASETS, None) or not known:
        raise ValueError(f"{path}: no description of a corpus")
    return notes


def _checked_dataset(dataset: str) -> None:
    if dataset not in DATASETS:
        raise ValueError(f"{quoted(dataset)} is no known dataset: {', '.join(DATASETS)}")


def _split_file(folder: Path, split: str) -> Path:
    names = (f"{split}.txt", f"wiki.{split}.tokens")
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"{folder} has neither {' nor '.join(names)}: put the corpus's {split} text there")
