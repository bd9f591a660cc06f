from __future__ import annotations

import pickle
import time
import unicodedata
from itertools import pairwise

import pytest

from tx_tokenizers.wordpiece import (
    BasicTokenizer,
    WordPieceTokenizer,
    WordpieceTokenizer,
    _is_control,
    _is_punctuation,
    _is_whitespace,
    load_vocab,
)


@pytest.fixture
def tokenizer(vocab):
    return WordPieceTokenizer(vocab=vocab)


def test_character_classes():
    assert all(map(_is_whitespace, " \t\r\n\u00a0\u3000"))
    assert not any(map(_is_whitespace, "A-\x0b\u2028"))
    assert all(map(_is_control, "\x05\x7f\u200b\u00ad"))
    assert not any(map(_is_control, "A \t\r\n\ue000\u0378"))
    assert all(map(_is_punctuation, "-$`.^~|+=<>—。、¿«"))
    assert not any(map(_is_punctuation, "A 1€\t\x00é漢"))


@pytest.mark.parametrize(
    "options, text, expected",
    [
        ({}, " \tHeLLo!how  \n Are yoU?  ", ["hello", "!", "how", "are", "you", "?"]),
        ({"do_lower_case": False}, "HeLLo!how", ["HeLLo", "!", "how"]),
        ({}, "H\u00e9llo e\u0301", ["hello", "e"]),
        ({"strip_accents": False}, "H\u00c9llo", ["h\u00e9llo"]),
        ({"do_lower_case": False, "strip_accents": True}, "H\u00c9llo", ["HEllo"]),
        ({"do_lower_case": False}, "e\u0301", ["e\u0301"]),
        ({}, "ah\u535a\u63a8zz", ["ah", "\u535a", "\u63a8", "zz"]),
        ({"tokenize_chinese_chars": False}, "ah\u535a\u63a8zz", ["ah\u535a\u63a8zz"]),
        ({}, "かな カナ 한국", ["かな", "カナ", "한국"]),  # hangul is taken apart into letters, and none is a mark
        ({}, "a\x00b\ufffdc\u200bd\x0be\x1cf\x85g", ["abcdefg"]),  # removed, and dividing nothing
        # Without a character yet, private, and among the ideographs: only categories Cc and Cf are removed.
        ({}, "a\u0378b \u0378 c\ue000", ["a\u0378b", "\u0378", "c\ue000"]),
        ({}, "a\ufae7b\ufa6ec", ["a", "\ufae7", "b", "\ufa6e", "c"]),
        ({}, "a\u2028b\u2029c\u3000d", ["a", "b", "c", "d"]),
        ({}, "İ I ı ẞ ß", ["i", "i", "ı", "ß", "ß"]),
        ({}, "ΣΑΣ", ["σασ"]),
        ({}, "x\u0323\u0307\u0301", ["x"]),
        ({}, "👩‍💻!", ["👩💻", "!"]),  # the joiner is a format character
        ({}, "", []),
        ({}, " \n", []),
        ({"never_split": ["A-b", "[X]"]}, "A-b a-b [X] [x]", ["A-b", "a", "-", "b", "[X]", "[", "x", "]"]),
        ({"never_split": ["É"]}, "É é", ["É", "e"]),
    ],
)
def test_basic(options, text, expected):
    tokenizer = BasicTokenizer(**options)
    expected = [unicodedata.normalize("NFD", word) if "한" in word else word for word in expected]
    assert tokenizer.tokenize(text) == expected
    # The same with places, run by run.
    with_places = [
        part for word, _ in tokenizer.word_spans(text) for part, _ in tokenizer.split_word_with_origins(word)
    ]
    assert with_places == expected


def test_never_split_of_a_call_adds_to_the_constructors():
    assert BasicTokenizer(never_split=["A-b"]).tokenize("A-b c-d", never_split=["c-d"]) == ["A-b", "c-d"]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", []),
        ("unaffable running", ["un", "##aff", "##able", "run", "##ning"]),
        ("unaffableX running", ["[UNK]", "run", "##ning"]),
        ("a" * 100, ["a"] + ["##a"] * 99),
        ("a" * 101, ["[UNK]"]),
        ("##ing", ["##ing"]),  # the piece itself, written in the text
    ],
)
def test_wordpiece(vocab, text, expected):
    assert WordpieceTokenizer(vocab, unk_token="[UNK]").tokenize(text) == expected


def test_wordpiece_limits_are_the_callers(vocab):
    assert WordpieceTokenizer(vocab, "?", max_input_chars_per_word=2).tokenize("aa aaa") == ["a", "##a", "?"]


TEXTS = [
    "The quick brown fox jumped over the lazy dog!",
    "Unaffable, running 3.3$ low-er",
    "UNAFFABLE [MASK] [SEP]the[CLS] [mask]",
    "Café résumé cafe\u0301",
    "漢字かな 😀👍 zzz",
    "the\x00 qu\u200bick\x0bfox \x1c\x1d dog",
    "a" * 120 + " the",
    "İ s ΣΣ",
    "",
    "   ",
]


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_ids_and_offsets_tell_one_story(tokenizer, text):
    tokens = tokenizer.tokenize(text)
    ids = tokenizer.convert_tokens_to_ids(tokens)
    assert tokenizer.encode(text, add_special_tokens=False) == ids
    assert tokenizer.encode(text) == [2, *ids, 3]
    assert tokenizer(text)["input_ids"] == [2, *ids, 3]
    encoding = tokenizer(text, return_offsets_mapping=True)
    assert encoding["input_ids"] == [2, *ids, 3]
    assert tokenizer.convert_ids_to_tokens(ids) == tokens
    # Places are in order, do not overlap, and lie in the text.
    places = encoding["offset_mapping"][1:-1]
    assert encoding["offset_mapping"][0] == encoding["offset_mapping"][-1] == (0, 0)
    assert all(start < end for start, end in places)
    assert all(before[1] <= after[0] for before, after in pairwise(places))
    assert not places or places[-1][1] <= len(text)


def test_offsets_point_into_the_original_text(tokenizer):
    text = "CAFE\u0301 İs the\u200b\x00! [MASK]unaffable 漢字"
    encoding = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    spans = [text[start:end] for start, end in encoding["offset_mapping"]]
    assert spans == ["CAFE", "İ", "s", "the", "!", "[MASK]", "un", "aff", "able", "漢", "字"]
    assert tokenizer.convert_ids_to_tokens(encoding["input_ids"]) == [
        *("cafe", "i", "##s", "the", "!", "[MASK]", "un", "##aff", "##able", "漢", "字")
    ]


def test_offsets_inside_words_that_change_length(vocab):
    vocab["##i"] = len(vocab)
    tokenizer = WordPieceTokenizer(vocab=vocab)
    # ligatures stay, a decomposed i with dot is two characters that become one
    text = "aI\u0307\u0301b Aİ\u0301B"
    encoding = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    assert tokenizer.convert_ids_to_tokens(encoding["input_ids"]) == ["a", "##i", "##b"] * 2
    assert encoding["offset_mapping"] == [(0, 1), (1, 2), (4, 5), (6, 7), (7, 8), (9, 10)]


def test_without_basic_tokenization(vocab):
    tokenizer = WordPieceTokenizer(vocab=vocab, do_basic_tokenize=False)
    assert tokenizer.tokenize("the Fox lower, ##s") == ["the", "[UNK]", "[UNK]", "##s"]
    encoding = tokenizer("  the jumps", return_offsets_mapping=True, add_special_tokens=False)
    assert encoding["offset_mapping"] == [(2, 5), (6, 10), (10, 11)]


def test_never_split_words_reach_the_pieces_whole(vocab):
    vocab["A-b"] = len(vocab)
    tokenizer = WordPieceTokenizer(vocab=vocab, never_split=["A-b"])
    assert tokenizer.tokenize("A-b a-b") == ["A-b", "a", "-", "b"]
    encoding = tokenizer("a A-b", return_offsets_mapping=True, add_special_tokens=False)
    assert encoding["offset_mapping"] == [(0, 1), (2, 5)]


def test_round_trip_of_plain_text(tokenizer):
    text = "the quick brown fox jumps over the unaffable dog, running low."
    assert tokenizer.decode(tokenizer.encode(text), skip_special_tokens=True) == text


def test_pickles_and_forgets_what_it_remembered(tokenizer):
    tokenizer.add_tokens(["newtok"])
    before = tokenizer.encode("the newtok [MASK] fox")
    data = pickle.dumps(tokenizer)
    assert len(data) < 4000
    assert pickle.loads(data).encode("the newtok [MASK] fox") == before  # noqa: S301 - made above


def test_vocabulary_files(tmp_path, vocab, vocab_file):
    assert load_vocab(vocab_file) == vocab
    windows = tmp_path / "windows.txt"
    windows.write_bytes(b"a\r\nb\r\n")
    assert load_vocab(windows) == {"a": 0, "b": 1}
    odd = tmp_path / "odd.txt"
    odd.write_text("a\n\u2028\n\x85\nb", encoding="utf-8")  # only line feeds divide
    assert load_vocab(odd) == {"a": 0, "\u2028": 1, "\x85": 2, "b": 3}
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"bad\.txt"):
        load_vocab(bad)


def test_equal_lines_and_their_ids_survive_saving(tmp_path):
    file = tmp_path / "in.txt"
    file.write_text("[UNK]\na\nb\na\nc\n")
    tokenizer = WordPieceTokenizer(file)
    assert tokenizer.vocab == {"[UNK]": 0, "a": 3, "b": 2, "c": 4}
    (saved,) = tokenizer.save_vocabulary(tmp_path)
    assert load_vocab(saved) == tokenizer.vocab


@pytest.mark.parametrize("token", ["\n", "a\nb", "a\r", "\ufeffa", "a\ud800"])
def test_a_token_that_is_no_line_is_not_saved_as_one(tmp_path, token):
    tokenizer = WordPieceTokenizer(vocab={token: 0, "[UNK]": 1})
    with pytest.raises(ValueError, match=r"vocab\.txt: the token .* cannot be a line"):
        tokenizer.save_vocabulary(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [{}, {"vocab_file": "x", "vocab": {}}])
def test_one_vocabulary_is_wanted(options):
    with pytest.raises(ValueError, match="either vocab_file or vocab"):
        WordPieceTokenizer(**options)


def test_an_unknown_word_without_an_unknown_token_is_an_error_with_its_cure(vocab):
    tokenizer = WordPieceTokenizer(vocab=vocab, unk_token="<none>")
    assert tokenizer.unk_token_id is None
    assert tokenizer.tokenize("the zzz") == ["the", "<none>"]
    with pytest.raises(ValueError, match="add_special_tokens"):
        tokenizer.encode("the zzz")
    tokenizer.add_special_tokens({"unk_token": "<none>"})
    assert tokenizer.encode("the zzz", add_special_tokens=False) == [vocab["the"], len(vocab)]
    tokenizer.unk_token = "[UNK]"
    assert tokenizer.tokenize("zzz") == ["[UNK]"]


HOSTILE = [
    "a",
    "a!",
    "é",
    "漢",
    "[MASK",
    "[MASK]",
    "tok0",
    "\u0301",
    "x\u0301",
    " ",
    "\x00",
    "a\x0b",
    "##",
    "İ",
    "\u1100",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_time_is_linear_in_hostile_input(tokenizer, unit):
    tokenizer.add_tokens([f"tok{number:03d}" for number in range(100)])

    def seconds(length):
        text = unit * (length // len(unit))
        best = 9.0
        for _ in range(3):
            start = time.process_time()
            tokenizer.encode(text, add_special_tokens=False)
            tokenizer._text_spans(text, {})
            best = min(best, time.process_time() - start)
        return best

    seconds(1000)
    # Sixteen times the input: linear is 16 times the time, quadratic 256 times.
    small, large = seconds(4_000), seconds(64_000)
    assert large < 64 * small + 0.02
