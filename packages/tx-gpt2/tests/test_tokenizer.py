from __future__ import annotations

import shutil

import pytest

from tx_gpt2.config import GPT2Config
from tx_gpt2.tokenizer import GPT2Tokenizer, bytes_to_unicode
from tx_testing.data import data_path
from tx_testing.texts import awkward_texts


@pytest.fixture
def tokenizer():
    """All bytes and a few merges."""
    merges = [("l", "o"), ("lo", "w"), ("e", "r"), ("Ġ", "low"), ("n", "e")]
    tokens = [*bytes_to_unicode().values(), *("".join(pair) for pair in merges), "<|endoftext|>"]
    return GPT2Tokenizer(vocab={token: index for index, token in enumerate(tokens)}, merges=merges)


def test_tokens(tokenizer):
    assert tokenizer.tokenize("low lower newer") == ["low", "Ġlow", "er", "Ġ", "ne", "w", "er"]
    assert tokenizer.tokenize("low", add_prefix_space=True) == ["Ġlow"]
    assert tokenizer.tokenize(" low", add_prefix_space=True) == ["Ġlow"]
    assert tokenizer.encode("low", add_prefix_space=True) == tokenizer.encode(" low")


def test_published_tokens(tokenizer):
    assert tokenizer.bos_token == tokenizer.eos_token == tokenizer.unk_token == "<|endoftext|>"
    assert tokenizer.pad_token is None
    end = tokenizer.eos_token_id
    low = tokenizer.convert_tokens_to_ids("low")
    assert tokenizer.encode("low<|endoftext|>low") == [low, end, low]
    assert tokenizer.encode("low", "low") == [low, low]
    assert tokenizer.num_added_tokens(pair=True) == 0
    assert list(tokenizer("low")) == ["input_ids", "attention_mask"]
    assert tokenizer.encode_plus("low", "low")["token_type_ids"] == [0, 1]
    with pytest.raises(ValueError, match=r"pad_token = tokenizer\.eos_token"):
        tokenizer(["low", "low low"], padding=True)


def test_a_beginning_token_where_a_file_asks_for_it(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    other = GPT2Tokenizer.from_pretrained(tmp_path, add_bos_token=True)
    other.save_pretrained(tmp_path)
    again = GPT2Tokenizer.from_pretrained(tmp_path)
    end, low = tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("low")
    assert again.encode("low", "low") == [end, low, end, low]
    assert again.encode("low", add_special_tokens=False) == [low]


def test_decoding_gives_back_what_was_encoded(tmp_path):
    tokenizer = GPT2Tokenizer.from_pretrained(data_path("vocab/gpt2"))
    for text in ("y is ?", "a , b . do n't 'm ' x", " 's !"):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    tokenizer.save_pretrained(tmp_path)
    assert GPT2Tokenizer.from_pretrained(tmp_path).decode(tokenizer.encode("y is ?")) == "y is ?"
    tidy = GPT2Tokenizer.from_pretrained(tmp_path, clean_up_tokenization_spaces=True)
    assert tidy.decode(tokenizer.encode("y is ?")) == "y is?"


def test_maps_of_published_names():
    assert list(GPT2Tokenizer.max_model_input_sizes) == list(GPT2Tokenizer.pretrained_vocab_files_map["merges_file"])
    assert GPT2Tokenizer.max_model_input_sizes["gpt2-medium"] == 1024
    assert GPT2Tokenizer.vocab_files_names == {"vocab_file": "vocab.json", "merges_file": "merges.txt"}


def test_the_published_vocabulary(tmp_path):
    tokenizer = GPT2Tokenizer.from_pretrained(data_path("vocab/gpt2"))
    assert tokenizer.vocab_size == 50257
    assert tokenizer.encode("Hello world, it's 2019!") == [15496, 995, 11, 340, 338, 13130, 0]
    assert tokenizer.eos_token_id == 50256
    for text in awkward_texts():
        assert tokenizer.decode(tokenizer.encode(text)) == text
    tokenizer.save_pretrained(tmp_path)
    again = GPT2Tokenizer.from_pretrained(tmp_path)
    assert again.encoder == tokenizer.encoder
    assert again.bpe_ranks == tokenizer.bpe_ranks


def test_openai_folder_as_it_is_downloaded(tmp_path):
    folder = data_path("vocab/gpt2")
    shutil.copy(folder / "vocab.json", tmp_path / "encoder.json")
    shutil.copy(folder / "merges.txt", tmp_path / "vocab.bpe")
    (tmp_path / "hparams.json").write_text('{"n_vocab": 50257, "n_ctx": 512, "n_embd": 24, "n_head": 3, "n_layer": 2}')
    tokenizer = GPT2Tokenizer.from_pretrained(tmp_path)
    assert tokenizer.encode("Hello world, it's 2019!") == [15496, 995, 11, 340, 338, 13130, 0]
    config = GPT2Config.from_pretrained(tmp_path)
    assert (config.vocab_size, config.n_positions, config.n_ctx, config.n_layer) == (50257, 512, 512, 2)
    config.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "encoder.json").write_text("{}")  # what was saved comes first
    assert len(GPT2Tokenizer.from_pretrained(tmp_path)) == 50257
    assert GPT2Config.from_pretrained(tmp_path) == config
    assert "n_vocab" not in config.to_dict()
