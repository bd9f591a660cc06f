from __future__ import annotations

import pytest

from tx_ctrl.tokenizer import CONTROL_CODES, CTRLTokenizer

TOKENS = ["adapt", "re@@", "a@@", "apt", "c@@", "t", "<unk>"] + ["\n"]
MERGES = [("a", "p"), ("ap", "t</w>"), ("r", "e"), ("a", "d"), ("ad", "apt</w>")]


@pytest.fixture
def tokenizer():
    return CTRLTokenizer(vocab={token: index for index, token in enumerate(TOKENS)}, merges=MERGES)


def test_pieces_inside_a_word_are_marked(tokenizer):
    assert tokenizer.tokenize("adapt react readapt apt") == ["adapt", "re@@", "a@@", "c@@", "t", "re@@", "adapt", "apt"]
    assert tokenizer.encode("adapt react readapt apt") == [0, 1, 2, 4, 5, 1, 0, 3]
    assert tokenizer.decode([0, 1, 2, 4, 5, 1, 0, 3]) == "adapt react readapt apt"
    assert tokenizer.encode("zz") == [6, 6]


def test_spaces_before_marks_stay():
    tokenizer = CTRLTokenizer(vocab={"t": 0, "?": 1, "<unk>": 2}, merges=[])
    assert tokenizer.decode([0, 1]) == "t ?"
    assert tokenizer.decode([0, 1], clean_up_tokenization_spaces=True) == "t?"


def test_a_line_end_belongs_to_its_word(tokenizer):
    assert tokenizer.tokenize("react\nadapt") == ["re@@", "a@@", "c@@", "t@@", "\n", "adapt"]
    assert tokenizer.tokenize("t\n") == ["t@@", "\n"]
    assert tokenizer.tokenize("t \n t") == ["t", "t"]
    assert tokenizer.tokenize("t\x1cz") == ["t@@", "\x1c@@", "z"]  # divides nothing


def test_offsets(tokenizer):
    text = " react\n\tadapt  apt"
    encoding = tokenizer(text, return_offsets_mapping=True)
    assert encoding["input_ids"] == tokenizer.encode(text)
    pieces = [text[start:end] for start, end in encoding["offset_mapping"]]
    assert pieces == ["re", "a", "c", "t", "\n", "adapt", "apt"]


def test_save_and_load(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    again = CTRLTokenizer.from_pretrained(tmp_path)
    assert again.encode("readapt") == tokenizer.encode("readapt")
    assert list(tokenizer("apt")) == ["input_ids", "token_type_ids", "attention_mask"]


def test_control_codes():
    assert len(CONTROL_CODES) == 55
    assert CTRLTokenizer.control_codes is CONTROL_CODES
    assert CTRLTokenizer.max_model_input_sizes == {"ctrl": 256}
