"""TensorFlow 1 checkpoints without TensorFlow: round trips, checksums, damage; CRC-32C."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tx_core.checkpoints import ArrayInfo, CheckpointError, open_checkpoint, write_tf1
from tx_core.checkpoints.crc32c import crc32c, mask
from tx_core.checkpoints.tf1 import read_state_file
from tx_testing import clock

ARRAYS: dict[str, Any] = {
    "bert/embeddings/word_embeddings": np.arange(12, dtype=np.float32).reshape(4, 3),
    "bert/pooler/dense/bias": np.array([True, False]),
    "global_step": np.array(3, np.int64),
    "é": np.zeros((0, 2), np.float16),
}


def crc32c_bit_by_bit(data: bytes) -> int:
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
    return state ^ 0xFFFFFFFF


def test_crc32c_of_the_published_vectors() -> None:
    # RFC 3720, appendix B.4
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(bytes(reversed(range(32)))) == 0x113FDB5C
    assert crc32c(b"") == 0
    assert mask(crc32c(b"foo")) != crc32c(b"foo")


@pytest.mark.parametrize("size", [1, 3, 4, 5, 255, 256, 257, 2048, 16384, 16385, 20_000])
def test_crc32c_of_any_length(size: int) -> None:
    data = np.random.default_rng(size).integers(0, 256, size, np.uint8)
    assert crc32c(data) == crc32c(data.tobytes()) == crc32c_bit_by_bit(data.tobytes())


def test_crc32c_joins_blocks_of_every_size() -> None:
    size = (2 << 20) + (1 << 14) + (1 << 11) + 300
    data = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    table = [crc32c_bit_by_bit(bytes([i])) ^ crc32c_bit_by_bit(b"\0") for i in range(256)]
    state = 0xFFFFFFFF
    for byte in data.tolist():
        state = table[(state ^ byte) & 0xFF] ^ (state >> 8)
    assert crc32c(data) == state ^ 0xFFFFFFFF


def test_arrays_round_trip(tmp_path: Path) -> None:
    write_tf1(tmp_path / "bert_model.ckpt", {**ARRAYS, "lazy": lambda: np.arange(6.0).reshape(2, 3).T})
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "bert_model.ckpt.data-00000-of-00001",
        "bert_model.ckpt.index",
    ]
    for path in ("bert_model.ckpt", "bert_model.ckpt.index"):
        with open_checkpoint(tmp_path / path) as checkpoint:
            assert checkpoint.format == "tf1"
            assert checkpoint.path == tmp_path / "bert_model.ckpt"
            assert checkpoint.names() == sorted([*ARRAYS, "lazy"], key=str.encode)
            assert checkpoint.info("global_step") == ArrayInfo((), "int64")
            for name, array in ARRAYS.items():
                np.testing.assert_array_equal(checkpoint.read(name), array)
                assert checkpoint.read(name).dtype == array.dtype
            assert checkpoint.read("lazy").tolist() == [[0, 3], [1, 4], [2, 5]]
            with pytest.raises(CheckpointError, match="did you mean 'global_step'"):
                checkpoint.read("global_steps")


def test_a_folder_s_checkpoint_file_names_the_latest(tmp_path: Path) -> None:
    write_tf1(tmp_path / "model.ckpt-1", {"a": np.zeros(1)}, state_file=True)
    write_tf1(tmp_path / "model.ckpt-2", {"a": np.ones(1)}, state_file=True)
    for path in (tmp_path, tmp_path / "checkpoint"):
        with open_checkpoint(path) as checkpoint:
            assert checkpoint.path.name == "model.ckpt-2"


@pytest.mark.parametrize("line", ["\n", " ", 'model_checkpoint_path: "', 'model_checkpoint_path: "\n', "\t\n"])
def test_a_checkpoint_file_is_read_in_linear_time(tmp_path: Path, line: str) -> None:
    (tmp_path / "checkpoint").write_text("state: " + line * 200_000)

    def refused() -> None:
        with pytest.raises(CheckpointError, match="checkpoint: names no model_checkpoint_path"):
            read_state_file(tmp_path / "checkpoint")

    assert clock.processor_seconds(refused) < clock.allowed(2)  # it was minutes


@pytest.mark.parametrize(
    "name", ["/home/me/model.ckpt", "../model.ckpt", "sub/model.ckpt", "..", "", "c:\\\\model", "model\\nckpt"]
)
def test_a_checkpoint_file_cannot_lead_elsewhere(tmp_path: Path, name: str) -> None:
    (tmp_path / "checkpoint").write_text(f'model_checkpoint_path: "{name}"\n')
    for path in (tmp_path, tmp_path / "checkpoint"):
        with pytest.raises(CheckpointError, match="give the checkpoint's own path"):
            open_checkpoint(path)


@pytest.mark.parametrize(
    "arrays, message",
    [({"a": np.array(["x"])}, "'a' is <U1"), ({"": np.zeros(1)}, "empty name"), ({1: np.zeros(1)}, "strings")],
)
def test_what_the_format_cannot_hold_is_refused(tmp_path: Path, arrays: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        write_tf1(tmp_path / "m", arrays)
    assert not list(tmp_path.iterdir())


def test_a_flipped_value_does_not_fit_its_checksum(tmp_path: Path) -> None:
    write_tf1(tmp_path / "m", ARRAYS)
    data = tmp_path / "m.data-00000-of-00001"
    raw = bytearray(data.read_bytes())
    raw[5] ^= 1
    data.write_bytes(raw)
    with open_checkpoint(tmp_path / "m") as checkpoint:
        assert checkpoint.read("global_step") == 3
        with pytest.raises(CheckpointError, match=r"data-00000-of-00001.*'bert/embeddings/word_embeddings'.*checksum"):
            checkpoint.read("bert/embeddings/word_embeddings")


def test_missing_and_short_data_files_are_noticed_when_opened(tmp_path: Path) -> None:
    write_tf1(tmp_path / "m", ARRAYS)
    data = tmp_path / "m.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"'global_step'.*behind the file's end"):
        open_checkpoint(tmp_path / "m")
    with pytest.raises(CheckpointError, match="give the checkpoint's prefix: m"):
        open_checkpoint(data)
    data.unlink()
    with pytest.raises(CheckpointError, match=r"m\.data-00000-of-00001 is not beside"):
        open_checkpoint(tmp_path / "m.index")


# An index made by hand, so that its checksums are right and only the content lies.


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def block(entries: list[tuple[bytes, bytes]], kind: bytes = b"\0", restarts: int = 1) -> bytes:
    raw = b"".join(b"\0" + varint(len(key)) + varint(len(value)) + key + value for key, value in entries)
    raw += struct.pack("<II", 0, restarts) + kind
    return raw + struct.pack("<I", mask(crc32c(raw)))


def index(
    entries: list[tuple[bytes, bytes]],
    header: bytes = b"\x08\x01",
    kind: bytes = b"\0",
    restarts: int = 1,
    separators: Sequence[bytes] = (b"z",),
) -> bytes:
    """One data block, which the top block names once for each separator."""
    data = block([(b"", header), *entries], kind, restarts)
    meta = block([])
    top = block([(separator, varint(0) + varint(len(data) - 5)) for separator in separators])
    handles = varint(len(data)) + varint(len(meta) - 5) + varint(len(data) + len(meta)) + varint(len(top) - 5)
    return data + meta + top + handles.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


def entry(
    dtype: int = 1,
    shape: bytes = b"\x12\x02\x08\x02",
    shard: int = 0,
    offset: int = 0,
    size: int = 8,
    more: bytes = b"",
) -> bytes:
    raw = b"\x08" + varint(dtype) + b"\x12" + varint(len(shape)) + shape + b"\x18" + varint(shard)
    return (
        raw
        + b"\x20"
        + varint(offset)
        + b"\x28"
        + varint(size)
        + b"\x35"
        + struct.pack("<I", mask(crc32c(bytes(8))))
        + more
    )


@pytest.mark.parametrize(
    "raw, message",
    [
        (index([(b"a", entry())])[:-1], "no checkpoint format|truncated"),
        (index([(b"a", entry())], kind=b"\1"), "snappy"),
        (index([(b"a", entry())], restarts=1 << 30), "restart points"),
        (index([(b"a", entry())], header=b"\x08\x00"), "0 data files"),
        (index([(b"a", entry())], header=b"\x08\xff\xff\xff\xff\x7f"), "data files"),
        (index([(b"a", entry())], header=b"\x08\x01\x10\x01"), "big-endian"),
        (index([(b"a", entry())], header=b"\x0b"), "no protocol buffer"),
        (index([(b"a", entry()), (b"a", entry())]), "b'a': names are out of order"),
        (index([(b"b", entry()), (b"a", entry())]), "b'a': names are out of order"),
        (index([(b"\xff", entry())]), "UTF-8"),
        (index([(b"a", entry())], separators=[b"y", b"z"]), "blocks overlap"),
        (index([(b"a", entry(dtype=20))]), "'a': has the data type 20"),
        (index([(b"a", entry(dtype=99))]), "'a': has the data type 99"),
        (index([(b"a", entry(size=9))]), "'a': shape .* 9 bytes"),
        (index([(b"a", entry(shard=1))]), "'a': stands in data file 1 of 1"),
        (index([(b"a", entry(offset=1))]), "'a': the data lies behind"),
        (index([(b"a", entry(offset=(1 << 64) - 8))]), "'a': the data lies behind"),
        (index([(b"a", entry(shape=b"\x12\x0b\x08" + varint((1 << 64) - 1)))]), "'a': shape"),
        (index([(b"a", entry(shape=b"\x12\x02\x08\x02" * 40))]), "'a': 40 axes"),
        (index([(b"a", entry(shape=b"\x18\x01"))]), "'a': has no known shape"),
        (index([(b"a", entry(shape=b"\x10\x01"))]), "'a': .*wrong type"),
        (index([(b"a", entry(more=b"\x3a\x00"))]), "'a': is a partitioned variable"),
        (index([(b"a", entry(more=b"\x42\x7f"))]), "'a': .*ends too early"),
        (index([(b"a", entry(more=b"\xff" * 11))]), "number does not end"),
    ],
)  # fmt: skip
def test_an_index_that_lies_is_refused(tmp_path: Path, raw: bytes, message: str) -> None:
    (tmp_path / "m.index").write_bytes(raw)
    (tmp_path / "m.data-00000-of-00001").write_bytes(bytes(8))
    with pytest.raises(CheckpointError, match=message) as caught:
        open_checkpoint(tmp_path / "m.index")
    assert "m.index" in str(caught.value) or "m.data" in str(caught.value)


def test_names_that_spell_out_too_much_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tx_core.checkpoints.tf1.MAX_KEYS", 100)
    for raw in (index([(b"a" * 101, entry())]), index([], separators=[b"z" * 101])):
        (tmp_path / "m.index").write_bytes(raw)
        with pytest.raises(CheckpointError, match="the names take more than 100 bytes"):
            open_checkpoint(tmp_path / "m.index")


def test_the_honest_index_of_these_parts_is_read(tmp_path: Path) -> None:
    (tmp_path / "m.index").write_bytes(
        index([(b"a", entry(more=b"\x7d\0\0\0\0\x79" + bytes(8))), (b"text", b"\x08\x07")])
    )
    (tmp_path / "m.data-00000-of-00001").write_bytes(bytes(8))
    with open_checkpoint(tmp_path / "m") as checkpoint:
        assert checkpoint.names() == ["a"]
        assert checkpoint.read("a").tolist() == [0, 0]


def test_an_index_under_another_name_is_refused_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(index([]))
    with pytest.raises(CheckpointError, match=r"call it <name>\.index"):
        open_checkpoint(tmp_path / "m")


def flip(raw: bytes, positions: list[tuple[int, int]]) -> bytes:
    changed = bytearray(raw)
    for position, value in positions:
        changed[position % len(raw)] = value
    return bytes(changed)


def fixed(raw: bytes) -> bytes:
    """The same with right checksums on the data block, so that damage reaches the parsers behind them."""
    end = raw.index(block([])) - 5
    return raw[: end + 1] + struct.pack("<I", mask(crc32c(raw[: end + 1]))) + raw[end + 5 :]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    positions=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=5),
    cut=st.one_of(st.none(), st.integers(0, 300)),
    repair=st.booleans(),
)
def test_flipped_and_cut_files_never_escape(
    tmp_path: Path, positions: list[tuple[int, int]], cut: int | None, repair: bool
) -> None:
    raw = index([(b"a", entry()), (b"b", entry(shape=b"\x12\x02\x08\x01\x12\x02\x08\x02"))])
    end = raw.index(block([])) - 5
    if repair:
        raw = fixed(flip(raw[:end], positions) + raw[end:]) if positions else raw
    else:
        raw = flip(raw, positions)
    (tmp_path / "m.index").write_bytes(raw[:cut])
    (tmp_path / "m.data-00000-of-00001").write_bytes(bytes(8))
    try:
        with open_checkpoint(tmp_path / "m") as checkpoint:
            for name in checkpoint.names():
                checkpoint.read(name)
    except CheckpointError:
        pass
