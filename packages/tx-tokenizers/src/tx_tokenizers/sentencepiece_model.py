"""Reading SentencePiece's ``.model`` files, which are protocol buffers.

The fields are those of ``sentencepiece_model.proto`` (Kudo and Richardson 2018, https://arxiv.org/abs/1808.06226).
Nothing in a file is trusted: every length is compared with what is left, and the first thing that is wrong is named.
"""

from __future__ import annotations

from struct import unpack_from

from tx_core.messages import quoted
from tx_core.mistaken import HEAD, text_mistaken_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Field = tuple[int, int, int, int]

#: Published models have at most a few MB; larger files are refused unread.
MAX_MODEL_BYTES = 64 << 20
#: No piece of a vocabulary has more characters than this.
MAX_PIECE_LENGTH = 1024

# Types of pieces, and types of models.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
UNIGRAM, BPE = 1, 2
_MODEL_TYPES = {3: "words", 4: "characters"}

# Wire types of protocol buffers: how a field's value is written.
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class SentencePieceModel:
    """What a ``.model`` file holds. Fields that segmentation does not need are skipped.

    Args:
        content: the bytes of the file.
        name: what messages call it: its path.

    Attributes:
        pieces, scores, kinds: of each id the text, the score (a number that float32 can hold) and the type.
        unk_id: the id of what is unknown.
        model_type: ``UNIGRAM`` or ``BPE``.
        byte_fallback: whether a character without a piece becomes the pieces of its UTF-8 bytes.
        suffix: whether the space that stands for a word's bounds comes after the word, not before it.
        charsmap: the compiled rules of normalisation; empty for none.
        add_dummy_prefix: whether a text begins with a space (or ends with one, with ``suffix``).
        remove_extra_whitespaces: whether spaces at the ends are dropped, and runs of them are one.
        escape_whitespaces: whether spaces are written as U+2581.

    Raises:
        ValueError: the content is no model, or none that can be used; the message names it.
    """

    __slots__ = (
        *("add_dummy_prefix", "byte_fallback", "charsmap", "content", "escape_whitespaces", "kinds", "model_type"),
        *("name", "pieces", "remove_extra_whitespaces", "scores", "suffix", "unk_id"),
    )

    def __init__(self, content: bytes, name: str) -> None:
        self.content = content
        self.name = name
        self.pieces: list[str] = []
        self.scores: list[float] = []
        self.kinds: list[int] = []
        self.model_type = UNIGRAM
        self.byte_fallback = self.suffix = False
        self.charsmap = b""
        self.add_dummy_prefix = self.remove_extra_whitespaces = self.escape_whitespaces = True
        self._read()
        self.unk_id = self._check()

    def problem(self, what: str) -> ValueError:
        """An error that names the file."""
        return ValueError(f"{self.name}: {what}")

    # The file ---------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        content = self.content
        if problem := text_mistaken_for(content[:HEAD]):
            raise self.problem(problem)
        for number, kind, start, end in self._fields(0, len(content)):
            if number in (1, 2, 3) and kind != _BYTES:
                raise self.problem(f"not a SentencePiece model: field {number} is no message")
            if number == 1:
                self._read_piece(start, end)
            elif number == 2:
                self._read_trainer(start, end)
            elif number == 3:
                self._read_normalizer(start, end)

    def _fields(self, at: int, end: int) -> Iterator[Field]:
        """The fields of a message: number, wire type, and where the value begins and ends.

        The value of a varint is where the end would be.
        """
        content = self.content
        while at < end:
            tag, at = (content[at], at + 1) if content[at] < 128 else self._varint(at, end)
            number, kind = tag >> 3, tag & 7
            if not number:
                raise self.problem(f"not a SentencePiece model: byte {at - 1} begins no field")
            if kind == _VARINT:
                value, at = self._varint(at, end)
                yield number, kind, at, value
                continue
            if kind == _BYTES:
                size, at = self._varint(at, end)
            elif kind in (_FIXED32, _FIXED64):
                size = 4 if kind == _FIXED32 else 8
            else:
                raise self.problem(f"not a SentencePiece model: field {number} at byte {at - 1} has wire type {kind}")
            if size > end - at:
                raise self.problem(
                    f"cut off or damaged: field {number} at byte {at} has {size} bytes, but {end - at} are left there; "
                    "fetch or copy the file again"
                )
            yield number, kind, at, at + size
            at += size

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        value = 0
        for place in range(at, min(at + 10, end)):
            byte = self.content[place]
            value |= (byte & 127) << 7 * (place - at)
            if byte < 128:
                return value & 0xFFFFFFFFFFFFFFFF, place + 1
        raise self.problem(f"cut off or damaged: no number ends after byte {at}; fetch or copy the file again")

    def _text(self, start: int, end: int) -> str:
        try:
            return self.content[start:end].decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.problem(f"piece {len(self.pieces)} is not UTF-8 text: {error}") from None

    def _read_piece(self, start: int, end: int) -> None:
        content = self.content
        # Nearly all pieces are a short text, a score, and perhaps a type, in this order.
        if end - start >= 7 and content[start] == 10 and content[start + 1] < 128:
            score_at = start + 2 + content[start + 1]
            left = end - score_at - 5
            if left in (0, 2) and content[score_at] == 21:
                kind = NORMAL if not left else content[end - 1] if content[end - 2] == 24 else 0
                if NORMAL <= kind <= BYTE:
                    self.pieces.append(self._text(start + 2, score_at))
                    self.scores.append(unpack_from("<f", content, score_at + 1)[0])
                    self.kinds.append(kind)
                    return
        piece, score, kind = "", 0.0, NORMAL
        for number, wire, first, last in self._fields(start, end):
            if number == 1 and wire == _BYTES:
                piece = self._text(first, last)
            elif number == 2 and wire == _FIXED32:
                score = unpack_from("<f", content, first)[0]
            elif number == 3 and wire == _VARINT:
                kind = last
            elif number <= 3:
                raise self.problem(f"field {number} of piece {len(self.pieces)} has wire type {wire}")
        if not NORMAL <= kind <= BYTE:
            raise self.problem(f"piece {len(self.pieces)} ({quoted(piece)}) is of the unknown type {kind}")
        self.pieces.append(piece)
        self.scores.append(score)
        self.kinds.append(kind)

    def _read_trainer(self, start: int, end: int) -> None:
        for number, wire, _, value in self._fields(start, end):
            if wire != _VARINT:
                continue
            if number == 3:
                self.model_type = value
            elif number == 24:
                self.suffix = bool(value)
            elif number == 35:
                self.byte_fallback = bool(value)

    def _read_normalizer(self, start: int, end: int) -> None:
        for number, wire, first, last in self._fields(start, end):
            if number == 2 and wire == _BYTES:
                self.charsmap = self.content[first:last]
            elif wire == _VARINT:
                if number == 3:
                    self.add_dummy_prefix = bool(last)
                elif number == 4:
                    self.remove_extra_whitespaces = bool(last)
                elif number == 5:
                    self.escape_whitespaces = bool(last)

    # What it says -----------------------------------------------------------------------------------------------

    def _check(self) -> int:
        """Refuses what cannot be used. Returns the id of what is unknown."""
        if not self.pieces:
            raise self.problem("the vocabulary has no piece: not a SentencePiece model, or cut off")
        if self.model_type not in (UNIGRAM, BPE):
            kind = _MODEL_TYPES.get(self.model_type, f"type {self.model_type}")
            raise self.problem(f"a model of {kind}; models that can be read are unigram and BPE models")
        unknown = [index for index, kind in enumerate(self.kinds) if kind == UNKNOWN]
        if len(unknown) != 1:
            raise self.problem(f"{len(unknown)} pieces are of the type of what is unknown; there must be one")
        if len(set(self.pieces)) < len(self.pieces):
            first: dict[str, int] = {}
            for index, piece in enumerate(self.pieces):
                if first.setdefault(piece, index) != index:
                    raise self.problem(f"the piece {quoted(piece)} has the ids {first[piece]} and {index}: drop one")
        for index, piece in enumerate(self.pieces):
            if not 0 < len(piece) <= MAX_PIECE_LENGTH:
                raise self.problem(f"piece {index} has {len(piece)} characters; 1 to {MAX_PIECE_LENGTH} are possible")
        for index, score in enumerate(self.scores):
            if score - score:  # infinite, or not a number
                raise self.problem(f"the score of piece {index} ({quoted(self.pieces[index])}) is {score}")
        if self.byte_fallback or BYTE in self.kinds:
            self._check_bytes()
        return unknown[0]

    def _check_bytes(self) -> None:
        known = {piece for piece, kind in zip(self.pieces, self.kinds, strict=True) if kind == BYTE}
        wanted = {byte_piece(byte) for byte in range(256)}
        if not self.byte_fallback:
            raise self.problem("there are pieces of bytes although byte_fallback is false")
        if known != wanted:
            wrong = min(known ^ wanted)
            raise self.problem(f"byte_fallback needs the pieces <0x00> to <0xFF>: {quoted(wrong)} is not right")


def byte_piece(byte: int) -> str:
    """The piece that stands for a byte."""
    return f"<0x{byte:02X}>"


def read_model(path: object) -> SentencePieceModel:
    """The model of a file of at most ``MAX_MODEL_BYTES``.

    Raises OSError without such a file, and ValueError naming it if it holds no model.
    """
    from pathlib import Path

    file = Path(str(path))
    size = file.stat().st_size
    if size > MAX_MODEL_BYTES:
        raise ValueError(f"{path}: {size} bytes are more than a SentencePiece model may have ({MAX_MODEL_BYTES})")
    return SentencePieceModel(file.read_bytes(), str(path))
