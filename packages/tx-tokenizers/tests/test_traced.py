from __future__ import annotations

import re
import time

import pytest

from tx_testing import clock
from tx_tokenizers.traced import TracedText


def origins(text, traced):
    return [text[start:end] for start, end in traced.places]


def test_steps_keep_the_places_of_characters():
    text = " a…b,c"
    traced = TracedText(text)
    traced.map(lambda part: part.replace("…", "...").upper())
    assert (traced.text, origins(text, traced)) == (" A...B,C", [" ", "a", "…", "…", "…", "b", ",", "c"])
    traced.sub(r"(\w),(\w)", r"\g<2>;\g<1>")
    assert (traced.text, origins(text, traced)[5:]) == (" A...C;B", ["c", "b,c", "b"])
    traced.sub(r"\.+", lambda match: str(len(match.group())))
    assert (traced.text, origins(text, traced)) == (" A3C;B", [" ", "a", "…", "c", "b,c", "b"])
    traced.strip()
    assert (traced.text, len(traced.places)) == ("A3C;B", 5)


@pytest.mark.parametrize(
    "pattern, template",
    [("b+", ""), (re.compile("(b)(c)?"), r"<\g<1>\g<2>>"), ("x", "y"), ("c", r"\g<0>\g<0>"), ("b*", "-"), ("$", "!")],
)
def test_substitutions_are_those_of_re(pattern, template):
    for text in ("abbcb", "", "b", "ccb"):
        traced = TracedText(text)
        traced.sub(pattern, template)
        assert traced.text == re.sub(pattern, template, text)
        assert len(traced.places) == len(traced.text)


def test_the_places_of_what_is_inserted():
    traced = TracedText("ab")
    traced.sub(r"(?=b)|$", lambda match: "-")
    assert (traced.text, traced.places) == ("a-b-", [(0, 1), (1, 1), (1, 2), (2, 2)])


def test_words_of_a_text():
    traced = TracedText("ab c\u3000d ")
    assert traced.cut(["a", "b", "c\u3000d"]) == [
        ("a", [(0, 1)]),
        ("b", [(1, 2)]),
        ("c\u3000d", [(3, 4), (4, 5), (5, 6)]),
    ]
    assert traced.cut(["abc", "d"]) == [("abc", [(0, 1), (1, 2), (3, 4)]), ("d", [(5, 6)])]
    for words in (["a", "b", "c"], ["a", "x"], ["ab", "c", "d", "e"]):
        assert traced.cut(words) is None


def test_pieces_of_a_text():
    traced = TracedText("abc")
    assert traced.divide(["a", "bc"])
    assert (traced.text, traced.places) == ("a bc", [(0, 1), (1, 1), (1, 2), (2, 3)])
    for pieces in (["a", "b"], ["a", "b", "c", "d"], ["b"]):
        assert not TracedText("abc").divide(pieces)


def test_time_is_linear():
    start = time.process_time()
    text = "a" + "\t" * 100_000 + "b" + " " * 100_000
    traced = TracedText(text)
    traced.sub(r"\s+", " ")
    traced.strip()
    assert traced.text == "a b"
    assert time.process_time() - start < clock.allowed(5)
