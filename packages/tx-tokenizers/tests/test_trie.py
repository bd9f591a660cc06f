from __future__ import annotations

import random
import time

import pytest

from tx_testing import clock
from tx_tokenizers.memo import MEMO_WORD_LENGTH, WordMemo
from tx_tokenizers.special_tokens import AddedToken
from tx_tokenizers.splitter import AddedTokenSplitter, fold_case
from tx_tokenizers.trie import TokenAutomaton, TokenTrie


def pieces(text, tokens, fold=False):
    flagged = {token: AddedToken(token) if isinstance(token, str) else token for token in tokens}
    found = AddedTokenSplitter({str(token): value for token, value in flagged.items()}, fold).split(text)
    return None if found is None else [text[start:end] for start, end, _ in found]


@pytest.mark.parametrize("count", [1, 8, 9, 200, 3000])
def test_longest_agrees_with_comparing_each(count):
    rng = random.Random(count)
    tokens = {"".join(rng.choice("abc") for _ in range(rng.randint(1, 9))) for _ in range(count)}
    trie = TokenTrie(tokens)
    text = "".join(rng.choice("abcd") for _ in range(300))
    for start in range(len(text)):
        expected = max((len(token) for token in tokens if text.startswith(token, start)), default=0)
        assert trie.longest(text, start) == expected


@pytest.mark.parametrize("count", [1, 9, 200, 3000])
def test_one_pass_finds_the_longest_everywhere(count):
    rng = random.Random(count)
    tokens = {"".join(rng.choice("abc") for _ in range(rng.randint(1, 9))) for _ in range(count)}
    tokens |= {"a" * length for length in range(1, 50)} | {"a" * 60 + "!"}
    trie = TokenTrie(tokens)
    for _ in range(5):
        text = "".join(rng.choice("abcd") * rng.randint(1, 70) for _ in range(30)) + "!"
        assert TokenAutomaton(tokens).lengths(text) == [trie.longest(text, start) for start in range(len(text))]
    assert TokenAutomaton([]).lengths("ab") == [0, 0]


HOSTILE = {
    "prefixes": [["a" * length for length in range(1, 1000)], "a" * 50_000],
    "prefixes with another end": [["a" * length + "!" for length in range(1, 1000)], "a" * 50_000],
    "few": [["a" * length + "!" for length in range(1, 60)], "a" * 100_000],
    "with a short one": [["a", *("a" * length + "!" for length in range(1, 1000))], "a" * 50_000],
    "long": [["a" * 20_000 + "!", "a" * 20_000 + "?"], "a" * 50_000],
    "in words": [["a" * length + "!" for length in range(1, 1000)], ("a" * 500 + " ") * 100],
}


@pytest.mark.parametrize("flags", [{}, {"single_word": True}, {"lstrip": True, "rstrip": True}], ids=str)
@pytest.mark.parametrize("tokens, text", HOSTILE.values(), ids=HOSTILE)
def test_time_does_not_grow_with_tokens_times_text(tokens, text, flags):
    start = time.process_time()
    for fold in (False, True):
        splitter = AddedTokenSplitter({token: AddedToken(token, **flags) for token in tokens}, fold)
        found = splitter.split(text)
        assert found is None or "".join(text[start:end] for start, end, _ in found) == text
    assert time.process_time() - start < clock.allowed(3.0)


def test_deep_tokens_are_found_as_others_are():
    deep = ["a" * length for length in range(1, 100)]
    assert pieces("xaab" + "a" * 150, deep) == ["x", "aa", "b", "a" * 99, "a" * 51]
    assert pieces("Aa b", [AddedToken(token) for token in deep], fold=True) == ["Aa", " b"]
    assert pieces("b", deep) is None
    assert pieces("b aa!", [*deep, "b aa"]) == ["b aa", "!"]


def test_a_trie_of_nothing_finds_nothing():
    assert TokenTrie([]).longest("abc", 0) == 0
    assert TokenTrie([""]).longest("abc", 0) == 0


def test_tokens_that_are_prefixes_of_one_another_do_not_exhaust_the_stack():
    trie = TokenTrie("a" * length for length in range(1, 3000))
    assert trie.longest("a" * 5000, 0) == 2999
    assert trie.longest("a" * 5, 0) == 5


def test_leftmost_then_longest():
    assert pieces("xabcabx", ["ab", "abc", "bc"]) == ["x", "abc", "ab", "x"]
    assert pieces("nothing here", ["<x>"]) is None
    assert pieces("", ["<x>"]) is None
    assert pieces("<x>", ["<x>"]) == ["<x>"]


def test_with_many_tokens_the_same_places_are_found():
    many = [f"t{number}k" for number in range(500)]
    text = "say t12k, t499k and t500k but not t 12k at12kb"
    assert pieces(text, many) == ["say ", "t12k", ", ", "t499k", " and t500k but not t 12k a", "t12k", "b"]
    with_space = [*many, "new york"]
    assert pieces("in new york t1k", with_space) == ["in ", "new york", " ", "t1k"]
    assert pieces("a  b", [*many, "  "]) == ["a", "  ", "b"]  # a token of white space alone
    assert pieces("none of them", many) is None


def test_flags():
    word = AddedToken("word", single_word=True)
    assert pieces("word sword words word_ 'word'", [word]) == ["word", " sword words word_ '", "word", "'"]
    strip = AddedToken("<m>", lstrip=True)
    assert pieces("a  <m> b", [strip]) == ["a", "  <m>", " b"]
    strip = AddedToken("<m>", rstrip=True)
    assert pieces("a <m>  b<m>", [strip]) == ["a ", "<m>  ", "b", "<m>"]


def test_normalized_tokens_are_found_in_any_case_where_the_tokenizer_folds():
    tokens = [AddedToken("new"), AddedToken("[X]", special=True)]
    assert pieces("a NEW [x][X]", tokens, fold=True) == ["a ", "NEW", " [x]", "[X]"]
    assert pieces("a NEW [x]", tokens) is None
    assert pieces("İİ NEWİ", tokens, fold=True) == ["İİ ", "NEW", "İ"]  # İ is two characters in lower case
    assert len(fold_case("İSTANBUL")) == 8


def test_an_added_token_has_text():
    with pytest.raises(ValueError, match="at least one character"):
        AddedToken("")
    with pytest.raises(ValueError, match="'content'"):
        AddedToken.from_json({"id": 3})


def test_added_tokens_compare_by_content_and_flags():
    assert AddedToken("a") == AddedToken("a", normalized=True)
    assert AddedToken("a") != AddedToken("a", special=True)
    assert str(AddedToken("a", lstrip=True)) == "a"
    assert repr(AddedToken("a", lstrip=True)) == "AddedToken('a', lstrip, normalized)"
    assert len({AddedToken("a"), AddedToken("a")}) == 1


def test_a_memo_is_bounded():
    asked = []
    memo = WordMemo(lambda word: asked.append(word) or len(word), limit=3)
    assert [memo[word] for word in ("a", "bb", "a", "ccc", "dddd", "a")] == [1, 2, 1, 3, 4, 1]
    assert asked == ["a", "bb", "ccc", "dddd", "a"]  # the fourth word made it start afresh
    assert len(memo) <= 3
    long = "x" * (MEMO_WORD_LENGTH + 1)
    assert memo[long] == memo[long] == len(long)
    assert long not in memo


def test_fifty_thousand_tokens_build_within_a_second():
    start = time.process_time()
    trie = TokenTrie(f"token{number:05d}" for number in range(50_000))
    assert time.process_time() - start < clock.allowed(1.0)
    assert trie.longest("token49999", 0) == 10
