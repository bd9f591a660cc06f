"""CRC-32C (Castagnoli) in NumPy: TensorFlow guards its checkpoints with it, and zlib has only the other CRC-32.

A CRC is linear over GF(2), so a long buffer is cut into lanes that advance side by side, one table look-up per 16 bits
for all lanes at once, and the lanes' results are then joined pairwise. Polynomial and masking: RFC 3720, section 12.1;
LevelDB's util/crc32c.h.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

_POLYNOMIAL = 0x82F63B78  # reflected
_LANES = 1 << 14
_BLOCK = _LANES * 128
"""Bytes a pass takes: 2 MiB, which a processor's cache holds."""

_Words = npt.NDArray[Any]
"""uint32."""


def crc32c(data: bytes | npt.NDArray[Any]) -> int:
    """CRC-32C of bytes or of a C-contiguous array's memory; 0xE3069283 for b"123456789"."""
    raw = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data.reshape(-1).view(np.uint8)
    state = 0xFFFFFFFF
    whole = len(raw) // _BLOCK * _BLOCK
    for start in range(0, whole, _BLOCK):
        state = _advance_lanes(state, raw[start : start + _BLOCK])
    lanes = 1 << 10
    while lanes >= 16:  # what is left: fewer lanes of at least 4 words
        step = lanes * 16
        while len(raw) - whole >= step:
            state = _advance_lanes(state, raw[whole : whole + step], lanes)
            whole += step
        lanes >>= 3
    table = _byte_table()
    for byte in raw[whole:].tolist():
        state = table[(state ^ byte) & 0xFF] ^ (state >> 8)
    return state ^ 0xFFFFFFFF


def mask(crc: int) -> int:
    """The masked form that is stored, so that a CRC of data which holds CRCs stays useful."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _advance_lanes(state: int, raw: npt.NDArray[np.uint8], lanes: int = _LANES) -> int:
    words = raw.view("<u4").reshape(lanes, -1).T.astype(np.uint32, order="C")  # (words of a lane, lanes)
    words[0, 0] ^= np.uint32(state)
    low, high = _word_tables()
    crcs: _Words = np.zeros(lanes, np.uint32)
    for row in words:
        crcs ^= row
        crcs = low[crcs & 0xFFFF] ^ high[crcs >> 16]
    length = 4 * len(words)
    while len(crcs) > 1:
        crcs = _shift(crcs[::2], length) ^ crcs[1::2]
        length *= 2
    return int(crcs[0])


@cache
def _byte_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table


@cache
def _word_tables() -> tuple[_Words, _Words]:
    """The effect of 4 zero bytes on a state whose low, or high, 16 bits are the index."""
    index = np.arange(1 << 16, dtype=np.uint32)
    return _zero_bytes(index, 4), _zero_bytes(index << 16, 4)


def _zero_bytes(states: _Words, count: int) -> _Words:
    table = np.array(_byte_table(), np.uint32)
    for _ in range(count):
        states = table[states & 0xFF] ^ (states >> 8)
    return states


@cache
def _shift_tables(length: int) -> tuple[_Words, _Words, _Words, _Words]:
    """The effect of `length` zero bytes (4 times a power of 2, or 16 times one) on each byte of a state."""
    byte = np.arange(256, dtype=np.uint32)
    quarters = [byte << shift for shift in (0, 8, 16, 24)]
    if length <= 16:
        a, b, c, d = (_zero_bytes(quarter, length) for quarter in quarters)
    else:
        a, b, c, d = (_shift(_shift(quarter, length // 2), length // 2) for quarter in quarters)
    return a, b, c, d


def _shift(states: _Words, length: int) -> _Words:
    a, b, c, d = _shift_tables(length)
    joined: _Words = a[states & 0xFF] ^ b[states >> 8 & 0xFF] ^ c[states >> 16 & 0xFF] ^ d[states >> 24]
    return joined
