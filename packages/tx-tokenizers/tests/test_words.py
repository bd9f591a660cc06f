"""``WordsTokenizer``: what a tokenizer of one's own gets from it."""

from __future__ import annotations

import pickle

import pytest

from tx_tokenizers.words import WordsTokenizer

VOCAB = {"<unk>": 0, "a": 1, "b": 2, "c": 5}


class Letters(WordsTokenizer):
    """Each letter of a word is a token. Counts how often a word is tokenized."""

    def __init__(self, **options):
        self._set_vocabulary(dict(VOCAB))
        self.calls = 0
        super().__init__(unk_token="<unk>", **options)

    def _word_tokens(self, word):
        self.calls += 1
        return list(word)

    def _word_spans(self, word):
        return list(word), [(index, index + 1) for index in range(len(word))]


class Dashes(Letters):
    """Words are what stands between dashes."""

    def _words(self, text):
        return [word for word in text.split("-") if word]


def test_the_vocabulary():
    tokenizer = Letters()
    assert (tokenizer.vocab_size, len(tokenizer)) == (4, 6)
    assert tokenizer.convert_tokens_to_ids(["a", "c", "z"]) == [1, 5, 0]
    assert tokenizer.convert_ids_to_tokens([2, 5]) == ["b", "c"]
    tokenizer.add_tokens("new")
    assert tokenizer.get_vocab() == {**VOCAB, "new": 4}


@pytest.mark.parametrize("tokenizer, text", [(Letters(), " ab  a\nca ab"), (Dashes(), "-ab---a-ca-ab")])
def test_tokens_ids_and_places_tell_one_story(tokenizer, text):
    tokens = ["a", "b", "a", "c", "a", "a", "b"]
    assert tokenizer.tokenize(text) == tokens
    encoding = tokenizer(text, return_offsets_mapping=True)
    assert encoding["input_ids"] == tokenizer.encode(text) == tokenizer.convert_tokens_to_ids(tokens)
    assert [text[start:end] for start, end in encoding["offset_mapping"]] == tokens


def test_words_are_remembered_until_tokens_change():
    tokenizer = Letters()
    assert tokenizer.encode("ab ab ab") == [1, 2] * 3
    assert tokenizer.calls == 1
    tokenizer.encode("ab a")
    assert tokenizer.calls == 2
    tokenizer.add_tokens("b")
    tokenizer.encode("a ab")
    assert tokenizer.calls == 3
    again = pickle.loads(pickle.dumps(tokenizer))  # noqa: S301 - made here
    assert again.encode("a ab") == tokenizer.encode("a ab")
    assert (again.calls, tokenizer.calls) == (4, 3)  # pickles leave out what is remembered


def test_a_subclass_gives_tokens_and_spans():
    class Nothing(WordsTokenizer):
        def __init__(self):
            self._set_vocabulary({})
            super().__init__()

    for call in (Nothing().tokenize, Nothing().encode, lambda text: Nothing()(text, return_offsets_mapping=True)):
        with pytest.raises(NotImplementedError):
            call("a")
