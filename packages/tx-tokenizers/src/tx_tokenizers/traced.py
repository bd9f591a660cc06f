"""A text that changes step by step and remembers which characters of the original each of its characters is from."""

from __future__ import annotations

import re
import unicodedata

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .base import Span

    #: A word, and the span of the original that each of its characters is from.
    PlacedWord = tuple[str, list[Span]]

_GROUP = re.compile(r"\\g<(\d+)>")


class TracedText:
    """A text and, for each of its characters, the span of the original that it is from.

    Args:
        text: the text.
        places: the spans, if the text is not the original itself.
    """

    __slots__ = ("places", "text")

    def __init__(self, text: str, places: list[Span] | None = None) -> None:
        self.text = text
        self.places = [(index, index + 1) for index in range(len(text))] if places is None else places

    def _set(self, parts: Iterable[tuple[str, Span]]) -> None:
        parts = list(parts)
        self.text = "".join(part for part, _ in parts)
        self.places = [place for part, place in parts for _ in part]

    def map(self, change: Callable[[str], str]) -> None:
        """Replaces each character by what ``change`` makes of it."""
        if change(self.text) != self.text:
            self._set((change(character), place) for character, place in zip(self.text, self.places, strict=True))

    def sub(self, pattern: str | re.Pattern[str], template: str | Callable[[re.Match[str]], str]) -> None:
        r"""``re.sub``. Characters of a group (``\g<1>``) keep their places; others of the template get the match's.

        What stands in the place of nothing has no place of its own: that between its neighbours. A function gives the
        template of each match.
        """
        parts: list[tuple[str, Span]] = []
        end = 0
        for match in re.finditer(pattern, self.text):
            parts += self._part(end, match.start())
            start, end = match.span()
            whole = (self._place(start)[0], self._place(end - 1)[1] if start < end else self._place(start)[0])
            form = template if isinstance(template, str) else template(match)
            for number, piece in enumerate(_GROUP.split(form)):
                parts += self._part(*match.span(int(piece))) if number % 2 else [(piece, whole)]
        if parts:  # else there is no match
            self._set([*parts, *self._part(end, len(self.text))])

    def strip(self) -> None:
        """``str.strip``."""
        start, stop = len(self.text) - len(self.text.lstrip()), len(self.text.rstrip())
        self.text, self.places = self.text[start:stop], self.places[start:stop]

    def _place(self, index: int) -> Span:
        """The place of a character; after the last one, the end of its."""
        if index < len(self.places):
            return self.places[index]
        end = self.places[-1][1] if self.places else 0
        return end, end

    def _part(self, start: int, end: int) -> list[tuple[str, Span]]:
        return [*zip(self.text[start:end], self.places[start:end], strict=True)]

    def divide(self, pieces: Iterable[str]) -> bool:
        """Puts spaces between pieces of the text. False if they are not the text together."""
        parts: list[tuple[str, Span]] = []
        start = 0
        for piece in pieces:
            if not self.text.startswith(piece, start):
                return False
            if start:
                parts.append((" ", (self.places[start][0],) * 2))
            parts += self._part(start, start + len(piece))
            start += len(piece)
        if start < len(self.text):
            return False
        self._set(parts)
        return True

    def cut(self, words: Iterable[str]) -> list[PlacedWord] | None:
        """Words that stand in the text one after the other, with their places; None if they do not.

        White space may stand between and inside them.
        """
        found: list[PlacedWord] = []
        text, at = self.text, 0
        for word in words:
            places: list[Span] = []
            for character in word:
                while at < len(text) and text[at] != character and text[at].isspace():
                    at += 1
                if not text.startswith(character, at):
                    return None
                places.append(self.places[at])
                at += 1
            found.append((word, places))
        return None if text[at:].strip() else found


def canonical_order(parts: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Puts runs of combining characters into the order of their classes, as normalisation of the whole word does."""
    ordered: list[tuple[str, int]] = []
    run: list[tuple[str, int]] = []
    for part in parts:
        if unicodedata.combining(part[0]):
            run.append(part)
            continue
        ordered += sorted(run, key=lambda one: unicodedata.combining(one[0]))
        run = []
        ordered.append(part)
    return ordered + sorted(run, key=lambda one: unicodedata.combining(one[0]))
