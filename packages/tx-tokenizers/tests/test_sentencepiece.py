"""SentencePiece: the file, normalisation, segmentation, and files that are not to be trusted."""

from __future__ import annotations

import copy
import pickle
import random
import struct

import pytest

from tx_testing import clock, spiece
from tx_testing.spiece import BPE, BYTE, CONTROL, NORMAL, UNKNOWN, UNUSED, USER_DEFINED, letters, message, number
from tx_tokenizers.sentencepiece import SentencePiece
from tx_tokenizers.sentencepiece_model import MAX_MODEL_BYTES, read_model

UNK = ("<unk>", 0.0, UNKNOWN)
WORDS = [("\u2581lo", -2.0, NORMAL), ("\u2581low", -4.0, NORMAL), ("er", -3.0, NORMAL)]


def processor(tmp_path, pieces, *options, **rules):
    path = tmp_path / "spiece.model"
    path.write_bytes(spiece.model(pieces, *options, **rules))
    return SentencePiece.load(path)


# --- segmentation


def test_the_most_probable_pieces(tmp_path):
    found = processor(tmp_path, [UNK, *letters(), *WORDS])
    assert found.tokenize("low") == ["\u2581low"]  # -4 rather than -2 + -6
    assert found.tokenize("lower lo") == ["\u2581low", "er", "\u2581lo"]
    assert found.tokenize("  a   b ") == ["\u2581", "a", "\u2581", "b"]
    assert found.tokenize("") == found.tokenize("   ") == []


def test_the_sum_decides_and_not_the_longest_piece(tmp_path):
    pieces = [UNK, *letters("ab"), ("ab", -1.0, NORMAL), ("abc", -9.0, NORMAL), ("c", -1.5, NORMAL)]
    assert processor(tmp_path, pieces).tokenize("abc") == ["\u2581", "ab", "c"]


def test_unknown_characters_are_one_piece_together(tmp_path):
    found = processor(tmp_path, [UNK, *letters()])
    assert found.tokenize("aßßb") == ["\u2581", "a", "ßß", "b"]


def test_bytes_of_unknown_characters(tmp_path):
    pieces = [UNK, *((f"<0x{i:02X}>", 0.0, BYTE) for i in range(256)), *letters()]
    found = processor(tmp_path, pieces, byte_fallback=True)
    assert found.tokenize("aß") == ["\u2581", "a", "<0xC3>", "<0x9F>"]


def test_merges_by_score_and_of_equal_ones_the_leftmost(tmp_path):
    pieces = [UNK, *letters(), ("ab", -1.0, NORMAL), ("bc", -0.5, NORMAL), ("abc", -2.0, NORMAL), ("aa", -3.0, NORMAL)]
    found = processor(tmp_path, pieces, BPE)
    assert found.tokenize("abc") == ["\u2581", "abc"]  # bc first, then abc
    assert found.tokenize("ab") == ["\u2581", "ab"]
    assert found.tokenize("aaa") == ["\u2581", "aa", "a"]


def test_unused_pieces_are_only_steps(tmp_path):
    pieces = [UNK, *letters(), ("ab", -1.0, UNUSED), ("abc", -2.0, NORMAL)]
    assert processor(tmp_path, pieces, BPE).tokenize("abc ab") == ["\u2581", "abc", "\u2581", "a", "b"]
    assert processor(tmp_path, [UNK, *letters(), ("ab", 9.0, UNUSED)]).tokenize("ab") == ["\u2581", "a", "b"]


def test_symbols_of_the_user_stay_whole_and_control_symbols_are_no_text(tmp_path):
    pieces = [UNK, ("<s>", 0.0, CONTROL), ("a.b", 0.0, USER_DEFINED), *letters()]
    found = processor(tmp_path, pieces)
    assert found.tokenize("aa.bb") == ["\u2581", "a", "a.b", "b"]
    assert found.tokenize("<s>") == ["\u2581", "<", "s", ">"]


def test_settings_of_spaces(tmp_path):
    plain = processor(tmp_path, [UNK, *letters()], add_dummy_prefix=False)
    assert plain.tokenize("a b") == ["a", "\u2581", "b"]
    kept = processor(tmp_path, [UNK, *letters()], remove_extra_whitespaces=False)
    assert kept.tokenize("a  b ") == ["\u2581", "a", "\u2581", "\u2581", "b", "\u2581"]


def test_copies_and_pickles(tmp_path):
    found = processor(tmp_path, [UNK, *letters(), *WORDS])
    for again in (copy.deepcopy(found), pickle.loads(pickle.dumps(found))):  # noqa: S301 - our own
        assert again.tokenize("lower low") == found.tokenize("lower low")


def test_long_texts_take_time_in_proportion(tmp_path):
    found = processor(tmp_path, [UNK, *letters(), *WORDS, ("a" * 40, -50.0, NORMAL)])
    for text in ("a", "ab", "ß"):

        def seconds(size: int, text: str = text) -> float:
            long = text * (size // len(text))
            return clock.processor_seconds(lambda: found.tokenize(long), rounds=2)

        # Sixteen times the text: in proportion is 16 times the time, quadratic 256 times.
        small, large = seconds(5_000), seconds(80_000)
        assert large < 48 * max(small, 0.001), text


# --- files


def refused(tmp_path, content: bytes) -> str:
    path = tmp_path / "bad.model"
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        SentencePiece.load(path).tokenize("a text")
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "empty"),
        (message(9, b"x"), "no piece"),
        (message(1, b"\x0a\xff\xff\xff\xff\x0f"), "damaged"),
        (message(1, b"")[:1] + b"\xff" * 9 + b"\x01", "damaged"),
        (b"\x0a" + b"\x80" * 20, "no number ends"),
        (number(1, 5), "no message"),
        (message(9, b"x") + b"\x0b", "wire type 3"),
        (message(1, message(1, b"\xff\xfe")), "not UTF-8"),
        (message(1, message(1, b"a") + number(3, 9)), "unknown type 9"),
        (message(1, message(2, b"abcd")), "wire type 2"),
        (spiece.model([("a", 0.0, NORMAL)]), "0 pieces are of the type of what is unknown"),
        (spiece.model([UNK, ("<u>", 0.0, UNKNOWN)]), "2 pieces"),
        (spiece.model([UNK, ("a", 0.0, NORMAL), ("a", 1.0, NORMAL)]), "'a' has the ids 1 and 2"),
        (spiece.model([UNK, ("", 0.0, NORMAL)]), "piece 1 has 0 characters"),
        (spiece.model([UNK, ("a" * 2000, 0.0, NORMAL)]), "piece 1 has 2000 characters"),
        (spiece.model([UNK, ("a", float("nan"), NORMAL)]), "score of piece 1"),
        (spiece.model([UNK, ("a", float("inf"), NORMAL)]), "score of piece 1"),
        (spiece.model([UNK], 3), "a model of words"),
        (spiece.model([UNK], byte_fallback=True), "<0x00> to <0xFF>"),
        (spiece.model([UNK, ("<0x00>", 0.0, BYTE)]), "byte_fallback is false"),
        (spiece.model([UNK], charsmap=b"\xff\xff\xff\xff" * 3), "cannot hold"),
        (spiece.model([UNK], charsmap=struct.pack("<II", 4, 0xFFFFFFFF) + b"\0"), "out of the array"),
        (b"<!DOCTYPE html><html>", "bad.model"),
        (b"version https://git-lfs.github.com/spec/v1\n", "bad.model"),
    ],
)
def test_damaged_files_are_refused(tmp_path, content, match):
    assert match in refused(tmp_path, content)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "large.model"
    with path.open("wb") as file:
        file.truncate(MAX_MODEL_BYTES + 1)
    with pytest.raises(ValueError, match="more than a SentencePiece model may have"):
        read_model(path)


def test_every_cut_is_read_or_refused(tmp_path):
    """Wherever a file ends, and whatever bit is wrong: an answer, or an error that names the file."""
    units = [0x400, *([0] * 511)]
    charsmap = struct.pack("<I", 4 * len(units)) + struct.pack(f"<{len(units)}I", *units) + b"a\0"
    content = spiece.model([UNK, *letters("abc"), ("ab", -1.0, USER_DEFINED)], charsmap=charsmap)
    path = tmp_path / "cut.model"
    rng = random.Random(0)
    damaged = [content[:size] for size in range(0, len(content), 7)]
    for _ in range(400):
        wrong = bytearray(content)
        wrong[rng.randrange(len(wrong))] ^= 1 << rng.randrange(8)
        damaged.append(bytes(wrong))
    outcomes = set()
    for each in damaged:
        path.write_bytes(each)
        try:
            SentencePiece.load(path).tokenize("abc ab \u1e9e")
            outcomes.add("read")
        except ValueError as error:
            outcomes.add("refused" if str(path) in str(error) else str(error))
    assert outcomes == {"read", "refused"}
