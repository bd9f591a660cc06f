"""Byte-pair encoding over characters: a word is divided into characters, and the pairs of a list are merged by rank.

Sennrich et al. 2016 (https://arxiv.org/abs/1508.07909). ``BPETokenizer`` marks the end of a word with ``</w>``, as
OpenAI GPT and CTRL do; byte-level BPE is in ``byte_bpe``.
"""

from __future__ import annotations

import re
from heapq import heapify, heappop, heappush
from itertools import pairwise

from tx_core.messages import quoted

from .tokenizer_files import (
    TOKENIZER_JSON,
    checked_vocabulary,
    json_bytes,
    read_object,
    read_text,
    read_vocabulary,
    write_bytes,
)
from .words import WordsTokenizer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any, ClassVar

    from .base import Span

    Pair = tuple[str, ...]

_VERSION = re.compile(r"#version[^\n]*\n?")
# Lines up to the first one that is neither empty nor two symbols parted by a space.
_MERGES = re.compile(r"(?:[^ \n]+ [^ \n]+(?:\n|\Z)|\n)*+")
_COUNTED = r"(?m)^([^ \n]+ [^ \n]+) [0-9]+$"

#: Up to this many symbols, looking through the whole word for the next pair is quicker than keeping a queue.
_SHORT = 64


def read_merges(path: str | os.PathLike[str], counted: bool = False) -> list[Pair]:
    """The pairs of a merges file, one a line in the order of their rank, after a first line ``#version``.

    With ``counted``, how often a pair occurs may follow it, as fastBPE writes it.
    White space of any kind parts symbols, as published. Some symbols of CTRL hold white space themselves: their 134
    lines read as fewer or other symbols. Such a line still counts as a rank.

    Raises ValueError naming the file and the line if a line is not two symbols parted by a space.
    """
    from pathlib import Path

    text = read_text(Path(path), "list of merges").replace("\r\n", "\n")
    version = _VERSION.match(text)
    start = version.end() if version else 0
    if counted:
        text = re.sub(_COUNTED, r"\1", text)
    good = _MERGES.match(text, start)
    end = good.end() if good else start
    if end < len(text):
        number, line = text.count("\n", 0, end) + 1, text[end:].partition("\n")[0]
        raise ValueError(f"{path}: line {number} is not a pair of symbols: {quoted(line)}")
    text = text[start:]
    symbols = text.split()
    if sum(map(len, symbols)) + text.count(" ") + text.count("\n") == len(text):
        # There is no other white space: symbols come in pairs, which is quicker than going through the lines.
        return list(zip(symbols[::2], symbols[1::2], strict=True))
    return [tuple(line.split()) for line in text.split("\n") if line]


def checked_merges(value: object, path: object) -> list[Pair]:
    """The merges of a ``tokenizer.json``: texts of two symbols, or lists of two."""
    if not isinstance(value, list):
        raise ValueError(f"{path}: merges must be a list, not {type(value).__name__}")
    merges: list[Pair] = []
    for entry in value:
        pair = entry.split(" ") if isinstance(entry, str) else entry
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
            raise ValueError(f"{path}: merge {quoted(entry)} is not a pair of symbols")
        merges.append((pair[0], pair[1]))
    return merges


def merge(symbols: list[str], ranks: Mapping[Pair, int]) -> list[str]:
    """Merges neighbouring symbols, in place: again and again all pairs of the lowest rank, from left to right.

    Time is O(n log n) in the number of symbols.
    """
    if len(symbols) > _SHORT:
        return _merge_long(symbols, ranks)
    get = ranks.get
    never = 1 << 60
    order = [get(pair, never) for pair in pairwise(symbols)]
    while order:
        best = min(order)
        if best == never:
            break
        at = order.index(best)
        while True:
            symbols[at] += symbols.pop(at + 1)
            del order[at]
            if at:
                order[at - 1] = get((symbols[at - 1], symbols[at]), never)
            if at < len(order):
                order[at] = get((symbols[at], symbols[at + 1]), never)
            # A pair of the same rank further on; what was just made waits for its own turn.
            if best not in order[at + 1 :]:
                break
            at = order.index(best, at + 1)
    return symbols


def _merge_long(symbols: list[str], ranks: Mapping[Pair, int]) -> list[str]:
    """The same with a queue of the places of each rank, and the symbols in a linked list."""
    count = len(symbols)
    after = list(range(1, count + 1))
    before = list(range(-1, count - 1))
    alive = [True] * count
    places: dict[int, list[int]] = {}
    for at in range(count - 1):
        rank = ranks.get((symbols[at], symbols[at + 1]))
        if rank is not None:
            places.setdefault(rank, []).append(at)
    queue = list(places)
    heapify(queue)
    while queue:
        best = heappop(queue)
        for at in sorted(places.pop(best)):
            following = after[at]
            # The place may have been merged away, or changed, since it was noted.
            if not alive[at] or following >= count or ranks.get((symbols[at], symbols[following])) != best:
                continue
            symbols[at] += symbols[following]
            alive[following] = False
            after[at] = after[following]
            if after[at] < count:
                before[after[at]] = at
            for left, right in ((before[at], at), (at, after[at])):
                if left >= 0 and right < count:
                    rank = ranks.get((symbols[left], symbols[right]))
                    if rank is not None:
                        if rank not in places:
                            places[rank] = []
                            heappush(queue, rank)
                        places[rank].append(left)
    symbols[:] = [symbol for symbol, lives in zip(symbols, alive, strict=True) if lives]
    return symbols


class MergesTokenizer(WordsTokenizer):
    """A tokenizer whose files are ``vocab.json`` (token to id) and ``merges.txt``.

    Args:
        vocab_file: a JSON object of token to id. ``vocab`` gives the mapping itself instead.
        merges_file: one pair of symbols a line. ``merges`` gives the pairs themselves instead.
        options: see ``PreTrainedTokenizer``.

    Raises ValueError if the vocabulary or the merges are missing, given twice, or malformed.
    """

    vocab_files_names: ClassVar[Mapping[str, str]] = {"vocab_file": "vocab.json", "merges_file": "merges.txt"}

    def __init__(
        self,
        vocab_file: str | os.PathLike[str] | None = None,
        merges_file: str | os.PathLike[str] | None = None,
        *,
        vocab: Mapping[str, int] | None = None,
        merges: Sequence[Pair] | None = None,
        **options: Any,
    ) -> None:
        if (vocab_file is None) == (vocab is None) or (merges_file is None) == (merges is None):
            raise ValueError(f"{type(self).__name__} needs vocab_file and merges_file, or vocab and merges")
        if vocab_file is not None:
            self._set_vocabulary(read_vocabulary(read_object(vocab_file), vocab_file))
        else:
            self._set_vocabulary(checked_vocabulary(dict(vocab or {}), "vocab"))
        pairs = read_merges(merges_file) if merges_file is not None else checked_merges(list(merges or ()), "merges")
        self.bpe_ranks: dict[Pair, int] = {pair: rank for rank, pair in enumerate(pairs) if len(pair) == 2}
        super().__init__(**options)

    @classmethod
    def _arguments_from_tokenizer_json(cls, data: Mapping[str, Any], path: Path) -> dict[str, Any]:
        model = data.get("model")
        if not isinstance(model, dict) or model.get("type", "BPE") != "BPE":
            raise ValueError(f"{path}: {cls.__name__} needs a model of type BPE")
        arguments: dict[str, Any] = {
            "vocab": read_vocabulary(model.get("vocab"), path),
            "merges": checked_merges(model.get("merges"), path),
        }
        if model.get("unk_token") is not None:
            arguments["unk_token"] = model["unk_token"]
        return arguments

    @property
    def encoder(self) -> dict[str, int]:
        """Token -> id, added tokens aside."""
        return self._ids

    @property
    def decoder(self) -> dict[int, str]:
        """Id -> token, added tokens aside."""
        return self._tokens

    def save_vocabulary(self, save_directory: str | os.PathLike[str]) -> tuple[str, ...]:
        """Writes ``vocab.json`` and ``merges.txt`` into a folder; returns their paths.

        Raises ValueError for a merge whose symbols hold white space, since white space parts symbols in the file.
        """
        from pathlib import Path

        vocab_path, merges_path = (Path(save_directory) / name for name in self.vocab_files_names.values())
        pairs = sorted(self.bpe_ranks, key=self.bpe_ranks.__getitem__)
        for pair in pairs:
            if tuple(" ".join(pair).split()) != pair:
                raise ValueError(
                    f"{merges_path}: the merge {quoted(pair)} cannot be a line, since white space parts the symbols "
                    f"there; keep the {TOKENIZER_JSON} that it is from"
                )
        write_bytes(vocab_path, json_bytes(self.encoder, compact=True))
        write_bytes(merges_path, ("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in pairs)).encode("utf-8"))
        return str(vocab_path), str(merges_path)


class BPETokenizer(MergesTokenizer):
    """Words are divided into characters, the last of which carries ``</w>``.

    A subclass may give the words (``_words``), how a word is cut before its characters are merged (``_parts`` and
    ``_parts_with_origins``), and how pieces are spelt (``_spell``).
    """

    # What a subclass may give ---------------------------------------------------------------------------------------

    def _parts(self, word: str) -> list[str]:
        """What a word is cut into before its characters are merged."""
        return [word]

    def _parts_with_origins(self, word: str) -> list[tuple[str, Sequence[int]]]:
        """The same parts, each with the index in the word that each of its characters is from."""
        return [(word, range(len(word)))]

    def _spell(self, pieces: list[str]) -> list[str]:
        """Tokens as the vocabulary has them, of the merged pieces of a word."""
        return pieces

    # Tokenization ---------------------------------------------------------------------------------------------------

    def bpe(self, word: str) -> list[str]:
        """The merged pieces of a word, the last of which ends in ``</w>``."""
        return merge([*word[:-1], word[-1] + "</w>"], self.bpe_ranks)

    def _word_tokens(self, word: str) -> list[str]:
        return [token for part in self._parts(word) for token in self._spell(self.bpe(part))]

    def _part_sizes(self, word: str) -> list[int]:
        return [len(self._spell(self.bpe(part))) for part in self._parts(word)]

    def _word_spans(self, word: str) -> tuple[list[str], list[Span]]:
        tokens: list[str] = []
        spans: list[Span] = []
        for part, origins in self._parts_with_origins(word):
            pieces = self.bpe(part)
            tokens += self._spell(pieces)
            start = 0
            for number, piece in enumerate(pieces, 1):
                end = start + len(piece) if number < len(pieces) else len(part)
                spans.append((min(origins[start:end]), max(origins[start:end]) + 1))
                start = end
        return tokens, spans
