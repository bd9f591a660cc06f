"""JSON from files: what is refused, and how the file is named."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from tx_core.json_files import MAX_DEPTH, parse_json, read_json, read_json_object


class Refused(ValueError):
    pass


def refuse(path: str | os.PathLike[str], problem: str) -> Refused:
    return Refused(f"in {Path(path).name}: {problem}")


def test_values_are_read_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"\xef\xbb\xbf" + '{"ä": [1, 2.5, null, true, "\\ud800", Infinity]}'.encode())
    expected = {"ä": [1, 2.5, None, True, "\ud800", math.inf]}
    assert read_json(path, 100) == read_json_object(str(path), 100) == parse_json(path, path.read_bytes()) == expected
    path.write_text("[1]")
    assert read_json(path, 100) == [1]


@pytest.mark.parametrize(
    "content, problem",
    [
        (b"", "is not valid JSON"),
        (b"{", "is not valid JSON"),
        (b'{"a": 1} x', "is not valid JSON"),
        (b'{"a": "\xff"}', "is not valid JSON"),
        (b'[{"b": {"a": 1, "c": 2, "a": 1}}]', "is not valid JSON .'a' is given twice, as 1 and as 1"),
        (b'{"a": ' + b"9" * 94, "is not valid JSON"),
        (b'{"a": "' + b"b" * 93 + b'"}', "is larger than 100 bytes"),
        (b"[1, 2]", r"holds \[1, 2\], expected a JSON object"),
        (b'"text"', "holds 'text', expected a JSON object"),
    ],
)
def test_what_is_no_json_object_is_refused_by_name(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{path}: {problem}"):
        read_json_object(path, 100)
    with pytest.raises(Refused, match=f"^in a.json: {problem}"):
        read_json_object(path, 100, refuse)


@pytest.mark.parametrize("left, right", [("[", "]"), ('{"a":', "}")])
def test_depth_is_bounded(left: str, right: str) -> None:
    def nested(depth: int) -> bytes:
        return f"{left * depth}1{right * depth}".encode()

    parse_json("a.json", nested(MAX_DEPTH))
    for depth in (MAX_DEPTH + 1, 900, 100_000):
        with pytest.raises(Refused, match=f"^in a.json: nests values deeper than {MAX_DEPTH} levels"):
            parse_json("a.json", nested(depth), refuse)


def test_a_long_value_is_shortened_in_the_message() -> None:
    for content in (b'{"a": "%s", "a": 1}' % (b"x" * 10_000), b'{"%s": 1, "%s": 2}' % ((b"x" * 10_000,) * 2)):
        with pytest.raises(ValueError, match="is given twice") as caught:
            parse_json("a.json", content)
        assert len(str(caught.value)) < 700
