from __future__ import annotations

import copy
import pickle

import pytest

from tx_tokenizers.base import PreTrainedTokenizer
from tx_tokenizers.encoding import BatchEncoding
from tx_tokenizers.pretrained import UNLIMITED
from tx_tokenizers.special_tokens import AddedToken
from tx_tokenizers.wordpiece import WordPieceTokenizer


@pytest.fixture
def tokenizer(vocab):
    return WordPieceTokenizer(vocab=vocab)


def ids(tokenizer, tokens):
    return tokenizer.convert_tokens_to_ids(tokens.split())


# Special and added tokens ---------------------------------------------------------------------------------------------


def test_special_tokens_are_readable_when_unset(tokenizer):
    assert (tokenizer.bos_token, tokenizer.bos_token_id) == (None, None)
    assert (tokenizer.eos_token, tokenizer.eos_token_id) == (None, None)
    assert tokenizer.additional_special_tokens == tokenizer.additional_special_tokens_ids == []
    assert (tokenizer.cls_token, tokenizer.cls_token_id) == ("[CLS]", 2)
    assert tokenizer.all_special_tokens == ["[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"]
    assert tokenizer.all_special_ids == [1, 3, 0, 2, 4]


def test_special_tokens_follow_assignment(tokenizer, vocab):
    tokenizer.cls_token = "fox"
    assert tokenizer.cls_token_id == vocab["fox"]
    assert tokenizer.encode("the")[0] == vocab["fox"]
    assert tokenizer.tokenize("foxthe") == ["fox", "the"]
    tokenizer.cls_token = None
    assert tokenizer.cls_token_id is None
    with pytest.raises(ValueError, match=r"cls_token \(None\) has no id.*add_special_tokens=False"):
        tokenizer.encode("the")
    tokenizer.additional_special_tokens = ["dog", AddedToken("low", lstrip=True)]
    assert tokenizer.additional_special_tokens_ids == [vocab["dog"], vocab["low"]]
    with pytest.raises(ValueError, match="list of tokens"):
        tokenizer.additional_special_tokens = "dog"


def test_a_special_token_outside_the_vocabulary_has_the_unknown_id(vocab):
    # The rule of 2019: no id is given out unless tokens are added.
    tokenizer = WordPieceTokenizer(vocab=vocab, mask_token="<m>")
    assert tokenizer.mask_token_id == vocab["[UNK]"]
    assert len(tokenizer) == tokenizer.vocab_size == len(vocab)
    assert tokenizer.add_special_tokens({"mask_token": "<m>"}) == 1
    assert tokenizer.mask_token_id == len(vocab)


def test_add_tokens(tokenizer, vocab):
    size = len(vocab)
    assert tokenizer.add_tokens(["NewWord", "new york", "fox"]) == 2  # "fox" is there already
    assert (len(tokenizer), tokenizer.vocab_size) == (size + 2, size)
    assert tokenizer.added_tokens_encoder == {"newword": size, "new york": size + 1}
    assert tokenizer.added_tokens_decoder == {size: "newword", size + 1: "new york"}
    assert tokenizer.tokenize("the NEWWORDs in New York") == ["the", "newword", "s", "[UNK]", "new york"]
    assert tokenizer.tokenize("unfoxable") == ["un", "fox", "a", "##b", "[UNK]"][:2] + tokenizer.tokenize("able")
    assert tokenizer.add_tokens("newword") == 0
    assert tokenizer.add_tokens([]) == 0
    assert tokenizer.get_vocab() == {**vocab, **tokenizer.added_tokens_encoder}
    text = "the newword fox"
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_added_tokens_that_are_not_normalized_keep_their_case(tokenizer):
    tokenizer.add_tokens([AddedToken("ABC", normalized=False)])
    assert tokenizer.tokenize("ABC abc") == ["ABC", "a", "##b", "##c"]


def test_add_special_tokens(tokenizer, vocab):
    assert tokenizer.add_special_tokens({"bos_token": "<S>", "additional_special_tokens": ["<A>", "<b>"]}) == 3
    assert tokenizer.bos_token_id == len(vocab)
    assert tokenizer.tokenize("the<A>the <a>")[:3] == ["the", "<A>", "the"]
    assert tokenizer.special_tokens_map["additional_special_tokens"] == ["<A>", "<b>"]
    row = tokenizer.encode("the <A> fox<S>", add_special_tokens=False)
    assert tokenizer.decode(row, skip_special_tokens=True) == "the fox"
    with pytest.raises(ValueError, match="'start_token' is not a special token"):
        tokenizer.add_special_tokens({"start_token": "<S>"})


def test_sizes(tokenizer):
    assert (tokenizer.num_added_tokens(), tokenizer.num_added_tokens(pair=True)) == (2, 3)
    assert tokenizer.num_special_tokens_to_add(True) == 3
    assert tokenizer.max_len == tokenizer.model_max_length == UNLIMITED
    tokenizer.max_len = 20
    assert (tokenizer.max_len_single_sentence, tokenizer.max_len_sentences_pair) == (18, 17)
    tokenizer.model_max_length = 10
    assert tokenizer.max_len == 10


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"max_len": 0}, ValueError, "max_len=0"),
        ({"max_len": "x"}, ValueError, "max_len='x'"),
        ({"padding_side": "top"}, ValueError, "padding_side='top'"),
        ({"do_lower_cases": True}, TypeError, "did you mean 'do_lower_case'"),
    ],
)
def test_impossible_options_are_refused(vocab, options, error, message):
    with pytest.raises(error, match=message):
        WordPieceTokenizer(vocab=vocab, **options)


# Tokens and ids -------------------------------------------------------------------------------------------------------


def test_conversions(tokenizer, vocab):
    assert tokenizer.convert_tokens_to_ids("fox") == vocab["fox"]
    assert tokenizer.convert_tokens_to_ids(["fox", "nonsense"]) == [vocab["fox"], vocab["[UNK]"]]
    assert tokenizer.convert_tokens_to_ids(None) is None
    assert tokenizer.convert_ids_to_tokens(vocab["fox"]) == "fox"
    assert tokenizer.convert_ids_to_tokens([2, 5], skip_special_tokens=True) == ["the"]
    for index in (len(vocab), -1):
        with pytest.raises(ValueError, match=f"no token has the id {index}"):
            tokenizer.convert_ids_to_tokens([index])


def test_added_tokens_take_no_id_of_a_vocabulary_with_gaps():
    tokenizer = WordPieceTokenizer(vocab={"[UNK]": 0, "a": 1, "b": 4})
    assert (tokenizer.vocab_size, len(tokenizer)) == (3, 5)
    assert tokenizer.add_tokens(["x", "y", "z"]) == 3
    assert tokenizer.added_tokens_encoder == {"x": 3, "y": 5, "z": 6}
    assert len(tokenizer) == 7  # rows that the embeddings need
    assert tokenizer.decode(tokenizer.encode("x b y z", add_special_tokens=False)) == "x b y z"


def test_text_tokens_and_ids_encode_alike(tokenizer):
    text = "the unaffable fox"
    tokens = tokenizer.tokenize(text)
    row = tokenizer.convert_tokens_to_ids(tokens)
    assert tokenizer.encode(text) == tokenizer.encode(tokens) == tokenizer.encode(row)
    assert tokenizer.encode(text, add_special_tokens=False) == row
    assert tokenizer.prepare_for_model(row)["input_ids"] == tokenizer.encode(text)
    assert tokenizer.encode([]) == [2, 3]
    with pytest.raises(ValueError, match="list of tokens or a list of ids"):
        tokenizer.encode(["the", 3])
    for value in (b"the", None, 3, [["the"]]):
        with pytest.raises(ValueError, match="list of tokens or a list of ids, not"):
            tokenizer.encode(value)
        with pytest.raises(ValueError, match=r"a text \(str\) is wanted, not"):
            tokenizer.tokenize(value)
    with pytest.raises(TypeError, match="add_prefix_space"):
        tokenizer.tokenize("a", add_prefix_space=True)
    with pytest.raises(TypeError, match="nonsense"):
        tokenizer.encode("a", nonsense=True)


def test_decode(tokenizer):
    row = tokenizer.encode("the fox , dog !")
    assert tokenizer.decode(row) == "[CLS] the fox, dog! [SEP]"
    assert tokenizer.decode(row, skip_special_tokens=True, clean_up_tokenization_spaces=False) == "the fox , dog !"
    assert tokenizer.batch_decode([row, [5]], skip_special_tokens=True) == ["the fox, dog!", "the"]
    assert tokenizer.decode(5) == "the"
    assert tokenizer.decode([]) == ""
    with pytest.raises(ValueError, match=r"one row of ids is wanted, not rows of them \(\[\[5, 6\]\]\): batch_decode"):
        tokenizer.decode([[5, 6]])
    for value in ("the", None, [1.5], ["the"]):
        with pytest.raises(ValueError, match="ids are whole numbers, not"):
            tokenizer.decode(value)
    tokenizer.clean_up_tokenization_spaces = False
    assert tokenizer.decode(row, skip_special_tokens=True) == "the fox , dog !"
    assert tokenizer.clean_up_tokenization("i ' m do n't they 're it 's") == "i'm don't they're it's"


# Encoding -------------------------------------------------------------------------------------------------------------


def test_encode_plus_answers_what_it_did_in_2019(tokenizer):
    encoding = tokenizer.encode_plus("the fox", "lazy dog")
    first, second = ids(tokenizer, "the fox"), ids(tokenizer, "lazy dog")
    assert encoding["input_ids"] == [2, *first, 3, *second, 3]
    assert encoding["token_type_ids"] == [0, 0, 0, 0, 1, 1, 1]
    assert encoding["special_tokens_mask"] == encoding.special_tokens_mask == [1, 0, 0, 1, 0, 0, 1]
    assert "special_tokens_mask" in encoding
    assert "overflowing_tokens" not in encoding
    assert encoding.get("overflowing_tokens") is None
    # ... while what a model is given are its inputs.
    assert sorted(dict(**encoding)) == ["attention_mask", "input_ids", "token_type_ids"]
    assert list(encoding) == ["input_ids", "token_type_ids", "attention_mask"]
    asked = tokenizer.encode_plus("the fox", return_special_tokens_mask=True)
    assert "special_tokens_mask" in list(asked)
    plain = tokenizer.encode_plus("the fox", add_special_tokens=False)
    assert "special_tokens_mask" not in plain


def test_token_types_are_answered_where_the_model_takes_none(vocab):
    tokenizer = WordPieceTokenizer(vocab=vocab, model_input_names=["input_ids", "attention_mask"])
    assert list(tokenizer("the")) == ["input_ids", "attention_mask"]
    encoding = tokenizer.encode_plus("the")
    assert list(encoding) == ["input_ids", "attention_mask"]
    assert encoding["token_type_ids"] == [0, 0, 0]


@pytest.mark.parametrize("strategy", ["longest_first", "only_first"])
def test_encode_plus_truncates_and_keeps_what_overflows(tokenizer, strategy):
    words = ids(tokenizer, "the quick brown fox jump over")
    encoding = tokenizer.encode_plus(
        "the quick brown fox jump over", max_length=5, stride=2, truncation_strategy=strategy
    )
    assert encoding["input_ids"] == [2, *words[:3], 3]
    assert encoding["overflowing_tokens"] == words[1:]
    assert encoding["num_truncated_tokens"] == 3
    assert list(encoding) == ["input_ids", "token_type_ids", "attention_mask"]
    assert "overflowing_tokens" in list(
        tokenizer.encode_plus("the quick", max_length=3, return_overflowing_tokens=True)
    )


def test_encode_plus_says_how_much_of_a_pair_it_cut(tokenizer):
    encoding = tokenizer.encode_plus("the", "quick brown fox jump", max_length=6)
    assert encoding["num_truncated_tokens"] == 2
    assert encoding["overflowing_tokens"] == []  # of the first sequence, as in 2019, where both may be shortened
    assert "num_truncated_tokens" not in tokenizer.encode_plus("the", "quick", max_length=6)


def test_encode_plus_truncates_pairs(tokenizer):
    first, second = "the quick brown fox", "lazy dog"
    a, b = ids(tokenizer, first), ids(tokenizer, second)
    by_length = tokenizer.encode_plus(first, second, max_length=7)
    assert by_length["input_ids"] == [2, *a[:2], 3, *b, 3]
    assert by_length["overflowing_tokens"] == a[2:]
    only_second = tokenizer.encode_plus(first, second, max_length=8, truncation_strategy="only_second", stride=1)
    assert only_second["input_ids"] == [2, *a, 3, b[0], 3]
    assert only_second["overflowing_tokens"] == b
    with pytest.raises(ValueError, match="do_not_truncate"):
        tokenizer.encode_plus(first, second, max_length=8, truncation_strategy="do_not_truncate")
    with pytest.raises(ValueError, match="only 2"):
        tokenizer.encode_plus(first, second, max_length=5, truncation_strategy="only_second")
    with pytest.raises(ValueError, match="'shortest'"):
        tokenizer.encode_plus(first, second, truncation_strategy="shortest")
    for wrong, match in (({"truncation_strategy": "shortest"}, "shortest"), ({"stride": -1}, "stride=-1")):
        with pytest.raises(ValueError, match=match):
            tokenizer.encode(first, **wrong)
    with pytest.raises(ValueError, match="max_length=0"):
        tokenizer.encode(first, max_length=0)
    with pytest.raises(ValueError, match="stride=-1"):
        tokenizer.encode(first, max_length=3, stride=-1)
    with pytest.raises(ValueError, match="raise max_length"):
        tokenizer.encode(first, max_length=1)


def test_truncation_from_the_left(vocab):
    tokenizer = WordPieceTokenizer(vocab=vocab, truncation_side="left")
    words = ids(tokenizer, "the quick brown fox")
    encoding = tokenizer.encode_plus("the quick brown fox", max_length=4, stride=1)
    assert encoding["input_ids"] == [2, *words[2:], 3]
    assert encoding["overflowing_tokens"] == words[:3]


def test_truncate_sequences(tokenizer):
    assert tokenizer.truncate_sequences([1, 2, 3], [4, 5], 2, "longest_first", 1) == ([1, 2], [4], [2, 3])
    assert tokenizer.truncate_sequences([1, 2, 3], None, 1) == ([1, 2], None, [3])
    assert tokenizer.truncate_sequences([1, 2, 3], [4, 5], 0) == ([1, 2, 3], [4, 5], [])
    tokenizer.truncation_side = "left"
    assert tokenizer.truncate_sequences([1, 2, 3], [4, 5], 2, "only_first") == ([3], [4, 5], [1, 2])


def test_a_call_truncates_where_it_is_told_to(tokenizer, caplog):
    text = "the quick brown fox"
    whole = tokenizer.encode(text)
    assert tokenizer(text, max_length=4)["input_ids"] == [*whole[:3], 3]
    assert tokenizer(text, max_length=4, truncation=True)["input_ids"] == [*whole[:3], 3]
    assert tokenizer(text, max_length=4, truncation="only_first")["input_ids"] == [*whole[:3], 3]
    assert tokenizer(text, max_length=4, truncation=False)["input_ids"] == whole
    assert tokenizer(text, max_length=4, padding=True)["input_ids"] == whole
    assert tokenizer(text, truncation=True)["input_ids"] == whole  # the longest is not known
    assert "longest is not known" in caplog.text
    tokenizer.max_len = 4
    assert tokenizer(text, truncation=True)["input_ids"] == [*whole[:3], 3]
    assert tokenizer(text)["input_ids"] == tokenizer.encode(text) == whole
    assert caplog.text.count("longer than the model's longest (4)") == 2
    with pytest.raises(ValueError, match="truncation='most'"):
        tokenizer(text, truncation="most")


def test_batches_and_pairs(tokenizer):
    one, two = "the fox", "lazy dog"
    batch = tokenizer([one, two])
    assert batch["input_ids"] == [tokenizer.encode(one), tokenizer.encode(two)]
    pair = tokenizer.encode(one, two)
    assert tokenizer(one, two)["input_ids"] == pair
    assert tokenizer([one], [two])["input_ids"] == tokenizer([(one, two)])["input_ids"] == [pair]
    old = tokenizer.batch_encode_plus([(one, two), one, [one, two]])
    assert old["input_ids"] == [pair, tokenizer.encode(one), pair]
    assert old["special_tokens_mask"][1] == [1, 0, 0, 1]
    assert tokenizer.batch_encode_plus([[5, 6], ["the", "quick", "fox"]])["input_ids"][0] == [2, 5, 6, 3]
    assert tokenizer([])["input_ids"] == []


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((3,), "not 3"),
        ((["the", 3],), "not 3"),
        (("the", ["fox"]), "text_pair"),
        ((["the", "fox"], ["dog"]), "2 texts needs a list of as many second texts, not 1"),
        ((["the"], "dog"), "not 'dog'"),
        (([["the", "fox", "dog"]],), "pairs"),
    ],
)
def test_other_inputs_are_refused(tokenizer, arguments, message):
    with pytest.raises(ValueError, match=message):
        tokenizer(*arguments)


def test_columns_that_are_asked_for(tokenizer):
    encoding = tokenizer(
        "the fox", return_token_type_ids=False, return_attention_mask=False, return_length=True,
        return_special_tokens_mask=True,
    )  # fmt: skip
    assert dict(encoding) == {"input_ids": [2, 5, 8, 3], "special_tokens_mask": [1, 0, 0, 1], "length": 4}


def test_padding(tokenizer):
    texts = ["the fox", "the quick brown fox"]
    batch = tokenizer(texts, padding=True, return_special_tokens_mask=True, return_offsets_mapping=True)
    assert [len(row) for row in batch["input_ids"]] == [6, 6]
    assert batch["input_ids"][0] == [2, 5, 8, 3, 0, 0]
    assert batch["attention_mask"][0] == [1, 1, 1, 1, 0, 0]
    assert batch["special_tokens_mask"][0] == [1, 0, 0, 1, 1, 1]
    assert batch["offset_mapping"][0] == [(0, 0), (0, 3), (4, 7), (0, 0), (0, 0), (0, 0)]
    assert batch.sequence_ids(0) == [None, 0, 0, None, None, None]
    fixed = tokenizer(texts, padding="max_length", max_length=8)
    assert [len(row) for row in fixed["input_ids"]] == [8, 8]
    rounded = tokenizer(texts, padding=True, pad_to_multiple_of=4)
    assert [len(row) for row in rounded["token_type_ids"]] == [8, 8]
    old = tokenizer.encode_plus("the fox", max_length=6, pad_to_max_length=True)
    assert old["input_ids"] == [2, 5, 8, 3, 0, 0]
    assert old["special_tokens_mask"] == [1, 0, 0, 1, 1, 1]
    tokenizer.max_len = 7
    assert len(tokenizer.encode("the fox", pad_to_max_length=True)) == 7
    assert len(tokenizer.encode("the quick brown fox jump over lazy", pad_to_max_length=True)) == 7
    with pytest.raises(ValueError, match="padding='all'"):
        tokenizer(texts, padding="all")


def test_left_padding(tokenizer):
    tokenizer.padding_side = "left"
    batch = tokenizer(["the", "the fox"], ["dog", "dog"], padding=True, return_offsets_mapping=True)
    assert batch["input_ids"][0][:2] == [0, 2]
    assert batch["attention_mask"] == [[0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]]
    assert batch["token_type_ids"][0] == [0, 0, 0, 0, 1, 1]
    assert batch.sequence_ids(0) == [None, None, 0, None, 1, None]
    assert tokenizer(["the", "the fox"], padding=True, padding_side="right")["input_ids"][0][-1] == 0


def test_padding_needs_a_token(vocab):
    tokenizer = WordPieceTokenizer(vocab=vocab, pad_token=None)
    assert tokenizer(["the", "fox"], padding=True)["input_ids"] == [[2, 5, 3], [2, 8, 3]]  # nothing to pad
    with pytest.raises(ValueError, match=r"tokenizer\.pad_token = "):
        tokenizer(["the", "the fox"], padding=True)


def test_pad_takes_what_encoding_gave(tokenizer):
    rows = [tokenizer("the"), tokenizer("the fox")]
    assert dict(tokenizer.pad(rows)) == dict(tokenizer(["the", "the fox"], padding=True))
    assert dict(tokenizer.pad(tokenizer(["the", "the fox"]))) == dict(tokenizer(["the", "the fox"], padding=True))
    single = tokenizer.pad({"input_ids": [2, 5, 3]}, padding="max_length", max_length=5)
    assert dict(single) == {"input_ids": [2, 5, 3, 0, 0], "attention_mask": [1, 1, 1, 0, 0]}
    assert dict(tokenizer.pad({"input_ids": [2, 3]}, padding=False, return_attention_mask=False)) == {
        "input_ids": [2, 3]
    }
    with pytest.raises(ValueError, match="needs input_ids"):
        tokenizer.pad({"labels": [1]})
    with_labels = tokenizer.pad([{"input_ids": [2, 3], "label": 1}, {"input_ids": [2], "label": 0}])
    assert dict(with_labels) == {"input_ids": [[2, 3], [2, 0]], "label": [1, 0], "attention_mask": [[1, 1], [1, 0]]}


def test_overflowing_rows(tokenizer):
    text = "the quick brown fox jump over lazy dog"
    words = ids(tokenizer, text)
    batch = tokenizer(
        ["the", text], max_length=5, truncation=True, stride=1, return_overflowing_tokens=True,
        return_offsets_mapping=True, padding=True,
    )  # fmt: skip
    assert batch["overflow_to_sample_mapping"] == [0, 1, 1, 1, 1]
    assert batch["input_ids"][1:] == [
        [2, *words[0:3], 3],
        [2, *words[2:5], 3],
        [2, *words[4:7], 3],
        [2, *words[6:8], 3, 0],
    ]
    start, end = batch["offset_mapping"][4][1]
    assert text[start:end] == "lazy"


def test_overflowing_rows_of_question_and_context(tokenizer):
    question, context = "the fox ?", "quick brown fox jump over lazy dog"
    batch = tokenizer(
        question, context, max_length=9, truncation="only_second", stride=1, return_overflowing_tokens=True
    )
    a, b = ids(tokenizer, question), ids(tokenizer, context)
    assert batch["input_ids"] == [[2, *a, 3, *b[start : start + 3], 3] for start in (0, 2, 4)]
    assert batch.sequence_ids(1) == [None, 0, 0, 0, None, 1, 1, 1, None]
    with pytest.raises(ValueError, match="'only_first' or 'only_second'"):
        tokenizer(question, context, max_length=9, truncation=True, return_overflowing_tokens=True)
    with pytest.raises(ValueError, match="stride=3"):
        tokenizer(question, context, max_length=9, truncation="only_second", stride=3, return_overflowing_tokens=True)
    with pytest.raises(ValueError, match="second sequence"):
        tokenizer(context, max_length=4, truncation="only_second", return_overflowing_tokens=True)


def test_words_given_as_lists(tokenizer):
    encoding = tokenizer(["the", "unaffable", "fox"], is_split_into_words=True, return_offsets_mapping=True)
    assert encoding["input_ids"] == tokenizer.encode("the unaffable fox")
    assert encoding.word_ids() == [None, 0, 1, 1, 1, 2, None]
    assert encoding["offset_mapping"][2:5] == [(0, 2), (2, 5), (5, 9)]
    batch = tokenizer([["the"], ["the", "foxs"]], is_split_into_words=True, padding=True)
    assert batch.word_ids(0) == [None, 0, None, None, None]
    assert batch.word_ids(1) == [None, 0, 1, 1, None]
    pairs = tokenizer([["the"]], [["fox", "dog"]], is_split_into_words=True)
    assert pairs.word_ids() == [None, 0, None, 0, 1, None]
    cut = tokenizer(["the", "unaffable"], is_split_into_words=True, truncation=True, max_length=4)
    assert cut.word_ids() == [None, 0, 1, None]
    with pytest.raises(ValueError, match="words"):
        tokenizer([["the", 3]], is_split_into_words=True)
    with pytest.raises(ValueError, match="wants a list of words"):
        tokenizer("the", is_split_into_words=True)
    assert tokenizer("the foxs").word_ids() == [None, 0, 1, 1, None]
    assert tokenizer("the", "fox").sequence_ids() == [None, 0, None, 1, None]


def test_offsets_need_text(tokenizer):
    with pytest.raises(ValueError, match="no place"):
        tokenizer.encode_plus([5, 6], return_offsets_mapping=True)


def test_special_tokens_masks(tokenizer):
    assert tokenizer.get_special_tokens_mask([5, 6]) == [1, 0, 0, 1]
    assert tokenizer.get_special_tokens_mask([5], [6]) == [1, 0, 1, 0, 1]
    assert tokenizer.get_special_tokens_mask([2, 5, 3, 0], already_has_special_tokens=True) == [1, 0, 1, 1]
    row = tokenizer.encode_plus("the qqq", return_special_tokens_mask=True)  # a word that is unknown is a word
    assert row["input_ids"][2] == tokenizer.unk_token_id
    assert tokenizer.get_special_tokens_mask(row["input_ids"], already_has_special_tokens=True) == [1, 0, 0, 1]
    assert row["special_tokens_mask"] == [1, 0, 0, 1]
    with pytest.raises(ValueError, match="one list"):
        tokenizer.get_special_tokens_mask([2], [3], already_has_special_tokens=True)
    assert tokenizer.build_inputs_with_special_tokens([5], [6]) == [2, 5, 3, 6, 3]
    assert tokenizer.add_special_tokens_sequence_pair([5], [6]) == [2, 5, 3, 6, 3]
    assert tokenizer.add_special_tokens_single_sequence([5]) == [2, 5, 3]
    assert tokenizer.create_token_type_ids_from_sequences([5], [6, 7]) == [0, 0, 0, 1, 1, 1]
    assert tokenizer.create_token_type_ids_from_sequences([5]) == [0, 0, 0]


def test_a_subclass_that_places_special_tokens_by_methods(vocab):
    class Reversed(WordPieceTokenizer):
        def build_inputs_with_special_tokens(self, token_ids_0, token_ids_1=None):
            return [*token_ids_0, 3, *(token_ids_1 or []), 3, 2]

        def create_token_type_ids_from_sequences(self, token_ids_0, token_ids_1=None):
            return [1] * (len(token_ids_0) + len(token_ids_1 or []) + 3)

        def get_special_tokens_mask(self, token_ids_0, token_ids_1=None, already_has_special_tokens=False):
            return [0] * len(token_ids_0) + [1] + [0] * len(token_ids_1 or []) + [1, 1]

    tokenizer = Reversed(vocab=vocab)
    encoding = tokenizer("the fox", return_offsets_mapping=True, max_length=4)
    assert encoding["input_ids"] == [5, 3, 3, 2]
    assert encoding["offset_mapping"] == [(0, 3), (0, 0), (0, 0), (0, 0)]


def unpickled(encoding):
    return pickle.loads(pickle.dumps(encoding))  # noqa: S301 - made here


# The encoding ---------------------------------------------------------------------------------------------------------


def test_an_encoding_is_a_dictionary_with_attributes(tokenizer):
    encoding = tokenizer("the fox")
    assert isinstance(encoding, dict)
    assert encoding.input_ids == encoding["input_ids"]
    with pytest.raises(AttributeError, match="'labels'; it has input_ids"):
        _ = encoding.labels
    with pytest.raises(KeyError):
        encoding["labels"]
    encoding["labels"] = 1
    assert encoding.labels == 1
    assert encoding.get("nothing", 3) == 3


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, BatchEncoding.copy, unpickled])
def test_an_encoding_can_be_copied_and_pickled(tokenizer, again):
    encoding = tokenizer.encode_plus("the fox", return_offsets_mapping=True)
    other = again(encoding)
    assert type(other) is BatchEncoding
    assert other == encoding
    assert other["special_tokens_mask"] == encoding["special_tokens_mask"]
    assert other.sequence_ids() == encoding.sequence_ids()


def test_moving_to_a_device_moves_what_can_move():
    class Tensor:
        def to(self, device):
            return f"on {device}"

    assert dict(BatchEncoding({"input_ids": Tensor(), "n": 3}).to("gpu")) == {"input_ids": "on gpu", "n": 3}


def test_numpy_arrays(tokenizer):
    np = pytest.importorskip("numpy")
    single = tokenizer.encode_plus("the fox", return_tensors="np")
    assert single["input_ids"].shape == (1, 4)
    assert single["input_ids"].dtype == np.int64
    assert isinstance(single["special_tokens_mask"], list)
    batch = tokenizer(["the", "the fox"], padding=True, return_tensors="np", return_offsets_mapping=True)
    assert batch["offset_mapping"].shape == (2, 4, 2)
    assert tokenizer.encode("the", return_tensors="np").tolist() == [[2, 5, 3]]
    assert tokenizer.decode(batch["input_ids"][0], skip_special_tokens=True) == "the"
    assert tokenizer.decode(np.int64(5)) == tokenizer.convert_ids_to_tokens(np.array(5)) == "the"
    assert tokenizer.encode(np.array([5])) == tokenizer.encode([np.int64(5)]) == [2, 5, 3]
    assert tokenizer.batch_decode(batch["input_ids"], skip_special_tokens=True) == ["the", "the fox"]
    assert tokenizer.pad({"input_ids": np.array([[2, 3]])}, return_tensors="np")["attention_mask"].tolist() == [[1, 1]]
    with pytest.raises(ValueError, match=r"input_ids: rows of 3 to 4 tokens.*padding=True"):
        tokenizer(["the", "the fox"], return_tensors="np")
    with pytest.raises(ValueError, match="return_tensors='jax'"):
        tokenizer("the", return_tensors="jax")


def test_the_base_class_leaves_the_vocabulary_to_others():
    class Letters(PreTrainedTokenizer):
        """The whole of what a tokenizer has to give."""

        vocab_size = 26

        def _token_to_id(self, token):
            return ord(token) - 97 if len(token) == 1 and "a" <= token <= "z" else None

        def _id_to_token(self, index):
            return chr(index + 97) if 0 <= index < 26 else None

        def _tokenize(self, text):
            return [character for character in text if character.isalpha()]

        def convert_tokens_to_string(self, tokens):
            return "".join(tokens)

    tokenizer = Letters()
    assert tokenizer.encode("a b", "c") == [0, 1, 2]
    assert tokenizer.encode_plus("a b", "c")["token_type_ids"] == [0, 0, 1]
    assert tokenizer.decode([0, 1]) == "ab"
    assert tokenizer.num_added_tokens(pair=True) == 0
    with pytest.raises(ValueError, match="'É' is not in the vocabulary"):
        tokenizer.encode("É")
