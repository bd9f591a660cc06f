from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

import tx_bert.tokenizer
from tx_bert.tokenizer import BertTokenizer, WordpieceTokenizer, load_vocab
from tx_testing.data import data_path

TOKENS = ["[UNK]", "[CLS]", "[SEP]", "want", "##want", "##ed", "wa", "un", "runn", "##ing", ",", "low", "lowest"]


@pytest.fixture
def vocab_file(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("".join(f"{token}\n" for token in TOKENS), encoding="utf-8")
    return path


def test_tokens_of_a_small_vocabulary(vocab_file):
    tokenizer = BertTokenizer(vocab_file)
    tokens = tokenizer.tokenize("UNwant\u00c9d,running")
    assert tokens == ["un", "##want", "##ed", ",", "runn", "##ing"]
    assert tokenizer.convert_tokens_to_ids(tokens) == [7, 4, 5, 10, 8, 9]
    assert tokenizer.vocab_size == len(tokenizer) == len(TOKENS)


def test_special_tokens_around_sequences(vocab_file):
    tokenizer = BertTokenizer(vocab_file)
    text = tokenizer.encode("un low", add_special_tokens=False)
    pair = tokenizer.encode("wa", add_special_tokens=False)
    assert tokenizer.build_inputs_with_special_tokens(text) == [1, *text, 2]
    assert tokenizer.build_inputs_with_special_tokens(text, pair) == [1, *text, 2, *pair, 2]
    assert tokenizer("un low", "wa")["token_type_ids"] == [0, 0, 0, 0, 1, 1]


def test_what_2019_imported_from_here():
    for name in (
        "BasicTokenizer",
        "WordpieceTokenizer",
        "_is_control",
        "_is_punctuation",
        "_is_whitespace",
        "load_vocab",
    ):
        assert hasattr(tx_bert.tokenizer, name)


def test_published_names():
    names = list(BertTokenizer.max_model_input_sizes)
    assert names[:3] == ["bert-base-uncased", "bert-large-uncased", "bert-base-cased"]
    assert names == list(BertTokenizer.pretrained_vocab_files_map["vocab_file"])
    assert names == list(BertTokenizer.pretrained_init_configuration)
    assert set(BertTokenizer.max_model_input_sizes.values()) == {512}
    for name in names:
        lower = BertTokenizer.pretrained_init_configuration[name]["do_lower_case"]
        assert lower is ("uncased" in name)
        url = BertTokenizer.pretrained_vocab_files_map["vocab_file"][name]
        assert url == f"https://huggingface.co/{name}/resolve/main/vocab.txt"


def test_saved_and_loaded(vocab_file, tmp_path):
    tokenizer = BertTokenizer.from_pretrained(tmp_path, max_len=42, do_lower_case=False)
    tokenizer.save_pretrained(tmp_path / "saved")
    again = BertTokenizer.from_pretrained(tmp_path / "saved")
    assert (again.max_len, again.do_lower_case) == (42, False)
    assert again.vocab == tokenizer.vocab
    assert type(pickle.loads(pickle.dumps(again))) is BertTokenizer  # noqa: S301 - made here


def test_the_module_imports_little():
    code = (
        "import sys, tx_bert.tokenizer;"
        "print(*[n for n in ('numpy', 'requests', 'torch', 'tensorflow', 'typing', 'dataclasses') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # typing may be imported by an interpreter's own start (site packages' .pth files)
    start = subprocess.run(
        [sys.executable, "-c", "import sys; print('typing' in sys.modules, 'dataclasses' in sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    allowed = {
        name for name, there in zip(("typing", "dataclasses"), start.stdout.split(), strict=True) if there == "True"
    }
    assert set(done.stdout.split()) <= allowed


def test_the_published_uncased_vocabulary():
    tokenizer = BertTokenizer.from_pretrained(data_path("vocab/bert-base-uncased"))
    assert tokenizer.vocab_size == 30522
    assert tokenizer.encode("sequence builders") == [101, 5537, 16472, 102]
    assert tokenizer.encode("[CLS] Who was Jim Henson ? [SEP]", add_special_tokens=False) == [
        *(101, 2040, 2001, 3958, 27227, 1029, 102)
    ]
    tokens = tokenizer.tokenize("Jim Henson was a puppeteer [MASK].")
    assert tokens == ["jim", "henson", "was", "a", "puppet", "##eer", "[MASK]", "."]


def test_the_published_cased_vocabulary():
    tokenizer = BertTokenizer.from_pretrained(data_path("vocab/bert-base-cased"), do_lower_case=False)
    assert tokenizer.vocab_size == 28996
    assert tokenizer.tokenize("Jim Henson was a puppeteer") == ["Jim", "He", "##nson", "was", "a", "puppet", "##eer"]
    pieces = WordpieceTokenizer(load_vocab(data_path("vocab/bert-base-cased") / "vocab.txt"), "[UNK]")
    assert pieces.tokenize("Jim Henson") == ["Jim", "He", "##nson"]
