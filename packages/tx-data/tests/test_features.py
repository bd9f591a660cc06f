"""From examples to features."""

from __future__ import annotations

import pytest

from tx_data import InputExample, InputFeatures, glue_convert_examples_to_features, padding_options
from tx_tokenizers import WordPieceTokenizer

PAIR = InputExample("1", "the cat sat", "it was on the mat.", label="1")
SINGLE = InputExample("2", "who ran?", label="0")


def test_rows_are_padded_to_the_length(tokenizer: WordPieceTokenizer) -> None:
    found = glue_convert_examples_to_features([PAIR, SINGLE], tokenizer, 14, "mrpc")
    ids = tokenizer.convert_tokens_to_ids
    first = ids(["[CLS]", "the", "cat", "sat", "[SEP]", "it", "was", "on", "the", "mat", ".", "[SEP]"])
    second = ids(["[CLS]", "who", "ran", "?", "[SEP]"])
    assert found == [
        InputFeatures([*first, 0, 0], [1] * 12 + [0] * 2, [0] * 5 + [1] * 7 + [0] * 2, 1),
        InputFeatures([*second, *[0] * 9], [1] * 5 + [0] * 9, [0] * 14, 0),
    ]


def test_padding_comes_first_and_has_its_own_values(tokenizer: WordPieceTokenizer) -> None:
    (found,) = glue_convert_examples_to_features(
        [SINGLE],
        tokenizer,
        7,
        "cola",
        pad_on_left=True,
        pad_token=9,
        pad_token_segment_id=4,
        mask_padding_with_zero=False,
    )
    assert found.input_ids[:2] == [9, 9]
    assert found.input_ids[2] == tokenizer.cls_token_id
    assert found.attention_mask == [1, 1, 0, 0, 0, 0, 0]
    assert found.token_type_ids == [4, 4, 0, 0, 0, 0, 0]


def test_padding_is_what_the_tokenizer_pads_with(tokenizer: WordPieceTokenizer) -> None:
    assert padding_options(tokenizer) == {"pad_on_left": False, "pad_token": 0, "pad_token_segment_id": 0}
    tokenizer.padding_side, tokenizer.pad_token, tokenizer.pad_token_type_id = "left", "[MASK]", 3
    assert padding_options(tokenizer) == {"pad_on_left": True, "pad_token": 4, "pad_token_segment_id": 3}
    (found,) = glue_convert_examples_to_features([SINGLE], tokenizer, 6, "cola", **padding_options(tokenizer))
    assert (found.input_ids[0], found.token_type_ids[0]) == (4, 3)
    tokenizer.pad_token = None
    with pytest.raises(ValueError, match="WordPieceTokenizer has no pad_token to pad with"):
        padding_options(tokenizer)


def test_the_longer_text_is_cut_first(tokenizer: WordPieceTokenizer) -> None:
    (found,) = glue_convert_examples_to_features([PAIR], tokenizer, 8, "mrpc")
    assert tokenizer.decode(found.input_ids) == "[CLS] the cat sat [SEP] it was [SEP]"


def test_labels_and_modes(tokenizer: WordPieceTokenizer) -> None:
    def labels(examples: list[InputExample], **options: object) -> list[int | float | None]:
        return [each.label for each in glue_convert_examples_to_features(examples, tokenizer, 8, **options)]

    assert labels([PAIR, SINGLE], label_list=["1", "0"], output_mode="classification") == [0, 1]
    assert labels([PAIR], task="mrpc", label_list=["0", "x", "1"]) == [2]
    assert labels([InputExample("3", "a", "a", label="3.5")], task="sts-b") == [3.5]
    assert labels([InputExample("4", "a")], task="cola") == [None]
    assert labels([], task="cola") == []
    with pytest.raises(ValueError, match=r"example 1: the label '1' is none of entailment, not_entailment"):
        labels([PAIR], task="rte")
    with pytest.raises(ValueError, match=r"example 5: the label 'x' is no number"):
        labels([InputExample("5", "a", "a", label="x")], task="sts-b")
    with pytest.raises(ValueError, match=r"output_mode=None is not classification or regression; task= has one"):
        labels([PAIR], label_list=["1"])
    with pytest.raises(ValueError, match=r"a classification needs task= or label_list="):
        labels([PAIR], output_mode="classification")
    with pytest.raises(ValueError, match=r"there is no task 'snli' but cola"):
        labels([PAIR], task="snli")


def test_many_examples_keep_their_order(tokenizer: WordPieceTokenizer) -> None:
    examples = [SINGLE if number % 3 else PAIR for number in range(2500)]
    found = glue_convert_examples_to_features(examples, tokenizer, 14, "mrpc")
    first, second = glue_convert_examples_to_features([PAIR, SINGLE], tokenizer, 14, "mrpc")
    assert found == [second if number % 3 else first for number in range(2500)]
