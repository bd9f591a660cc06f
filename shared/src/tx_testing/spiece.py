"""Small SentencePiece models, written as protocol buffers.

Field numbers are those of ``sentencepiece_model.proto`` of https://github.com/google/sentencepiece.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Mapping

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
UNIGRAM, BPE = 1, 2

Piece = tuple[str, float, int]

# What XLNet's vocabulary begins with.
SPECIAL: list[Piece] = [
    ("<unk>", 0.0, UNKNOWN),
    *((piece, 0.0, CONTROL) for piece in ("<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>")),
    *((piece, 0.0, CONTROL) for piece in ("<eod>", "<eop>")),
]


def varint(value: int) -> bytes:
    """A number, seven bits a byte."""
    found = bytearray()
    while value >= 128:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def number(field: int, value: int) -> bytes:
    """A field that holds a number."""
    return varint(field << 3) + varint(value)


def message(field: int, content: bytes) -> bytes:
    """A field that holds bytes."""
    return varint(field << 3 | 2) + varint(len(content)) + content


def piece(text: str, score: float, kind: int) -> bytes:
    """A piece of the vocabulary."""
    return message(1, message(1, text.encode()) + b"\x15" + struct.pack("<f", score) + number(3, kind))


def model(
    pieces: Iterable[Piece],
    model_type: int = UNIGRAM,
    *,
    byte_fallback: bool = False,
    charsmap: bytes = b"",
    add_dummy_prefix: bool = True,
    remove_extra_whitespaces: bool = True,
    escape_whitespaces: bool = True,
    treat_whitespace_as_suffix: bool = False,
) -> bytes:
    """The content of a ``.model`` file.

    Args:
        pieces: text, score and type of each.
        charsmap: compiled rules of normalisation, as `charsmap` makes them.
    """
    trainer = number(3, model_type) + number(24, treat_whitespace_as_suffix) + number(35, byte_fallback)
    rules = message(2, charsmap) if charsmap else b""
    rules += number(3, add_dummy_prefix) + number(4, remove_extra_whitespaces)
    rules += number(5, escape_whitespaces)
    return b"".join(piece(*each) for each in pieces) + message(2, trainer) + message(3, rules)


def letters(text: str = "abcdefghijklmnopqrstuvwxyz0123456789.,") -> list[Piece]:
    """A piece for each character of a text, and for the space."""
    return [(character, -6.0, NORMAL) for character in ("\u2581", *text)]


def charsmap(rules: Mapping[str, str]) -> bytes:
    """Rules of replacement, compiled: a double array as Darts-clone lays it out, and the replacements.

    Each node has a block of 256 units of its own, which wastes room and is simple.
    """
    strings = b""
    values: dict[bytes, int] = {}
    for source, target in rules.items():
        values[source.encode()] = len(strings)
        strings += target.encode() + b"\0"
    nodes = sorted({source[:end] for source in values for end in range(len(source) + 1)})
    block = {node: 256 * (number + 1) for number, node in enumerate(nodes)}
    units = array("I", [0]) * (256 * (len(nodes) + 1))

    def unit(at: int, node: bytes, label: int) -> int:
        offset = at ^ block[node]
        leaf = 256 if node in values else 0
        return label | leaf | (offset << 10 if offset < 1 << 21 else offset >> 8 << 10 | 512)

    units[0] = unit(0, b"", 0)
    for node in nodes:
        if node:
            at = block[node[:-1]] ^ node[-1]
            units[at] = unit(at, node, node[-1])
        if node in values:
            units[block[node]] = values[node] | 1 << 31
    blob = units.tobytes()
    return struct.pack("<I", len(blob)) + blob + strings
