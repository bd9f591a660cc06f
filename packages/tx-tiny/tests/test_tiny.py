"""The models' files: there, small, found without a network; tokenizers; the log of their training."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points, metadata, version
from pathlib import Path

import pytest

import tx_tiny
from tx_bert import BertConfig, BertTokenizer
from tx_core.auto import AutoConfig, AutoTokenizer
from tx_core.checkpoints import open_checkpoint
from tx_core.files import RepositoryNotFoundError, locate
from tx_distilbert import DistilBertConfig, DistilBertTokenizer
from tx_gpt2 import GPT2Config, GPT2Tokenizer
from tx_roberta import RobertaConfig, RobertaTokenizer
from tx_tiny import MODELS
from tx_transfo_xl import TransfoXLConfig, TransfoXLTokenizer
from tx_xlnet import XLNetConfig, XLNetTokenizer

COMMON = {"config.json", "model.safetensors", "special_tokens_map.json", "tokenizer_config.json", "training.jsonl"}
FILES = {
    "bert": {*COMMON, "vocab.txt"},
    "distilbert": {*COMMON, "vocab.txt"},
    "gpt2": {*COMMON, "vocab.json", "merges.txt"},
    "roberta": {*COMMON, "vocab.json", "merges.txt"},
    "transfo-xl": {*COMMON, "vocab.txt"},
    "xlnet": {*COMMON, "spiece.model"},
}
TEXT = (
    'The ship left Lisbon in 1902; "nobody", wrote Zoë, "has seen it since" -- not even naïve 船员 🚢.\n  Two spaces.'
)


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TX_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))
    monkeypatch.chdir(tmp_path)


def test_models_are_those_that_the_documents_name() -> None:
    assert {path.name for path in MODELS.iterdir() if path.is_dir()} == set(FILES)
    (point,) = entry_points(group="tx.models", name="tx-tiny")
    assert point.value == "tx_tiny:MODELS"
    assert point.load() == MODELS


@pytest.mark.parametrize("model", sorted(FILES))
def test_files_are_complete_and_small(model: str) -> None:
    files = {path.name: path.stat().st_size for path in (MODELS / model).iterdir()}
    assert set(files) == FILES[model]
    assert sum(files.values()) <= 4_000_000
    for name in files:
        assert locate(f"tx-tiny/{model}", [name]) == MODELS / model / name


@pytest.mark.parametrize("model", sorted(FILES))
def test_weights_are_in_half_precision(model: str) -> None:
    with open_checkpoint(MODELS / model / "model.safetensors") as checkpoint:
        assert checkpoint.names()
        assert {checkpoint.info(name).dtype for name in checkpoint.names()} == {"float16"}


def test_unknown_model_is_refused_without_a_request() -> None:
    with pytest.raises(
        RepositoryNotFoundError,
        match="tx-tiny has no model 'xlm'; it has bert, distilbert, gpt2, roberta, transfo-xl, xlnet",
    ):
        AutoConfig.from_pretrained("tx-tiny/xlm")


def test_configurations() -> None:
    bert, gpt2 = AutoConfig.from_pretrained("tx-tiny/bert"), AutoConfig.from_pretrained("tx-tiny/gpt2")
    assert (type(bert), type(gpt2)) == (BertConfig, GPT2Config)
    assert bert == BertConfig.from_pretrained("tx-tiny/bert")
    for config, length in ((bert, 128), (gpt2, 256)):
        assert (config.hidden_size, config.num_hidden_layers, config.vocab_size) == (160, 4, 3072)
        assert config.max_position_embeddings == length
    assert gpt2.eos_token_id == gpt2.bos_token_id == 3071


def test_configurations_of_the_students() -> None:
    distilbert = AutoConfig.from_pretrained("tx-tiny/distilbert")
    roberta = AutoConfig.from_pretrained("tx-tiny/roberta")
    assert (type(distilbert), type(roberta)) == (DistilBertConfig, RobertaConfig)
    assert (distilbert.dim, distilbert.n_layers, distilbert.vocab_size) == (160, 2, 3072)
    assert distilbert.max_position_embeddings == 128
    assert (roberta.hidden_size, roberta.num_hidden_layers, roberta.vocab_size) == (160, 4, 3076)
    assert (roberta.max_position_embeddings, roberta.pad_token_id) == (130, 1)  # 128, counted from 2


def test_configurations_of_the_models_with_memory() -> None:
    words, pieces = AutoConfig.from_pretrained("tx-tiny/transfo-xl"), AutoConfig.from_pretrained("tx-tiny/xlnet")
    assert (type(words), type(pieces)) == (TransfoXLConfig, XLNetConfig)
    assert (words.d_model, words.n_layer, words.vocab_size, words.mem_len) == (160, 3, 8743, 128)
    assert (words.cutoffs, words.div_val, words.same_length) == ([2000, 5000], 4, True)
    assert (pieces.d_model, pieces.n_layer, pieces.vocab_size, pieces.mem_len) == (160, 4, 3072, None)


def test_gpt2_tokenizer_is_lossless() -> None:
    tokenizer = GPT2Tokenizer.from_pretrained("tx-tiny/gpt2")
    assert len(tokenizer) == tokenizer.vocab_size == 3072
    assert tokenizer.eos_token_id == 3071
    assert tokenizer.max_len == 256
    assert tokenizer.decode(tokenizer.encode(TEXT)) == TEXT
    assert len(tokenizer.encode("The film was released in the United States")) <= 9
    assert type(AutoTokenizer.from_pretrained("tx-tiny/gpt2")) is GPT2Tokenizer


def test_bert_tokenizer_is_uncased_and_round_trips() -> None:
    tokenizer = BertTokenizer.from_pretrained("tx-tiny/bert")
    assert len(tokenizer) == tokenizer.vocab_size == 3072
    assert tokenizer.max_len == 128
    assert sorted(tokenizer.all_special_ids) == [0, 1, 2, 3, 4]
    ids = tokenizer.encode("The Army's ships, built in 1902, were SUNK.", add_special_tokens=False)
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids) == "the army's ships, built in 1902, were sunk."
    assert tokenizer.tokenize("The film was released") == ["the", "film", "was", "released"]
    assert tokenizer.tokenize("船") == ["[UNK]"]
    assert type(AutoTokenizer.from_pretrained("tx-tiny/bert")) is BertTokenizer


def test_distilbert_tokenizer_is_berts() -> None:
    tokenizer = DistilBertTokenizer.from_pretrained("tx-tiny/distilbert")
    bert = BertTokenizer.from_pretrained("tx-tiny/bert")
    assert (len(tokenizer), tokenizer.max_len) == (3072, 128)
    assert tokenizer.encode(TEXT) == bert.encode(TEXT)
    assert type(AutoTokenizer.from_pretrained("tx-tiny/distilbert")) is DistilBertTokenizer


def test_roberta_tokenizer_is_gpt2s_with_special_tokens_of_its_own() -> None:
    tokenizer, gpt2 = RobertaTokenizer.from_pretrained("tx-tiny/roberta"), GPT2Tokenizer.from_pretrained("tx-tiny/gpt2")
    assert len(tokenizer) == tokenizer.vocab_size == 3076
    assert tokenizer.max_len == 128
    assert tokenizer.convert_tokens_to_ids(["<s>", "<pad>", "</s>", "<unk>", "<mask>"]) == [0, 1, 2, 3, 3075]
    assert tokenizer.tokenize(TEXT) == gpt2.tokenize(TEXT)
    assert tokenizer.encode(TEXT) == [0, *(index + 4 for index in gpt2.encode(TEXT)), 2]
    assert tokenizer.decode(tokenizer.encode(TEXT), skip_special_tokens=True) == TEXT
    assert type(AutoTokenizer.from_pretrained("tx-tiny/roberta")) is RobertaTokenizer


def test_transfo_xl_tokenizer_knows_the_words_of_the_training_text() -> None:
    tokenizer = TransfoXLTokenizer.from_pretrained("tx-tiny/transfo-xl")
    assert len(tokenizer) == tokenizer.vocab_size == 8743
    assert (tokenizer.eos_token_id, tokenizer.unk_token_id) == (0, 1)
    text = "In 1944, the well-known ship wasn't sunk; it had 1,500 men."
    ids = tokenizer.encode(text, add_eos=True)
    assert tokenizer.unk_token_id not in ids
    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
    assert tokenizer.tokenize("Zoë's 1,500") == ["Zoë", "'s", "1", "@,@", "500"]
    assert tokenizer.encode("Zoë") == [1]
    assert type(AutoTokenizer.from_pretrained("tx-tiny/transfo-xl")) is TransfoXLTokenizer


def test_xlnet_tokenizer_round_trips_but_for_accents_and_spaces() -> None:
    tokenizer = XLNetTokenizer.from_pretrained("tx-tiny/xlnet")
    assert len(tokenizer) == tokenizer.vocab_size == 3072
    assert tokenizer.max_len == 128
    special = ["<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>", "<eod>", "<eop>"]
    assert tokenizer.convert_tokens_to_ids(special) == [*range(9)]  # as published
    ids = tokenizer.encode('The ship left in 1902; "nobody", wrote Zoë,  "has seen it since".')
    assert ids[-2:] == [4, 3]
    decoded = tokenizer.decode(ids, skip_special_tokens=True)
    assert decoded == 'The ship left in 1902; "nobody", wrote Zoe, "has seen it since".'
    assert tokenizer.tokenize("The film was released") == ["▁The", "▁film", "▁was", "▁released"]
    assert tokenizer.unk_token_id in tokenizer.encode("船")
    assert type(AutoTokenizer.from_pretrained("tx-tiny/xlnet")) is XLNetTokenizer


@pytest.mark.parametrize("model", sorted(FILES))
def test_log_of_the_training_holds_settings_and_held_out_results(model: str) -> None:
    lines = [json.loads(line) for line in (MODELS / model / "training.jsonl").read_text().splitlines()]
    assert lines[0]["task"] == model
    assert lines[0]["seed"] == 1
    assert set(lines[2]["sha256"]) == {"lm/wikitext-2-raw/wiki.test.raw", "vocab/sentencepiece/botchan.txt"}
    dev, test = lines[-2:]
    assert (dev["part"], test["part"]) == ("dev", "test")
    best = min(line["perplexity"] for line in lines if "step" in line)
    assert dev["perplexity"] == pytest.approx(best, rel=1e-3)  # the weights kept are the best on the dev part
    card = (MODELS / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert str(test["perplexity"]) in card


def test_licences_travel_with_the_package() -> None:
    assert metadata("tx-tiny")["License-Expression"] == "Apache-2.0 AND CC-BY-SA-3.0"
    assert "https://creativecommons.org/licenses/by-sa/3.0/" in (MODELS / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_version_is_that_of_the_metadata() -> None:
    assert tx_tiny.__version__ == version("tx-tiny")
    with pytest.raises(AttributeError, match="'tx_tiny' has no attribute 'models'"):
        tx_tiny.models  # noqa: B018


def test_importing_the_package_is_cheap() -> None:
    code = (
        "import sys, tx_tiny\n"
        "assert not {'torch', 'tensorflow', 'keras', 'numpy', 'importlib.metadata', 'tx_core'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
