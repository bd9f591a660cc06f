"""SentencePiece's normalisation: compiled rules of replacement, then spaces.

The rules are a double array (Aoe 1989, https://doi.org/10.1109/32.31365), laid out as Darts-clone does
(https://github.com/s-yata/darts-clone): a unit's upper bits are the offset to its children, the lowest byte is the byte
that leads to it, and a leaf's value is the place of the replacement, which ends at a NUL.
"""

from __future__ import annotations

import sys
from array import array

from .sentencepiece_model import USER_DEFINED
from .trie import TokenAutomaton, TokenTrie

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Span
    from .sentencepiece_model import SentencePieceModel

#: The space of pieces.
SPACE = "\u2581"

_LEAF = 1 << 8
_MANY_CHARACTERS = 1 << 16
#: Published rules have up to some twenty characters.
_LONGEST_RULE = 256


class CharsMap:
    """The longest rule at the positions of a text. Nothing in the array is trusted.

    Args:
        model: where the rules are from.

    Attributes:
        joins_space: whether a rule begins with a space and goes on.
        crosses: whether a rule was met that would go on with a space after the end of a text.
        writes_space: whether a replacement was met that holds U+2581 itself.

    Raises ValueError naming the file where the rules lead out of their array.
    """

    __slots__ = (
        "_model",
        "_root",
        "_several",
        "_single",
        "_strings",
        "_units",
        "crosses",
        "joins_space",
        "writes_space",
    )

    def __init__(self, model: SentencePieceModel) -> None:
        self._model = model
        blob = model.charsmap
        size = int.from_bytes(blob[:4], "little")
        if len(blob) < 8 or size % 4 or not 4 <= size <= len(blob) - 4:
            raise model.problem(f"normalisation rules of {len(blob)} bytes cannot hold an array of {size} bytes")
        self._units = array("I")
        self._units.frombytes(blob[4 : 4 + size])
        if sys.byteorder == "big":
            self._units.byteswap()
        self._strings = blob[4 + size :]
        self._root = self._offset(0, self._units[0])
        # Characters at which no rule of several characters begins -> what becomes of them.
        self._single: dict[str, str] = {}
        # The others -> the node that they lead to, and whether a rule ends there.
        self._several: dict[str, tuple[int, bool]] = {}
        self.crosses = self.writes_space = False
        node, _ = self._step(self._root, b" ")
        self.joins_space = node >= 0 and self._has_children(node)

    def _offset(self, node: int, unit: int) -> int:
        following = node ^ ((unit >> 10) << ((unit & 0x200) >> 6))
        if following >= len(self._units):
            raise self._model.problem(f"damaged normalisation rules: unit {node} leads out of the array")
        return following

    def _step(self, node: int, data: bytes) -> tuple[int, bool]:
        """The node that some bytes lead to, and whether a rule ends there; -1 if there is none."""
        units, unit = self._units, 0
        for byte in data:
            node ^= byte
            if node >= len(units):
                return -1, False
            unit = units[node]
            if unit & 0x800000FF != byte:
                return -1, False
            node = self._offset(node, unit)
        return node, bool(unit & _LEAF)

    def _has_children(self, node: int) -> bool:
        units = self._units
        places = ((node ^ byte, byte) for byte in range(1, 256))
        return any(place < len(units) and units[place] & 0x800000FF == byte for place, byte in places)

    def _replacement(self, node: int) -> str:
        place = self._units[node] & 0x7FFFFFFF
        end = self._strings.find(b"\0", place)
        if end < 0:
            raise self._model.problem(f"damaged normalisation rules: no replacement at {place} of {len(self._strings)}")
        try:
            found = self._strings[place:end].decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._model.problem(f"damaged normalisation rules: a replacement is not UTF-8: {error}") from None
        self.writes_space = self.writes_space or SPACE in found
        return found

    def longest(self, text: str, at: int) -> tuple[str, int]:
        """What becomes of the longest rule's part of a text, and where it ends; of one character without a rule."""
        character = text[at]
        single = self._single.get(character)
        if single is not None:
            return single, at + 1
        known = self._several.get(character)
        if known is None:
            known = self._step(self._root, character.encode())
            if known[0] < 0 or not self._has_children(known[0]):
                found = self._replacement(known[0]) if known[1] else character
                if len(self._single) < _MANY_CHARACTERS:
                    self._single[character] = found
                return found, at + 1
            if len(self._several) < _MANY_CHARACTERS:
                self._several[character] = known
        node, ends = known
        found, stop = character, at + 1
        place = at + 1
        while True:
            if ends:
                found, stop = self._replacement(node), place
            if place == len(text):
                self.crosses = self.crosses or self._step(node, b" ")[0] >= 0
                return found, stop
            node, ends = self._step(node, text[place].encode())
            if node < 0:
                return found, stop
            place += 1
            if place - at > _LONGEST_RULE:
                raise self._model.problem(
                    f"damaged normalisation rules: one goes on for more than {_LONGEST_RULE} characters"
                )


class Normalizer:
    """Normalises texts as a model's pieces were made of.

    Attributes:
        divides: whether a text may be divided at its spaces, and each word normalised by itself, as far as the model's
            settings go. ``crosses`` tells more, once texts were seen.
    """

    __slots__ = ("_escape", "_first", "_map", "_prefix", "_squeeze", "_suffix", "_symbols", "divides")

    def __init__(self, model: SentencePieceModel) -> None:
        self._map = CharsMap(model) if model.charsmap else None
        self._prefix = model.add_dummy_prefix
        self._squeeze = model.remove_extra_whitespaces
        self._escape = model.escape_whitespaces
        self._suffix = model.suffix
        symbols = [piece for piece, kind in zip(model.pieces, model.kinds, strict=True) if kind == USER_DEFINED]
        self._first = frozenset(symbol[0] for symbol in symbols)
        trie = TokenTrie(symbols)
        self._symbols = TokenAutomaton(symbols) if trie.deep else trie
        self.divides = (
            (self._prefix and self._squeeze and self._escape and not self._suffix)
            and not (self._map is not None and self._map.joins_space)
            and not any(character.isspace() for symbol in symbols for character in symbol)
        )

    @property
    def crosses(self) -> bool:
        """Whether a rule was met that may depend on what stands beyond the space after a word."""
        return self._map is not None and (self._map.crosses or self._map.writes_space)

    def _parts(self, text: str) -> list[tuple[str, int]]:
        """What becomes of the parts of a text, and where each ends. Symbols of the model stay as they are."""
        parts: list[tuple[str, int]] = []
        longest = None if self._map is None else self._map.longest
        first, symbols = self._first, self._symbols
        lengths = symbols.lengths(text) if isinstance(symbols, TokenAutomaton) else None
        at = 0
        while at < len(text):
            if text[at] in first:
                if lengths is not None:
                    length = lengths[at]
                else:
                    length = symbols.longest(text, at) if isinstance(symbols, TokenTrie) else 0
                if length:
                    at += length
                    parts.append((text[at - length : at], at))
                    continue
            part, at = (text[at], at + 1) if longest is None else longest(text, at)
            parts.append((part, at))
        return parts

    def normalize(self, text: str, places: list[Span] | None = None) -> str:
        """The text with rules and spaces applied.

        A list of ``places`` is given the span of the text that each character is from. That of the space before the
        text is empty.

        Raises ValueError naming the file where its rules are damaged.
        """
        parts = self._parts(text)
        squeeze = self._squeeze
        done = 0  # parts
        while squeeze and done < len(parts) and parts[done][0] == " ":
            done += 1
        if done == len(parts):
            return ""
        space = SPACE if self._escape else " "
        start = parts[done - 1][1] if done else 0
        made: list[str] = []
        if self._prefix and not self._suffix:
            made.append(space)
            if places is not None:
                places.append((start, start))
        after_space = squeeze
        for part, end in parts[done:]:
            if after_space:
                part = part.lstrip(" ")
            if part:
                made.append(part.replace(" ", space))
                after_space = squeeze and part[-1] == " "
                if places is not None:
                    places += [(start, end)] * len(part)
            start = end
        found = "".join(made)
        if squeeze:
            found = found.rstrip(space)
            if places is not None:
                del places[len(found) :]
        if self._prefix and self._suffix:
            found += space
            if places is not None:
                places.append((start, start))
        return found
