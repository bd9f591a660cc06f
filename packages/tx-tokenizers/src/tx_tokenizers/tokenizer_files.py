"""Reading and writing a tokenizer's files."""

from __future__ import annotations

from tx_core.json_files import read_json_object
from tx_core.messages import quoted
from tx_core.mistaken import HEAD, text_mistaken_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from pathlib import Path
    from typing import Any

TOKENIZER_JSON = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
SPECIAL_TOKENS_MAP = "special_tokens_map.json"
ADDED_TOKENS = "added_tokens.json"

#: No published tokenizer file comes near this; larger ones are refused unread.
MAX_FILE_BYTES = 256 << 20
#: The largest id that a file may give to a token.
MAX_TOKEN_ID = (1 << 31) - 1
#: At most so many ids below the largest may belong to no token. Published files leave out some thousands.
MAX_UNUSED_IDS = 1 << 20


def read_text(path: Path, what: str) -> str:
    """The UTF-8 text of a file of at most ``MAX_FILE_BYTES``, one entry a line; ValueError naming the file otherwise.

    Line ends are kept as they are in the file. A git-LFS pointer, a web page, JSON, … are refused with their cure.
    """
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise ValueError(f"{path}: {size} bytes are more than a {what} may have ({MAX_FILE_BYTES})")
    content = path.read_bytes()
    if problem := text_mistaken_for(content[:HEAD]):
        raise ValueError(f"{path}: {problem}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: the {what} is not UTF-8 text: {error}") from None
    if _is_json(text):
        raise ValueError(f"{path}: the file is JSON ({quoted(text, 60)}), not a {what} of one entry a line")
    return text


def _is_json(text: str) -> bool:
    """Whether a text is a JSON object or list that holds something: an answer of a server, or another file."""
    import json

    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        return bool(json.loads(text))
    except (ValueError, RecursionError):
        return False


def read_object(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The JSON object in a file of at most ``MAX_FILE_BYTES``; ValueError naming the file if it holds anything else."""
    return read_json_object(path, MAX_FILE_BYTES)


def checked_ids(value: object, path: object) -> dict[str, int]:
    """``value`` as a mapping of token to id, one to one; ValueError naming ``path`` and the entry if it is none."""
    if not isinstance(value, dict):
        raise ValueError(f"{path}: the vocabulary must be an object of token to id, not {type(value).__name__}")
    numbers = value.values()
    if numbers and ({*map(type, numbers)} != {int} or min(numbers) < 0 or max(numbers) > MAX_TOKEN_ID):
        for token, number in value.items():
            if type(number) is not int or not 0 <= number <= MAX_TOKEN_ID:
                raise ValueError(
                    f"{path}: the id of token {quoted(token)}, {quoted(number)}, is not a number of 0..{MAX_TOKEN_ID}"
                )
    if len(set(numbers)) < len(numbers):
        first: dict[int, str] = {}
        for token, number in value.items():
            if first.setdefault(number, token) != token:
                raise ValueError(
                    f"{path}: the tokens {quoted(first[number])} and {quoted(token)} share the id {number}: drop one"
                )
    return value


def checked_vocabulary(value: object, path: object) -> dict[str, int]:
    """The same of a whole vocabulary, whose ids may have gaps of less than ``MAX_UNUSED_IDS`` together.

    The embeddings have a row for each of these, and ``vocab.txt`` a line.
    """
    vocabulary = checked_ids(value, path)
    if vocabulary and max(vocabulary.values()) - len(vocabulary) >= MAX_UNUSED_IDS:
        token = max(vocabulary, key=vocabulary.__getitem__)
        check_gap(token, vocabulary[token], len(vocabulary), path)
    return vocabulary


def check_gap(token: str, index: int, count: int, path: object) -> None:
    """Raises ValueError naming ``path`` if the largest id, of ``token``, is far beyond the number of tokens."""
    if index - count >= MAX_UNUSED_IDS:
        raise ValueError(
            f"{path}: the token {quoted(token)} has the id {index}, but there are {count} tokens: more than "
            f"{MAX_UNUSED_IDS} ids would belong to none. Correct the id, or drop the token"
        )


def read_vocabulary(value: object, path: object) -> dict[str, int]:
    """``checked_vocabulary`` of what a file holds, which is at least one token and no answer of a server."""
    if isinstance(value, dict) and not isinstance(value.get("error", 0), int):
        raise ValueError(f"{path}: the file is an error message, {quoted(value)}, not a vocabulary; download it again")
    vocabulary = checked_vocabulary(value, path)
    if not vocabulary:
        raise ValueError(f"{path}: the vocabulary has no token; fetch or copy the file again")
    return vocabulary


def json_bytes(value: object, compact: bool = False) -> bytes:
    import json

    indent = None if compact else 2
    try:
        return (json.dumps(value, indent=indent, ensure_ascii=False) + "\n").encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can escape and UTF-8 cannot hold
        return (json.dumps(value, indent=indent) + "\n").encode("ascii")


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a whole file at once: readers see the old one or the new one."""
    from tx_core.files import atomic_write

    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
