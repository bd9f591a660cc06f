"""XLNetTokenizer: its rules, layout and files."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import time

import pytest

from tx_testing import clock, spiece
from tx_testing.data import data_path
from tx_testing.spiece import NORMAL
from tx_xlnet.tokenizer import XLNetTokenizer

PIECES = [
    *spiece.SPECIAL,
    *spiece.letters("abcdefghijklmnopqrstuvwxyzABC0123456789.,\"'"),
    ("\u2581low", -2.0, NORMAL),
    ("er", -2.0, NORMAL),
    ("9,", -1.0, NORMAL),
    ("\u258119,", -1.0, NORMAL),
]
IDS = {piece: index for index, (piece, _, _) in enumerate(PIECES)}


@pytest.fixture
def tokenizer(tmp_path):
    path = tmp_path / "spiece.model"
    path.write_bytes(spiece.model(PIECES))
    return XLNetTokenizer(path)


@pytest.fixture
def published():
    return XLNetTokenizer.from_pretrained(data_path("vocab/xlnet-base-cased"))


def test_layout(tokenizer):
    low, sep, cls = IDS["\u2581low"], IDS["<sep>"], IDS["<cls>"]
    assert tokenizer.encode("low") == [low, sep, cls]
    assert tokenizer.encode("low", "low") == [low, sep, low, sep, cls]
    pair = tokenizer.encode_plus("low", "low low", return_special_tokens_mask=True)
    assert pair["token_type_ids"] == [0, 0, 1, 1, 1, 2]
    assert pair["special_tokens_mask"] == [0, 1, 0, 0, 1, 1]
    assert tokenizer.create_token_type_ids_from_sequences([5], [5, 5]) == [0, 0, 1, 1, 1, 2]
    assert (tokenizer.num_added_tokens(), tokenizer.num_added_tokens(pair=True)) == (2, 3)


def test_padding_stands_on_the_left(tokenizer):
    batch = tokenizer(["low", "low low"], padding=True)
    assert batch["input_ids"][0] == [IDS["<pad>"], IDS["\u2581low"], IDS["<sep>"], IDS["<cls>"]]
    assert batch["attention_mask"] == [[0, 1, 1, 1], [1, 1, 1, 1]]
    assert batch["token_type_ids"][0] == [3, 0, 0, 2]


def test_a_comma_after_a_digit_is_a_token(tokenizer):
    assert tokenizer.tokenize("9,") == ["\u2581", "9", ","]
    assert tokenizer.tokenize("19,") == ["\u2581", "1", "9", ","]
    assert tokenizer.tokenize("low,") == ["\u2581low", ","]
    encoding = tokenizer("low 19, er", add_special_tokens=False, return_offsets_mapping=True)
    assert [("low 19, er"[a:b]) for a, b in encoding["offset_mapping"] if a < b] == ["low", "1", "9", ",", "er"]


def test_accents_case_spaces_and_quotation_marks(tokenizer):
    path = tokenizer.sp_model.model.name
    assert tokenizer.tokenize("lów  ``er''") == ["\u2581low", "\u2581", '"', "er", '"']
    assert tokenizer.tokenize("LOW")[0] != "\u2581low"
    assert XLNetTokenizer(path, do_lower_case=True).tokenize("LÓW") == ["\u2581low"]
    kept = XLNetTokenizer(path, keep_accents=True)
    assert "ó" in kept.tokenize("lów")
    spaced = XLNetTokenizer(path, remove_space=False)
    assert spaced.tokenize("low\tlow") != tokenizer.tokenize("low\tlow") == ["\u2581low"] * 2


def test_decoding(tokenizer):
    ids = tokenizer.encode("low lower 19, a")
    assert tokenizer.decode(ids, skip_special_tokens=True) == "low lower 19, a"
    assert tokenizer.decode(ids).endswith("<sep><cls>")
    assert tokenizer.convert_tokens_to_string(["\u2581low", "er"]) == "lower"


def test_special_tokens_in_a_text(tokenizer):
    low = IDS["\u2581low"]
    assert tokenizer.encode("low <mask> low", add_special_tokens=False) == [low, IDS["<mask>"], low]
    assert tokenizer.encode("low<eod>", add_special_tokens=False) == [low, IDS["<eod>"]]


def test_saved_and_read_again(tokenizer, tmp_path):
    other = XLNetTokenizer(tokenizer.sp_model.model.name, do_lower_case=True)
    other.add_tokens(["newtoken"])
    folder = tmp_path / "saved"
    other.save_pretrained(folder)
    assert (folder / "spiece.model").read_bytes() == spiece.model(PIECES)
    assert json.loads((folder / "tokenizer_config.json").read_text())["do_lower_case"] is True
    again = XLNetTokenizer.from_pretrained(folder)
    assert again.do_lower_case
    for text in ("LOW newtoken lower", "19, er"):
        assert again.encode(text) == other.encode(text)
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "spiece.model").write_bytes(spiece.model(PIECES))
    assert XLNetTokenizer.from_pretrained(alone).encode("lower") == tokenizer.encode("lower")


def test_copies_and_pickles(tokenizer):
    for again in (copy.deepcopy(tokenizer), pickle.loads(pickle.dumps(tokenizer))):  # noqa: S301 - our own
        assert again.encode("lower 19, low") == tokenizer.encode("lower 19, low")


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "spiece.model").write_bytes(spiece.model(PIECES)[:-9])
    with pytest.raises(ValueError, match=r"spiece\.model: .*cut off"):
        XLNetTokenizer.from_pretrained(tmp_path)


def test_sizes_of_the_published_models() -> None:
    names = list(XLNetTokenizer.pretrained_vocab_files_map["vocab_file"])
    assert XLNetTokenizer.max_model_input_sizes == dict.fromkeys(names)


def test_published_vocabulary(published):
    assert len(published) == 32000
    assert published.tokenize("I was born in 1999, falsé") == [
        *("\u2581I", "\u2581was", "\u2581born", "\u2581in", "\u25811999", ",", "\u2581false"),
    ]
    assert (published.sep_token_id, published.cls_token_id, published.pad_token_id) == (4, 3, 5)
    text = "sequence builders, 1,299.95 of them; naïve ﬁnd"
    encoding = published(text, add_special_tokens=False, return_offsets_mapping=True)
    assert encoding["input_ids"] == published.encode(text, add_special_tokens=False)
    pieces = [text[start:end] for start, end in encoding["offset_mapping"]]
    assert "".join(pieces) == text.replace(" ", "")


def test_tokens_stand_alone_in_decoded_text(tokenizer):
    tokenizer.add_tokens("neu")
    ids = tokenizer.encode("low er", "lower neu.")
    assert tokenizer.decode(ids) == "low er<sep>lowerneu.<sep><cls>"
    assert tokenizer.decode(ids, skip_special_tokens=True) == "low er lowerneu."


def test_lower_case_is_that_of_single_characters(tokenizer):
    lowered = XLNetTokenizer(tokenizer.sp_model.model.name, do_lower_case=True)
    assert lowered.tokenize("LOW \u0130 \u039f\u03a3") == ["\u2581low", "\u2581", "i", "\u2581", "\u03bf\u03c3"]
    assert tokenizer.tokenize("l\u00b9, 19,") == ["\u2581", "l", "1", ",", "\u2581", "1", "9", ","]


def test_masks_take_the_space_before_them_and_offsets_do_not_take_a_words(tokenizer):
    encoding = tokenizer("low <mask> a", return_offsets_mapping=True)
    assert encoding.tokens() == ["\u2581low", "<mask>", "\u2581", "a", "<sep>", "<cls>"]
    assert encoding["offset_mapping"] == [(0, 3), (3, 10), (11, 11), (11, 12), (0, 0), (0, 0)]
    assert encoding.word_ids() == [0, 1, 2, 2, None, None]
    assert "<mask>" not in tokenizer.tokenize("low <mask>", split_special_tokens=True)


def test_rows_of_what_overflows(tokenizer):
    low, sep, cls = IDS["\u2581low"], IDS["<sep>"], IDS["<cls>"]
    rows = tokenizer("low low low", max_length=4, truncation=True, return_overflowing_tokens=True)
    assert rows["input_ids"] == [[low, low, sep, cls], [low, sep, cls]]
    assert tokenizer.max_len > 10**11


def test_a_folder_of_the_compiled_tokenizer_alone_is_refused(tmp_path):
    (tmp_path / "tokenizer.json").write_text('{"model": {"type": "Unigram", "vocab": []}}')
    with pytest.raises(ValueError, match=r"tokenizer\.json: XLNetTokenizer needs spiece\.model"):
        XLNetTokenizer.from_pretrained(tmp_path)


def test_importing_loads_neither_frameworks_nor_the_program():
    code = "import sys, tx_xlnet.tokenizer; assert not {'sentencepiece', 'torch', 'numpy'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_time_is_linear_without_spaces(tokenizer):
    start = time.process_time()
    tokenizer("low9," * 20_000, return_offsets_mapping=True)
    assert time.process_time() - start < clock.allowed(15)  # quadratic time would be minutes
