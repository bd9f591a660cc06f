"""The dictionary in the authors' own checkpoints as a tokenizer's vocabulary."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tx_core.auto import AutoTokenizer
from tx_core.checkpoints import CheckpointError
from tx_testing.data import data_path
from tx_testing.originals import XLM_WORDS, write_training, write_xlm, xlm, xlm_notes
from tx_xlm import XLMTokenizer

NAME = "mlm_ende_1024.pth"
SYMBOLS = [*XLM_WORDS[:14], *(w[:-2] if w.endswith("@@") else f"{w}</w>" for w in XLM_WORDS[14:])]


def write_codes(folder: Path, name: str = "codes_ende") -> None:
    (folder / name).write_text("t h 9\nl o 7\nth e</w> 6\nlo w</w> 5\n")


def test_the_dictionary_is_the_vocabulary(tmp_path: Path) -> None:
    write_xlm(tmp_path / NAME)
    write_codes(tmp_path)
    assert SYMBOLS[14:21] == [",</w>", "the</w>", "th", "e</w>", "lo", "w</w>", "er</w>"]
    for path in (tmp_path, tmp_path / NAME):
        tokenizer = XLMTokenizer.from_pretrained(path)
        assert tokenizer.encoder == {token: index for index, token in enumerate(SYMBOLS)}
        assert (tokenizer.lang2id, tokenizer.id2lang) == ({"de": 0, "en": 1}, {0: "de", 1: "en"})
        assert (tokenizer.max_len, tokenizer.do_lowercase_and_remove_accent) == (16, True)
        assert tokenizer.tokenize("The low, th") == ["the</w>", "low</w>", ",</w>", "t", "h</w>"]
        assert tokenizer.encode("the ,") == [0, 15, 14, 1]
    made = XLMTokenizer(str(tmp_path / NAME), str(tmp_path / "codes_ende"))
    assert made.encoder == tokenizer.encoder
    tokenizer.save_pretrained(tmp_path / "saved")
    again = XLMTokenizer.from_pretrained(tmp_path / "saved")
    assert (again.encoder, again.bpe_ranks, again.lang2id) == (
        tokenizer.encoder,
        tokenizer.bpe_ranks,
        {"de": 0, "en": 1},
    )


def test_the_authors_list_of_words_comes_first(tmp_path: Path) -> None:
    write_xlm(tmp_path / NAME)
    write_codes(tmp_path)
    (tmp_path / "vocab_ende").write_text("the 9\nth@@ 8\n")
    assert [*XLMTokenizer.from_pretrained(tmp_path).encoder][14:] == ["the</w>", "th"]
    assert len(XLMTokenizer.from_pretrained(tmp_path / NAME)) == len(XLM_WORDS)


def test_codes_of_the_model_of_several(tmp_path: Path) -> None:
    for name, codes in (("mlm_enfr_1024.pth", "codes_enfr"), ("mlm_tlm_xnli15_1024.pth", "codes_xnli_15")):
        write_xlm(tmp_path / name)
        write_codes(tmp_path, codes)
    with (tmp_path / "codes_xnli_15").open("a") as file:
        file.write("h t 1\n")
    assert len(XLMTokenizer.from_pretrained(tmp_path / "mlm_enfr_1024.pth").bpe_ranks) == 4
    assert len(XLMTokenizer.from_pretrained(tmp_path / "mlm_tlm_xnli15_1024.pth").bpe_ranks) == 5
    write_xlm(tmp_path / "checkpoint.pth")
    with pytest.raises(ValueError, match=r"of codes_enfr, codes_xnli_15, one has to be this model's: keep it"):
        XLMTokenizer.from_pretrained(tmp_path / "checkpoint.pth")


@pytest.mark.parametrize("name", ["mlm_17_1280.pth", "mlm_100_1280.pth"])
def test_models_that_keep_case_and_accents(name: str, tmp_path: Path) -> None:
    write_xlm(tmp_path / name)
    write_codes(tmp_path, f"codes_xnli_{name.split('_')[1]}")
    for path in (tmp_path, tmp_path / name):
        tokenizer = XLMTokenizer.from_pretrained(path)
        assert tokenizer.do_lowercase_and_remove_accent is False
        assert tokenizer.tokenize("The") == ["T", "h", "e</w>"]
    assert XLMTokenizer.from_pretrained(tmp_path, do_lowercase_and_remove_accent=True).tokenize("The") == ["the</w>"]


def test_codes_that_are_missing(tmp_path: Path) -> None:
    write_xlm(tmp_path / NAME)
    for path in (tmp_path, tmp_path / NAME):
        with pytest.raises(FileNotFoundError, match=rf"needs the codes of its BPE, .* beside {NAME}: add codes_ende"):
            XLMTokenizer.from_pretrained(path)


@pytest.mark.parametrize(
    ("notes", "message"),
    [
        ({"dico_id2word": None}, "has no dico_id2word that begins with XLM's special words"),
        ({"dico_id2word": {0: "the", 1: "e"}}, "has no dico_id2word that begins with XLM's special words"),
        ({"dico_id2word": {1: "the"}}, "no list of words by their ids"),
        ({"dico_id2word": dict(enumerate([*XLM_WORDS, "the"]))}, "has 'the', which is no word or there twice"),
        (
            {"dico_id2word": dict(enumerate([*XLM_WORDS[:-2], "a</w>@@", "a"]))},
            "two words of its .* are the same symbol",
        ),
        ({"dico_id2word": dict(enumerate([*XLM_WORDS, "a"]))}, "has 28 vectors of words, but 29 words in dico_id2word"),
        ({"params": {}}, "do not say n_heads"),
    ],
)
def test_dictionaries_that_are_none(notes: dict[str, Any], message: str, tmp_path: Path) -> None:
    write_training(tmp_path / NAME, xlm(), **{**xlm_notes(), **notes})
    write_codes(tmp_path)
    with pytest.raises(CheckpointError, match=rf"{NAME}: .*{message}"):
        XLMTokenizer.from_pretrained(tmp_path)


def test_the_auto_class(tmp_path: Path) -> None:
    folder = tmp_path / "xlm-mlm-ende"
    folder.mkdir()
    write_xlm(folder / NAME)
    write_codes(folder)
    for path in (folder, folder / NAME):
        assert type(AutoTokenizer.from_pretrained(str(path))) is XLMTokenizer


def test_real_words(tmp_path: Path) -> None:
    """The dictionary that the authors' code makes of their list of words gives the same tokenizer."""
    source = data_path("vocab/xlm-ende")
    wanted = XLMTokenizer.from_pretrained(source)
    words = [*XLM_WORDS[:14], *(f"{w}@@" if not w.endswith("</w>") else w[:-4] for w in [*wanted.encoder][14:])]
    notes = {**xlm_notes(n_words=len(words)), "dico_id2word": dict(enumerate(words))}
    write_training(tmp_path / NAME, {**xlm(), "embeddings.weight": np.zeros((len(words), 8), np.float32)}, **notes)
    shutil.copy(source / "codes_ende", tmp_path)
    tokenizer = XLMTokenizer.from_pretrained(tmp_path)
    assert tokenizer.encoder == wanted.encoder
    ids = tokenizer.encode("Hallo, schöne Welt!", lang="de", add_special_tokens=False)
    assert ids == [14208, 258, 14, 434, 123, 7447, 249]
