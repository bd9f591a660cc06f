"""Tokenizing many texts: shared among processes, and kept in a folder for the next time.

What is kept is found by its content alone, never by a name: the key is the SHA-256 of the texts, of all that the
tokenizer would save, of the options and of the versions of the packages. It lies in NumPy's `.npz`, without pickles. A
file that cannot be read is made again.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

from .parallel import in_chunks

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from tx_tokenizers import PreTrainedTokenizer

    Folder = str | os.PathLike[str]
    Rows = list[tuple[list[int], ...]]
    Columns = list[tuple[Any, Any]]
    Work = Callable[[Sequence[Any]], Sequence[tuple[list[int], ...]]]

logger = logging.getLogger(__name__)

# Another number wherever the same texts and options would be kept in another way.
_FORMAT = 1


def tokenized(
    kind: str,
    tokenizer: PreTrainedTokenizer,
    work: Work,
    items: Sequence[Any],
    options: Mapping[str, Any],
    workers: int,
    cache_dir: Folder | None,
    size: int,
) -> Rows:
    """What `work` makes of the items: for each as many lists of int32 as for any other.

    Args:
        kind: what the work is; files' names begin with it.
        tokenizer: the one that it uses.
        work: makes them of a list of items.
        items: what JSON can write: texts, pairs, lists of words.
        options: what else the result depends on.
        workers: processes that share the work.
        cache_dir: where the result is looked for, and kept; None keeps nothing. It is made if it is missing.
        size: items that are worked on at once.
    """
    if not items or (cache_dir is None and workers == 1):
        return [row for rows in in_chunks(work, items, size, workers) for row in rows]
    return _unpacked(tokenized_columns(kind, tokenizer, work, items, options, workers, cache_dir, size))


def tokenized_columns(
    kind: str,
    tokenizer: PreTrainedTokenizer,
    work: Work,
    items: Sequence[Any],
    options: Mapping[str, Any],
    workers: int,
    cache_dir: Folder | None,
    size: int,
) -> Columns:
    """The same of one item or more, as arrays, which take a tenth of the room.

    Returns for each place in the rows the numbers of all lists, one after the other, and how many each list has.
    """
    import numpy as np

    path = key = None
    if cache_dir is not None:
        key = _key(kind, tokenizer, items, options)
        path = Path(cache_dir) / f"{kind}-{key}.npz"
        found = _read(path, key, len(items))
        if found is not None:
            return found
    # Arrays also go from one process to another much faster than lists.
    parts = [*in_chunks(lambda part: _packed(work(part)), items, size, workers)]
    columns: Columns = []
    for pieces in zip(*parts, strict=True):
        values, lengths = zip(*pieces, strict=True)
        columns.append((np.concatenate(values), np.concatenate(lengths)))
    if path is not None and key is not None:
        _write(path, key, columns)
    return columns


def _key(kind: str, tokenizer: PreTrainedTokenizer, items: Sequence[Any], options: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    packages = ("tx-data", "tx-tokenizers", type(tokenizer).__module__.partition(".")[0].replace("_", "-"))
    head = [_FORMAT, kind, dict(options), {name: _version(name) for name in packages}, fingerprint(tokenizer)]
    digest.update(json.dumps(head, sort_keys=True).encode())
    for item in items:
        content = json.dumps(item).encode()
        digest.update(b"%d:" % len(content))
        digest.update(content)
    return digest.hexdigest()


def fingerprint(tokenizer: PreTrainedTokenizer) -> str:
    """The SHA-256 of all that decides what a tokenizer makes of a text: its class, the files that it saves, and the
    settings that can be changed while it is used."""
    import tempfile

    cls = type(tokenizer)
    settings = {
        "class": f"{cls.__module__}.{cls.__qualname__}",
        "size": len(tokenizer),
        "special": tokenizer.all_special_ids,
        "padding_side": tokenizer.padding_side,
        "truncation_side": tokenizer.truncation_side,
        "split_special_tokens": tokenizer.split_special_tokens,
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        for path in sorted(Path(folder).iterdir()):
            content = path.read_bytes()
            digest.update(f"{path.name}:{len(content)}:".encode())
            digest.update(content)
    return digest.hexdigest()


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:  # a tokenizer of a program's own
        return ""


def _read(path: Path, key: str, count: int) -> Columns | None:
    """What is kept in a file; None if there is none that is whole."""
    import zipfile
    import zlib

    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as archive:
            if str(archive["key"]) != key:
                raise ValueError("it was kept under another name")
            columns = []
            for number in range(int(archive["columns"])):
                values, lengths = archive[f"values{number}"], archive[f"lengths{number}"]
                if len(lengths) != count or lengths.min() < 0 or lengths.sum() != len(values):
                    raise ValueError("its parts do not fit")
                columns.append((values, lengths))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        logger.warning("%s cannot be read (%s): it is made again", path, error)
        return None
    return columns


def _write(path: Path, key: str, columns: Columns) -> None:
    import numpy as np

    from tx_core.files import atomic_write

    arrays: dict[str, Any] = {"key": np.array(key), "columns": np.array(len(columns))}
    for number, (values, lengths) in enumerate(columns):
        arrays[f"values{number}"], arrays[f"lengths{number}"] = values, lengths
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def _packed(rows: Sequence[tuple[list[int], ...]]) -> Columns:
    """The (values, lengths of the lists) of each place in the rows, int32 and int64."""
    from itertools import chain

    import numpy as np

    columns = []
    for column in zip(*rows, strict=True):
        lengths = np.array([len(values) for values in column], dtype=np.int64)
        columns.append((np.fromiter(chain.from_iterable(column), np.int32, int(lengths.sum())), lengths))
    return columns


def _unpacked(columns: Columns) -> Rows:
    lists = []
    for values, lengths in columns:
        flat, ends = values.tolist(), lengths.cumsum().tolist()
        lists.append([flat[end - length : end] for end, length in zip(ends, lengths.tolist(), strict=True)])
    return [*zip(*lists, strict=True)]


def encoded_pairs(
    tokenizer: PreTrainedTokenizer,
    pairs: Sequence[tuple[str, str | None]],
    max_length: int,
    workers: int,
    cache_dir: Folder | None,
) -> Rows:
    """The ids and token types of texts and pairs of texts, cut to `max_length`, the longer text first."""

    def work(pairs: Sequence[tuple[str, str | None]]) -> Sequence[tuple[list[int], ...]]:
        found: dict[int, tuple[list[int], ...]] = {}
        for single in (True, False):  # a batch is of texts or of pairs
            places = [place for place, (_, second) in enumerate(pairs) if (second is None) == single]
            if places:
                encoding = tokenizer(
                    [pairs[place][0] for place in places],
                    None if single else [pairs[place][1] for place in places],
                    truncation="longest_first",
                    max_length=max_length,
                    return_token_type_ids=True,
                    return_attention_mask=False,
                )
                rows = zip(encoding["input_ids"], encoding["token_type_ids"], strict=True)
                found.update(zip(places, rows, strict=True))
        return [found[place] for place in range(len(pairs))]

    return tokenized("pairs", tokenizer, work, pairs, {"max_length": max_length}, workers, cache_dir, 1024)
