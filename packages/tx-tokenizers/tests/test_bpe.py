"""Byte-pair encoding: merging, files, and the byte-level tokenizer."""

from __future__ import annotations

import json
import pickle
import random
import time
from itertools import pairwise

import pytest

from tx_tokenizers.bpe import BPETokenizer, _merge_long, checked_merges, merge, read_merges
from tx_tokenizers.byte_bpe import (
    _ASCII_WORD,
    _DEPENDENT_SPACE,
    ByteLevelBPETokenizer,
    _word,
    bytes_to_unicode,
    text_bytes,
)

MERGES = [
    ("t", "h"), ("th", "e"), ("Ġ", "the"), ("i", "n"), ("in", "g"), ("a", "a"), ("aa", "aa"), ("Ã", "©"), ("Ġ", "Ġ"),
]  # fmt: skip


@pytest.fixture
def tokenizer():
    tokens = [*bytes_to_unicode().values(), *("".join(pair) for pair in MERGES), "<end>"]
    vocab = {token: index for index, token in enumerate(tokens)}
    return ByteLevelBPETokenizer(vocab=vocab, merges=MERGES, eos_token="<end>")


# Merging --------------------------------------------------------------------------------------------------------------


def merge_by_definition(symbols, ranks):
    """All pairs of the lowest rank from left to right, again and again."""
    while True:
        pairs = [pair for pair in pairwise(symbols) if pair in ranks]
        if not pairs:
            return symbols
        best = min(pairs, key=ranks.__getitem__)
        merged, at = [], 0
        while at < len(symbols):
            if tuple(symbols[at : at + 2]) == best:
                merged.append("".join(best))
                at += 2
            else:
                merged.append(symbols[at])
                at += 1
        symbols = merged


@pytest.mark.parametrize("seed", range(5))
def test_merging_follows_its_definition(seed):
    rng = random.Random(seed)
    symbols = list("ab")
    ranks = {}
    for rank in range(30):
        pair = (rng.choice(symbols), rng.choice(symbols))
        ranks.setdefault(pair, rank)
        symbols.append("".join(pair))
    for length in (0, 1, 2, 3, 5, 40, 64, 65, 200):
        text = [rng.choice("abc") for _ in range(length)]
        expected = merge_by_definition(text, ranks)
        assert merge(list(text), ranks) == expected
        assert _merge_long(list(text), ranks) == expected


def test_merging_a_long_word_is_not_quadratic():
    ranks = {("a", "a"): 0, ("aa", "aa"): 1, ("aaaa", "aaaa"): 2}

    def seconds(count):
        start = time.process_time()
        merge(["a"] * count, ranks)
        return time.process_time() - start

    seconds(1000)
    assert seconds(160_000) < 40 * min(seconds(10_000) for _ in range(3)) + 0.05


# Files ----------------------------------------------------------------------------------------------------------------


def test_merges_files(tmp_path):
    path = tmp_path / "merges.txt"
    path.write_text("#version: 0.2\na b\n# #\n\na\u00a0 b\n", encoding="utf-8")
    assert read_merges(path) == [("a", "b"), ("#", "#"), ("a", "b")]
    path.write_bytes(b"a b\r\nab c\r\n")
    assert read_merges(path) == [("a", "b"), ("ab", "c")]
    for line in ("abc", "a b c", " b", "a "):
        path.write_text(f"#version\na b\n{line}\n")
        with pytest.raises(ValueError, match=r"merges\.txt: line 3 "):
            read_merges(path)
    assert checked_merges(["a b", ["a", "c"]], "x") == [("a", "b"), ("a", "c")]
    for value in ({}, ["abc"], [["a"]], [["a", 3]], [3]):
        with pytest.raises(ValueError, match="x: merge"):
            checked_merges(value, "x")


def test_save_load_and_pickle(tokenizer, tmp_path):
    tokenizer.add_tokens(["<new>"])
    saved = tokenizer.save_pretrained(tmp_path)
    assert {"vocab.json", "merges.txt"} <= {path.rsplit("/", 1)[-1] for path in saved}
    for again in (ByteLevelBPETokenizer.from_pretrained(tmp_path), pickle.loads(pickle.dumps(tokenizer))):  # noqa: S301
        assert again.encoder == tokenizer.encoder
        assert again.bpe_ranks == tokenizer.bpe_ranks
        assert again.encode("the <new>thing") == tokenizer.encode("the <new>thing")
        assert again.eos_token == "<end>"
    spaced = ByteLevelBPETokenizer.from_pretrained(tmp_path, add_prefix_space=True, errors="strict")
    spaced.save_pretrained(tmp_path)
    again = ByteLevelBPETokenizer.from_pretrained(tmp_path)
    assert again.tokenize("the") == ["Ġthe"]
    assert again.errors == "strict"


@pytest.mark.parametrize("errors", ["ignor", 3, None])
def test_ways_to_treat_errors_are_known(errors):
    with pytest.raises(ValueError, match=f"errors={errors!r} is no way"):
        ByteLevelBPETokenizer(vocab={"a": 0}, merges=[], errors=errors)


def test_half_a_surrogate_pair_survives_saving(tmp_path):
    tokenizer = ByteLevelBPETokenizer(vocab={"\ud83d": 0}, merges=[])
    tokenizer.add_tokens(["x\ud800"])
    tokenizer.save_pretrained(tmp_path)
    assert ByteLevelBPETokenizer.from_pretrained(tmp_path).get_vocab() == {"\ud83d": 0, "x\ud800": 1}


@pytest.mark.parametrize("pair", [("a ", "b"), ("a", "\n"), ("a", "b\u3000"), ("a", "b\r")])
def test_merges_that_are_no_lines_are_not_saved_as_such(tmp_path, pair):
    tokenizer = BPETokenizer(vocab={"a": 0}, merges=[pair])
    with pytest.raises(ValueError, match=r"merges\.txt: the merge .* cannot be a line"):
        tokenizer.save_vocabulary(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_with_tokenizer_json_alone(tokenizer, tmp_path):
    data = {
        "model": {"type": "BPE", "vocab": tokenizer.encoder, "merges": [" ".join(pair) for pair in MERGES]},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True},
        "added_tokens": [{"id": len(tokenizer), "content": "<new>", "special": True}],
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps(data))
    again = ByteLevelBPETokenizer.from_pretrained(tmp_path)
    assert again.tokenize("the <new>") == ["Ġthe", "Ġ", "<new>"]
    data["model"]["type"] = "WordPiece"
    (tmp_path / "tokenizer.json").write_text(json.dumps(data))
    with pytest.raises(ValueError, match="type BPE"):
        ByteLevelBPETokenizer.from_pretrained(tmp_path)


def test_half_of_the_files_is_not_enough(tmp_path, tokenizer):
    (tmp_path / "vocab.json").write_text(json.dumps(tokenizer.encoder))
    with pytest.raises(OSError, match=r"needs merges\.txt"):
        ByteLevelBPETokenizer.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match="give the folder"):
        ByteLevelBPETokenizer.from_pretrained(tmp_path / "vocab.json")
    with pytest.raises(ValueError, match="vocab_file and merges_file"):
        ByteLevelBPETokenizer(tmp_path / "vocab.json")


# Byte-level tokens ----------------------------------------------------------------------------------------------------


def test_every_byte_has_a_character_of_its_own():
    table = bytes_to_unicode()
    assert sorted(table) == list(range(256))
    assert len(set(table.values())) == 256
    assert (table[ord("a")], table[ord(" ")], table[ord("\n")], table[173]) == ("a", "Ġ", "Ċ", "Ń")


TEXTS = [
    "the thing in the end", " the  the   the ", "the\n\nthe \n the\t", "", " ", "  ", "\n", "it's THE'S 'll", "é the é",
    "the <end>the<end> the", "漢字 \u3000 \u00a0 x", "aaaaaaaaa aaa", "x\x1cy", "½ ² Ⅷ ३ 1a_b", "e\u0301 \u0301",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_ids_offsets_and_text_tell_one_story(tokenizer, text):
    tokens = tokenizer.tokenize(text)
    ids = tokenizer.convert_tokens_to_ids(tokens)
    assert tokenizer.encode(text) == ids
    encoding = tokenizer(text, return_offsets_mapping=True)
    assert encoding["input_ids"] == ids
    assert tokenizer.decode(ids) == text
    places = encoding["offset_mapping"]
    assert all(0 <= start < end <= len(text) for start, end in places)
    covered = {index for start, end in places for index in range(start, end)}
    assert covered == set(range(len(text)))
    for token, (start, end) in zip(tokens, places, strict=True):
        if text[start:end].isascii() and not token.startswith("<"):
            assert tokenizer.convert_tokens_to_string([token]) == text[start:end]


def test_the_pattern_divides_as_the_original_does():
    assert _word().findall("it's 'll x3²b_c, é!") == ["it", "'s", " '", "ll", " x", "3²", "b", "_", "c", ",", " é", "!"]
    assert _word().findall("a  b \n c\n\u3000") == ["a", " ", " b", " \n", " c", "\n\u3000"]
    rng = random.Random(0)
    for _ in range(500):
        text = "".join(rng.choice("aZ3 _'st.\n\t\x1c\r") for _ in range(rng.randint(0, 20)))
        assert _ASCII_WORD.findall(text) == _word().findall(text)
        assert "".join(_word().findall(text)) == text


def test_dividing_at_spaces_first_changes_nothing_unless_it_is_told():
    rng = random.Random(1)
    told = 0
    for _ in range(3000):
        text = "".join(rng.choice("a3. \n\t's") for _ in range(rng.randint(0, 12)))
        if _DEPENDENT_SPACE.search(text):
            told += 1
            continue
        first, *others = text.split(" ")
        divided = [word for chunk in (first, *(" " + other for other in others)) for word in _word().findall(chunk)]
        assert divided == _word().findall(text), repr(text)
    assert 0 < told < 2000


def test_a_prefix_space_is_put_before_each_run_of_text(tokenizer):
    assert tokenizer.tokenize("the<end>the", add_prefix_space=True) == ["Ġthe", "<end>", "Ġthe"]
    assert tokenizer.tokenize(" the\nthe", add_prefix_space=True) == ["Ġthe", "Ċ", "the"]
    assert tokenizer.tokenize("", add_prefix_space=True) == tokenizer.encode("", add_prefix_space=True) == []
    encoding = tokenizer("the é", add_prefix_space=True, return_offsets_mapping=True)
    assert encoding["offset_mapping"] == [(0, 3), (3, 4), (4, 5)]
    alone = tokenizer("é", add_prefix_space=True, return_offsets_mapping=True)
    assert alone["offset_mapping"] == [(0, 1), (0, 1)]
    words = tokenizer(["the", "the"], is_split_into_words=True)
    assert tokenizer.convert_ids_to_tokens(words["input_ids"]) == ["Ġthe", "Ġthe"]


@pytest.mark.parametrize("text", ["The <END>THE<end>", "THE<new>THE", "İThe"])
def test_any_tokenizer_lower_cases_where_it_is_asked_to(tokenizer, tmp_path, text):
    assert "the" not in tokenizer.tokenize(text)
    tokenizer.save_pretrained(tmp_path)
    lower = ByteLevelBPETokenizer.from_pretrained(tmp_path, do_lower_case=True)
    assert lower.add_tokens(["<NEW>", "<new>"]) == 1
    assert "the" in lower.tokenize(text)
    assert lower.tokenize(text).count("<end>") == text.count("<end>")  # special tokens keep their case
    encoding = lower.encode_plus(text, return_offsets_mapping=True)
    assert encoding["input_ids"] == lower.encode(text) == lower.convert_tokens_to_ids(lower.tokenize(text))
    place = lower.tokenize(text).index("the")
    assert text[slice(*encoding["offset_mapping"][place])] in ("The", "THE")
    lower.save_pretrained(tmp_path)
    for again in (ByteLevelBPETokenizer.from_pretrained(tmp_path), pickle.loads(pickle.dumps(lower))):  # noqa: S301
        assert again.encode(text) == lower.encode(text)
    assert "the" not in ByteLevelBPETokenizer.from_pretrained(tmp_path, do_lower_case=False).tokenize(text)


def test_trimmed_offsets():
    class Trimming(ByteLevelBPETokenizer):
        trim_offsets = True

    vocab = {token: index for index, token in enumerate([*bytes_to_unicode().values(), "th", "the", "Ġthe", "ĠĠ"])}
    tokenizer = Trimming(vocab=vocab, merges=[("t", "h"), ("th", "e"), ("Ġ", "the"), ("Ġ", "Ġ")])
    encoding = tokenizer("the the   the", return_offsets_mapping=True)
    assert encoding["offset_mapping"] == [(0, 3), (4, 7), (9, 9), (10, 13)]


def test_any_bytes_survive(tokenizer):
    tokenizer.errors = "surrogateescape"
    rng = random.Random(2)
    for _ in range(50):
        raw = rng.randbytes(rng.randint(0, 40))
        text = raw.decode("utf-8", "surrogateescape")
        found = tokenizer.decode(tokenizer.encode(text))
        assert found.encode("utf-8", "surrogateescape") == raw
    assert text_bytes("\ud800a\udcff") == b"\xed\xa0\x80a\xff"
    tokenizer.errors = "replace"

    assert tokenizer.decode([tokenizer.encoder["Ã"]]) == "\ufffd"


def test_decoding_puts_no_spaces_around_added_tokens(tokenizer):
    tokenizer.add_tokens(["<new>"])
    text = "the<new>the <end>é<new>"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.decode(tokenizer.encode(text), skip_special_tokens=True) == "the<new>the é<new>"


@pytest.mark.parametrize("unit", ["a", "a!", "é", "漢", "a ", " ", "\n ", "a  ", "'", "\u0301", "<end", "\x1c", "3²"])
def test_time_is_linear_in_hostile_input(tokenizer, unit):
    def seconds(length):
        text = unit * (length // len(unit))
        best = 9.0
        for _ in range(2):
            start = time.process_time()
            tokenizer.encode(text)
            tokenizer(text, return_offsets_mapping=True)
            best = min(best, time.process_time() - start)
        return best

    seconds(1000)
    small, large = seconds(4_000), seconds(64_000)
    assert large < 64 * small + 0.02


# Words that end in </w> -----------------------------------------------------------------------------------------------


def test_words_that_carry_their_end():
    tokens = ["<unk>", "l", "o", "w</w>", "lo", "low</w>", "w", "e", "r</w>"]
    merges = [("l", "o"), ("lo", "w</w>")]
    tokenizer = BPETokenizer(
        vocab={token: index for index, token in enumerate(tokens)}, merges=merges, unk_token="<unk>"
    )
    text = "low  lowe r lower"
    assert tokenizer.tokenize(text) == ["low</w>", "lo", "w", "e</w>", "r</w>", "lo", "w", "e", "r</w>"]
    encoding = tokenizer(text, return_offsets_mapping=True)
    assert encoding["input_ids"] == tokenizer.encode(text) == [5, 4, 6, 0, 8, 4, 6, 7, 8]
    assert [text[start:end] for start, end in encoding["offset_mapping"]] == [
        "low",
        "lo",
        "w",
        "e",
        "r",
        "lo",
        "w",
        "e",
        "r",
    ]
