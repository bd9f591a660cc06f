"""Transformer-XL's vocabularies: lists of words as text or JSON, and the pickles in which they were published.

A pickle is read without running anything: words and numbers are taken from it, and what is neither is left.
"""

from __future__ import annotations

import re

from tx_core.messages import quoted
from tx_tokenizers.tokenizer_files import json_bytes, read_object, read_text, read_vocabulary, write_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from typing import Any

    from tx_core.checkpoints.pickled_values import PickledValues

TEXT_NAME = "vocab.txt"
JSON_NAME = "vocab.json"
#: Where words are looked for, in this order. What is saved here comes first.
NAMES = (TEXT_NAME, JSON_NAME, "vocab.pkl", "vocab.bin")

_LINE_END = re.compile("\r\n|\r|\n")
# What the reference pickled with a vocabulary: all that its tokenizer held, of these packages' classes.
_PACKAGES = frozenset(
    {"re", "sacremoses", "tokenizers", "transformers", "pytorch_transformers", "pytorch_pretrained_bert"}
)
_CURE = (
    "save its words as text, one a line: open('vocab.txt', 'w', encoding='utf-8').write('\\n'.join(tokenizer.idx2sym))"
)


class Vocabulary(dict[str, int]):
    """The id of each word, from 0 on and in this order.

    Attributes:
        unk_idx: the id that unknown words have, if the file says so.
        options: options of the tokenizer that the file holds too.
    """

    def __init__(self, words: Iterable[str] = (), unk_idx: int | None = None) -> None:
        super().__init__()
        for word in words:
            self.setdefault(word, len(self))
        self.unk_idx = unk_idx
        self.options: dict[str, Any] = {}


def from_ids(ids: dict[str, int], path: object) -> Vocabulary:
    """A vocabulary of ids that are given. Raises ValueError, naming ``path``, unless each of 0, 1, 2, … has a word."""
    words = sorted(ids, key=ids.__getitem__)
    for index, word in enumerate(words):
        if ids[word] != index:
            raise ValueError(
                f"{path}: no word has the id {index}, but {quoted(word)} has {ids[word]}: ids must be 0 to "
                f"{len(words) - 1}"
            )
    return Vocabulary(words)


def read_words(path: str | os.PathLike[str]) -> Vocabulary:
    """The vocabulary that a file holds: text, JSON (by its name), or a pickle (by its first bytes).

    Of a text, the first word of each line counts, and what is there twice counts once; a count may follow it. JSON is
    an object of word to id.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is damaged, or no vocabulary; the message names it and what helps.
    """
    from pathlib import Path

    path = Path(path)
    with path.open("rb") as file:
        head = file.read(4)
    if head[:1] == b"\x80" or head == b"PK\x03\x04":
        return _pickled(path)
    if path.suffix == ".json":
        return from_ids(read_vocabulary(read_object(path), path), path)
    return _text(path)


def _text(path: Path) -> Vocabulary:
    lines = _LINE_END.split(read_text(path, "vocabulary"))
    while lines and not lines[-1].strip():
        lines.pop()
    words = [line.split(None, 1)[0] for line in lines if line.strip()]
    if len(words) < len(lines):
        number = next(number for number, line in enumerate(lines, 1) if not line.strip())
        raise ValueError(f"{path}: line {number} has no word: remove the line")
    if not words:
        raise ValueError(f"{path}: the vocabulary has no word; fetch or copy the file again")
    found = Vocabulary(words)
    found.unk_idx = found.get("<UNK>", found.get("<unk>"))
    return found


def open_pickled(path: Path) -> PickledValues:
    """A pickle of a tokenizer or corpus, opened without running it. Raises CheckpointError (a ValueError)."""
    from tx_core.checkpoints.pickled_values import PickledValues

    return PickledValues(path, _PACKAGES, _CURE)


def _pickled(path: Path) -> Vocabulary:
    """What ``torch.save`` (2019) or ``pickle`` (later) made of a tokenizer's attributes."""
    with open_pickled(path) as file:
        values = file.values
    words, ids = values.get("idx2sym"), values.get("sym2idx")
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise ValueError(f"{path}: a pickle without idx2sym, a list of words: no vocabulary of Transformer-XL")
    found = Vocabulary(words)
    if len(found) < len(words):
        index, word = next((index, word) for index, word in enumerate(words) if found[word] != index)
        raise ValueError(f"{path}: idx2sym has the word {quoted(word)} twice, as {found[word]} and {index}")
    if ids is not None and ids != found:
        raise ValueError(f"{path}: sym2idx and idx2sym do not agree; the file is damaged: fetch it again")
    unknown = values.get("unk_idx")
    if type(unknown) is int and 0 <= unknown < len(found):
        found.unk_idx = unknown
    found.options = {name: values[name] for name, fits in _OPTIONS.items() if name in values and fits(values[name])}
    return found


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


_OPTIONS: dict[str, Callable[[Any], bool]] = {
    "special": lambda value: isinstance(value, list) and all(isinstance(word, str) for word in value),
    "min_freq": _is_count,
    "max_size": lambda value: value is None or _is_count(value),
    "lower_case": lambda value: isinstance(value, bool),
    "delimiter": lambda value: value is None or isinstance(value, str),
}


def write_words(folder: Path, words: list[str]) -> Path:
    """Writes a vocabulary into a folder, as text, or as JSON if a word is white space or holds any; returns its path.

    One of the other form is removed. The words are replaced at once.
    """
    from tx_core.files import remove, saving

    plain = all(word.split() == [word] for word in words) and not (words and words[0].startswith("\ufeff"))
    try:
        content = "".join(f"{word}\n" for word in words).encode("utf-8") if plain and words else None
    except UnicodeEncodeError:  # half of a surrogate pair
        content = None
    path, other = folder / TEXT_NAME, folder / JSON_NAME
    if content is None or content.lstrip()[:1] in (b"{", b"["):
        path, other = other, path
        content = json_bytes({word: index for index, word in enumerate(words)})
    with saving(folder):
        write_bytes(path, content)
        remove(other)
    return path
