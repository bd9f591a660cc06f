"""XLM's configuration."""

import pytest

from tx_xlm import XLMConfig


def test_defaults_and_other_names():
    config = XLMConfig(n_words=99, hidden_size=64, num_attention_heads=4, num_hidden_layers=3)
    assert (config.vocab_size, config.emb_dim, config.n_heads, config.n_layers) == (99, 64, 4, 3)
    assert config.embed_init_std == 2048**-0.5
    assert (config.bos_index, config.eos_index, config.pad_index, config.unk_index, config.mask_index) == (
        0,
        1,
        2,
        3,
        5,
    )
    assert (config.bos_token_id, config.pad_token_id, config.eos_token_id) == (0, 2, None)
    assert "hidden_size" not in config.to_dict()


def test_keywords_of_2019():
    config = XLMConfig(n_special=0, use_proj=False)
    assert (config.n_special, config.summary_use_proj) == (0, False)


def test_a_published_file(tmp_path):
    """Of xlm-mlm-ende-1024, in short: names of languages, and keys of the training."""
    text = """{"emb_dim": 1024, "n_layers": 6, "n_heads": 8, "n_langs": 2, "id2lang": {"0": "de", "1": "en"},
        "lang2id": {"de": 0, "en": 1}, "n_words": 64699, "max_vocab": -1, "same_enc_dec": true, "model_type": "xlm"}"""
    (tmp_path / "config.json").write_text(text)
    config = XLMConfig.from_pretrained(tmp_path)
    assert config.id2lang == {0: "de", 1: "en"}
    assert config.lang2id["en"] == 1
    assert config.has_lang_embeddings
    config.save_pretrained(tmp_path)
    again = XLMConfig.from_pretrained(tmp_path)
    assert again == config
    assert again.same_enc_dec


@pytest.mark.parametrize(("langs", "used", "has"), [(1, True, False), (3, True, True), (3, False, False)])
def test_language_embeddings(langs, used, has):
    assert XLMConfig(n_langs=langs, use_lang_emb=used).has_lang_embeddings is has


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"is_encoder": False}, "is_encoder is False.*not supported"),
        ({"n_langs": 0}, "n_langs is 0"),
        ({"start_n_top": 0}, "start_n_top is 0"),
        ({"attention_dropout": 1.5}, "attention_dropout"),
        ({"summary_type": "attn"}, "summary_type"),
        ({"asm_div_value": 0.0}, "asm_div_value"),
    ],
)
def test_impossible_values(fields, match):
    with pytest.raises(ValueError, match=match):
        XLMConfig(**fields)


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"emb_dim": 30, "n_heads": 4}, "not divisible by n_heads"),
        ({"vocab_size": 9, "pad_index": 9}, "pad_index is 9"),
        ({"emb_dim": 9, "n_heads": 3, "sinusoidal_embeddings": True}, "must be even"),
        ({"asm": True, "asm_cutoffs": []}, "asm_cutoffs is"),
        ({"asm": True, "asm_cutoffs": [5, 5]}, "in rising order"),
        ({"asm": True, "asm_cutoffs": [20, 10]}, "in rising order"),
        ({"asm": True, "vocab_size": 99, "asm_cutoffs": [20, 99]}, "each from 1 to 98"),
    ],
)
def test_values_that_make_no_model(fields, match):
    config = XLMConfig(**fields)
    with pytest.raises(ValueError, match=match):
        config.validate_relations()
