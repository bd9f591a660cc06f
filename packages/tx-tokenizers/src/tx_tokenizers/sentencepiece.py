"""SentencePiece: a text, spaces included, is a sequence of pieces; the most probable one, or one made by merging.

Unigram models: Kudo 2018, https://arxiv.org/abs/1804.10959; the program: https://github.com/google/sentencepiece.

Ids are the program's, to the last tie: it adds up scores in single precision from the beginning of a text, so that
which of two nearly equal ways a word is cut may depend on what stands before it. Here words are remembered all the
same, each with how much may stand before it (``Cut.slack``).
"""

from __future__ import annotations

from array import array
from collections import namedtuple
from heapq import heapify, heappop, heappush
from math import inf

from .memo import WordMemo
from .sentencepiece_model import (
    BPE,
    NORMAL,
    UNUSED,
    USER_DEFINED,
    SentencePieceModel,
    byte_piece,
    read_model,
)
from .sentencepiece_normalizer import SPACE, Normalizer
from .tokenizer_files import write_bytes
from .traced import TracedText
from .trie import TokenAutomaton
from .words import WordsTokenizer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from typing import Any, ClassVar

    from .base import Span

    #: A piece, and the characters of the normalised text that it is of.
    Piece = tuple[str, int, int]

#: How a normalised text is cut. ``ends``: where each part ends; ``unknown``: whether it is no piece; ``scores``: of the
#: parts; ``slack``: the text is cut so wherever the scores of what stands before it add up to no more than this.
Cut = namedtuple("Cut", ["text", "ends", "unknown", "scores", "slack"])

#: What an unknown character costs more than the least probable piece.
_UNKNOWN_PENALTY = 10.0


def _single(value: float) -> float:
    """The value in single precision."""
    return array("f", [value])[0]


class _Prefixes(dict[str, "dict[str, float | None]"]):
    """First two characters -> the beginnings of pieces -> the score of the piece, or None if it goes on.

    A group is made when it is needed first.
    """

    __slots__ = ("_pieces",)

    def __init__(self, scores: Mapping[str, float]) -> None:
        super().__init__()
        self._pieces: dict[str, list[tuple[str, float]]] = {}
        for piece, score in scores.items():
            if len(piece) > 1:
                self._pieces.setdefault(piece[:2], []).append((piece, score))

    def __missing__(self, first: str) -> dict[str, float | None]:
        found: dict[str, float | None] = {}
        pieces = self._pieces.get(first)
        if pieces is not None:
            for piece, score in pieces:
                for end in range(2, len(piece)):
                    found.setdefault(piece[:end], None)
                found[piece] = score
            self[first] = found
        return found


class SentencePiece:
    """Cuts texts into the pieces of a model.

    Args:
        model: what its file holds.

    Attributes:
        ids: of each piece.
        divides: whether each word of a text may be cut by itself.
    """

    def __init__(self, model: SentencePieceModel) -> None:
        self.model = model
        self._prepare()

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SentencePiece:
        """The model of a file. Raises ValueError naming it if it holds none."""
        return cls(read_model(path))

    @classmethod
    def of_bytes(cls, content: bytes, name: str) -> SentencePiece:
        """The model of a file's content, which messages call ``name``."""
        return cls(SentencePieceModel(content, name))

    def __getstate__(self) -> tuple[bytes, str]:
        return self.model.content, self.model.name

    def __setstate__(self, state: tuple[bytes, str]) -> None:
        self.model = SentencePieceModel(*state)
        self._prepare()

    def _prepare(self) -> None:
        model = self.model
        self.ids = {piece: index for index, piece in enumerate(model.pieces)}
        self._normalizer = Normalizer(model)
        normal = [score for score, kind in zip(model.scores, model.kinds, strict=True) if kind == NORMAL]
        self._unknown = _single(min(normal, default=0.0) - _UNKNOWN_PENALTY)
        self._scores: dict[str, float] = {}  # of the pieces that a text may be cut into
        self._unused: set[str] = set()
        symbols: list[str] = []
        for piece, score, kind in zip(model.pieces, model.scores, model.kinds, strict=True):
            if kind == USER_DEFINED:
                symbols.append(piece)
                # As in the program's unigram models: nothing, so that no pieces of its text together are more probable.
                self._scores[piece] = score if model.model_type == BPE else 0.0
            elif kind == NORMAL or (kind == UNUSED and model.model_type == BPE):
                self._scores[piece] = score
                if kind == UNUSED:
                    self._unused.add(piece)
        self._automaton = TokenAutomaton(symbols) if symbols and model.model_type == BPE else None
        self._prefixes = _Prefixes(self._scores)
        self._divides = (
            self._normalizer.divides and SPACE in self._scores and not any(SPACE in piece[1:] for piece in self._scores)
        )

    @property
    def divides(self) -> bool:
        return self._divides and not self._normalizer.crosses

    def normalize(self, text: str, places: list[Span] | None = None) -> str:
        """``Normalizer.normalize``: what is cut."""
        return self._normalizer.normalize(text, places)

    def tokenize(self, text: str) -> list[str]:
        """The pieces of a text."""
        return [piece for piece, _, _ in self.pieces(self.cut(self.normalize(text)))]

    def pieces(self, cut: Cut) -> list[Piece]:
        """The pieces of a cut text. Unknown characters are one piece together, or the pieces of their bytes."""
        text = cut.text
        byte_fallback = self.model.byte_fallback
        found: list[Piece] = []
        start = first = 0  # first: where the piece begins that goes on while characters are unknown
        parts = len(cut.ends)
        for number, (end, unknown) in enumerate(zip(cut.ends, cut.unknown, strict=True), 1):
            if unknown and byte_fallback:
                found += [(byte_piece(byte), start, end) for byte in text[start:end].encode()]
            elif not unknown or number == parts or not cut.unknown[number]:
                found.append((text[first:end], first, end))
            else:  # the next one is unknown too, and is of the same piece
                start = end
                continue
            start = first = end
        return found

    def cut(self, text: str, before: float = 0.0) -> Cut:
        """Cuts a normalised text. ``before`` is the sum of the scores before it, in single precision."""
        return self._merged(text) if self.model.model_type == BPE else self._most_probable(text, before)

    # Unigram models ---------------------------------------------------------------------------------------------

    def _most_probable(self, text: str, before: float) -> Cut:
        """The path of the largest sum (Viterbi), found from left to right. Of equal ones, the one found first."""
        size = len(text)
        best = array("f", bytes(4 * (size + 1)))  # single precision, as in the program
        best[0] = before
        cell = array("f", [0.0])
        second = [-inf] * (size + 1)  # what the next best way to get there has
        starts = [-1] * (size + 1)
        known = [True] * (size + 1)
        single, prefixes = self._scores.get, self._prefixes
        for start, character in enumerate(text):
            here = best[start]
            end = start + 1
            score = single(character)
            is_piece = score is not None
            cell[0] = (self._unknown if score is None else score) + here
            candidate = cell[0]
            if starts[end] < 0 or candidate > best[end]:
                if starts[end] >= 0:
                    second[end] = best[end]
                best[end], starts[end], known[end] = candidate, start, is_piece
            elif candidate > second[end]:
                second[end] = candidate
            group = prefixes[text[start : start + 2]]
            end += 1
            part = text[start:end]
            while part in group:
                score = group[part]
                if score is not None:
                    cell[0] = score + here
                    candidate = cell[0]
                    if starts[end] < 0 or candidate > best[end]:
                        if starts[end] >= 0:
                            second[end] = best[end]
                        best[end], starts[end], known[end] = candidate, start, True
                    elif candidate > second[end]:
                        second[end] = candidate
                end += 1
                if end > size:
                    break
                part = text[start:end]
        ends: list[int] = []
        unknown: list[bool] = []
        scores: list[float] = []
        margin, end = inf, size
        while end > 0:
            start = starts[end]
            ends.append(end)
            unknown.append(not known[end])
            part = text[start:end]
            scores.append(self._scores[part] if known[end] else self._unknown)
            margin = min(margin, best[end] - second[end])
            end = start
        # Each sum is rounded by at most 2^-24 of itself, a part being added at a time, and two are compared.
        limit = size * -min(self._unknown, 0.0)
        slack = margin * (1 << 23) / max(size, 1) - 2 * limit
        return Cut(text, tuple(ends[::-1]), tuple(unknown[::-1]), tuple(scores[::-1]), slack)

    # BPE models -------------------------------------------------------------------------------------------------

    def _symbols(self, text: str) -> tuple[list[str], list[bool]]:
        """What merging begins with: characters, and symbols of the model, which merge with nothing."""
        if self._automaton is None:
            return list(text), [False] * len(text)
        lengths = self._automaton.lengths(text)
        symbols: list[str] = []
        frozen: list[bool] = []
        at = 0
        while at < len(text):
            symbols.append(text[at : at + (lengths[at] or 1)])
            frozen.append(lengths[at] > 0)
            at += lengths[at] or 1
        return symbols, frozen

    def _merged(self, text: str) -> Cut:
        """Merges the neighbours whose piece has the largest score, of equal ones the leftmost, again and again."""
        symbols, frozen = self._symbols(text)
        count = len(symbols)
        after = list(range(1, count + 1))
        before = list(range(-1, count - 1))
        scores = self._scores
        halves: dict[str, tuple[str, str]] = {}  # of pieces that are only steps to others

        def pair(left: int, right: int) -> tuple[float, int, int, str] | None:
            if left < 0 or right >= count or frozen[left] or frozen[right]:
                return None
            piece = symbols[left] + symbols[right]
            score = scores.get(piece)
            if score is None:
                return None
            if piece in self._unused:
                halves[piece] = (symbols[left], symbols[right])
            return -score, left, right, piece

        queue = [found for at in range(count - 1) if (found := pair(at, at + 1)) is not None]
        heapify(queue)
        while queue:
            _, left, right, piece = heappop(queue)
            # One of them may have been merged with another neighbour since.
            if not symbols[left] or not symbols[right] or len(symbols[left]) + len(symbols[right]) != len(piece):
                continue
            symbols[left] = piece
            symbols[right] = ""
            after[left] = after[right]
            if after[left] < count:
                before[after[left]] = left
            for found in (pair(before[left], left), pair(left, after[left])):
                if found is not None:
                    heappush(queue, found)
        ends: list[int] = []
        unknown: list[bool] = []
        stack = [symbol for symbol in reversed(symbols) if symbol]
        place = 0
        while stack:
            symbol = stack.pop()
            if symbol in self._unused and symbol in halves:
                stack += reversed(halves[symbol])
                continue
            place += len(symbol)
            ends.append(place)
            unknown.append(symbol not in scores)
        return Cut(text, tuple(ends), tuple(unknown), (), inf)


class SentencePieceTokenizer(WordsTokenizer):
    """A tokenizer whose file is SentencePiece's ``spiece.model``. No library is needed to read it.

    A subclass may change texts before (``preprocess_text`` and ``_trace``) and pieces after (``_pieces``).

    Args:
        vocab_file: the path of the file.
        options: see ``PreTrainedTokenizer``.

    Raises ValueError naming the file if it is no model of SentencePiece, or is damaged.
    """

    vocab_files_names: ClassVar[Mapping[str, str]] = {"vocab_file": "spiece.model"}
    _remembered: ClassVar[tuple[str, ...]] = (*WordsTokenizer._remembered, "_placed_memo", "_cut_memo")

    def __init__(
        self,
        vocab_file: str | os.PathLike[str],
        *,
        settings: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.sp_model = SentencePiece.load(vocab_file)
        self._set_vocabulary(self.sp_model.ids)
        super().__init__(settings=settings, **options)

    def _forget(self) -> None:
        super()._forget()
        self._placed_memo = WordMemo(self._placeable_ids)
        self._cut_memo = WordMemo(self._cut)

    def save_vocabulary(self, save_directory: str | os.PathLike[str]) -> tuple[str, ...]:
        """Writes ``spiece.model``, byte for byte as it was read, into a folder; returns its path."""
        from pathlib import Path

        path = Path(save_directory) / self.vocab_files_names["vocab_file"]
        write_bytes(path, self.sp_model.model.content)
        return (str(path),)

    # What a subclass may give -----------------------------------------------------------------------------------

    def preprocess_text(self, inputs: str) -> str:
        """What is normalised and cut in the place of a text."""
        return inputs

    def _trace(self, traced: TracedText) -> None:
        """The same of a text that knows its places."""

    def _pieces(self, cut: Cut) -> list[Piece]:
        """The tokens of a cut text."""
        return self.sp_model.pieces(cut)

    def _split(self, text: str) -> list[str]:
        """The words of a text, without the spaces between them. They are cut one by one."""
        return [word for word in text.split(" ") if word]

    # Tokenization -----------------------------------------------------------------------------------------------

    def _unspecial(self, tokens: list[str]) -> list[str]:
        model = self.sp_model.model
        special = {*self.all_special_tokens} - {self.unk_token}
        given = {
            token for token in special if model.kinds[self._ids.get(token, model.unk_id)] in (NORMAL, USER_DEFINED)
        }
        return [str(self.unk_token) if token in given else token for token in tokens]

    def _unspecial_ids(self, ids: list[int]) -> list[int]:
        tokens = [*map(self._known_token, ids)]
        changed = self._unspecial(tokens)
        return ids if changed == tokens else [*map(self._known_id, changed)]

    def _words(self, text: str) -> list[str]:
        """The parts of a text that are cut one by one: its words, or the text where words depend on others."""
        if not text:
            return []
        return self._split(text) if self.sp_model.divides and SPACE not in text else [text]

    def _cut(self, word: str) -> Cut:
        sp_model = self.sp_model
        return sp_model.cut(sp_model.normalize(self.preprocess_text(word)))

    def _word_tokens(self, word: str) -> list[str]:
        return [token for token, _, _ in self._pieces(self._cut_memo[word])]

    def _word_spans(self, word: str) -> tuple[list[str], list[Span]]:
        return self._cut_spans(word, self._cut_memo[word])

    def _placeable_ids(self, word: str) -> tuple[tuple[int, ...], float, float]:
        """The ids of a word, what it adds to the sum of the scores, and how much of it may stand before the word."""
        cut = self._cut_memo[word]
        ids = tuple([self._known_id(token) for token, _, _ in self._pieces(cut)])
        return ids, sum(map(abs, cut.scores)), cut.slack

    def _settled(self, words: Sequence[str]) -> list[Cut] | None:
        """How words are cut after one another, or None: as each is cut by itself."""
        before = 0.0
        memo = self._placed_memo
        for word in words:
            _, cost, slack = memo[word]
            if before > slack:
                return self._settle(words)
            before += cost
        return None

    def _settle(self, words: Sequence[str]) -> list[Cut]:
        before = array("f", [0.0])
        cuts: list[Cut] = []
        for word in words:
            cut = self._cut_memo[word]
            if -before[0] > cut.slack:
                cut = self.sp_model.cut(cut.text, before[0])
            for score in cut.scores:
                before[0] += score
            cuts.append(cut)
        return cuts

    def _divided(self, text: str) -> list[str]:
        """The words of a text. What its words tell of the rules counts already."""
        words = self._words(text)
        if len(words) > 1:
            for word in words:
                self._placed_memo[word]
            if not self.sp_model.divides:
                return [text]
        return words

    def _tokenize(self, text: str) -> list[str]:
        words = self._divided(text)
        cuts = self._settled(words)
        if cuts is None:
            return [token for word in words for token in self._token_memo[word]]
        return [token for cut in cuts for token, _, _ in self._pieces(cut)]

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = []
        before = 0.0
        memo = self._placed_memo
        words = self._words(text)
        for word in words:
            found, cost, slack = memo[word]
            if before > slack:
                return self._encode_settled(words)
            ids += found
            before += cost
        if len(words) > 1 and not self.sp_model.divides:  # as was found out just now
            return self._encode(text)
        return ids

    def _encode_settled(self, words: list[str]) -> list[int]:
        return [self._known_id(token) for cut in self._settle(words) for token, _, _ in self._pieces(cut)]

    def _encode_with_offsets(self, text: str) -> tuple[list[int], list[Span]]:
        ids, spans, _ = self._encode_with_words(text)
        return ids, spans

    def _encode_with_words(self, text: str) -> tuple[list[int], list[Span], list[int]]:
        ids: list[int] = []
        spans: list[Span] = []
        numbers: list[int] = []
        words = self._divided(text)
        cuts = self._settled(words)
        end = 0
        for number, word in enumerate(words):
            start = text.index(word, end)
            end = start + len(word)
            if cuts is None:
                more, found = self._span_memo[word]
            else:
                tokens, found = self._cut_spans(word, cuts[number])
                more = [self._known_id(token) for token in tokens]
            ids += more
            spans += [(start + first, start + last) for first, last in found]
            numbers += [number] * len(more)
        if words == [text]:
            from .alignment import numbered_by_space

            last = len(text) - 1
            numbers = numbered_by_space(text, [(min(first, last), stop) for first, stop in spans])
        return ids, spans, numbers

    def _cut_spans(self, word: str, cut: Cut) -> tuple[list[str], list[Span]]:
        """The tokens of a word that is cut so, and the characters of the word behind each."""
        traced = TracedText(word)
        self._trace(traced)
        inner: list[Span] = []
        text = self.sp_model.normalize(traced.text, inner)
        outer = [*traced.places, (len(word), len(word))]
        places = [(outer[start][0], outer[max(end - 1, start)][start < end]) for start, end in inner]
        tokens: list[str] = []
        spans: list[Span] = []
        for token, start, end in self._pieces(cut):
            tokens.append(token)
            first = start
            while first < end and text[first] == SPACE:
                first += 1
            if first < end:
                spans.append((min(s for s, _ in places[first:end]), max(e for _, e in places[first:end])))
            else:  # the space before a word is not of the word
                place = places[end if end < len(places) else start][0]
                spans.append((place, place))
        return tokens, spans
