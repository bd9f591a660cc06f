from __future__ import annotations

import json
import pickle
import shutil

import pytest

from tx_roberta.tokenizer import RobertaTokenizer
from tx_testing.data import data_path
from tx_testing.texts import awkward_texts
from tx_tokenizers.byte_bpe import bytes_to_unicode
from tx_tokenizers.special_tokens import AddedToken

MERGES = [("l", "o"), ("lo", "w"), ("e", "r"), ("Ġ", "low"), ("n", "e")]
TOKENS = [*bytes_to_unicode().values(), *("".join(pair) for pair in MERGES)]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
VOCAB = {token: index for index, token in enumerate([*SPECIAL, *TOKENS, "<mask>"])}


@pytest.fixture
def tokenizer():
    """All bytes and a few merges."""
    return RobertaTokenizer(vocab=VOCAB, merges=MERGES)


@pytest.fixture
def published():
    return RobertaTokenizer.from_pretrained(data_path("vocab/roberta-base"))


def test_special_tokens_around_sequences(tokenizer):
    low = VOCAB["low"]
    assert tokenizer.encode("low") == [0, low, 2]
    assert tokenizer.encode("low", "low") == [0, low, 2, 2, low, 2]
    assert (tokenizer.num_added_tokens(), tokenizer.num_added_tokens(pair=True)) == (2, 4)
    pair = tokenizer.encode_plus("low", "low", return_special_tokens_mask=True)
    assert pair["token_type_ids"] == [0] * 6
    assert pair["special_tokens_mask"] == [1, 0, 1, 1, 0, 1]
    assert tokenizer.get_special_tokens_mask(pair["input_ids"], already_has_special_tokens=True) == [1, 0, 1, 1, 0, 1]
    assert tokenizer.create_token_type_ids_from_sequences([4], [4, 4]) == [0] * 7
    assert tokenizer("low", "low").sequence_ids() == [None, 0, None, None, 1, None]
    assert list(tokenizer("low")) == ["input_ids", "attention_mask"]


def test_published_tokens(tokenizer):
    assert tokenizer.bos_token == tokenizer.cls_token == "<s>"
    assert tokenizer.eos_token == tokenizer.sep_token == "</s>"
    assert (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.mask_token) == (1, 3, "<mask>")
    batch = tokenizer(["low", "low low"], padding=True)
    assert batch["input_ids"] == [[0, VOCAB["low"], 2, 1], [0, VOCAB["low"], VOCAB["Ġlow"], 2]]
    assert batch["attention_mask"] == [[1, 1, 1, 0], [1, 1, 1, 1]]


def test_the_mask_takes_the_space_before_it(tokenizer, tmp_path):
    low, spaced, mask = VOCAB["low"], VOCAB["Ġlow"], VOCAB["<mask>"]
    assert tokenizer.encode("low \t<mask> low", add_special_tokens=False) == [low, mask, spaced]
    assert tokenizer.encode("low </s>", add_special_tokens=False) == [low, VOCAB["Ġ"], 2]
    tokenizer.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "special_tokens_map.json").read_text())["mask_token"] == "<mask>"
    for again in (RobertaTokenizer.from_pretrained(tmp_path), pickle.loads(pickle.dumps(tokenizer))):  # noqa: S301
        assert again.encode("low <mask> low") == tokenizer.encode("low <mask> low") == [0, low, mask, spaced, 2]
    other = RobertaTokenizer(vocab=VOCAB, merges=MERGES, mask_token=AddedToken("<mask>"))
    assert other.encode("low <mask>", add_special_tokens=False) == [low, VOCAB["Ġ"], mask]


def test_a_prefix_space(tokenizer, tmp_path):
    assert tokenizer.tokenize("low", add_prefix_space=True) == ["Ġlow"]
    spaced = RobertaTokenizer(vocab=VOCAB, merges=MERGES, add_prefix_space=True)
    assert spaced.encode("low") == tokenizer.encode(" low") == [0, VOCAB["Ġlow"], 2]
    spaced.save_pretrained(tmp_path)
    assert RobertaTokenizer.from_pretrained(tmp_path).encode("low") == spaced.encode("low")


def test_offsets_leave_spaces_out(tokenizer):
    text = "low  lower <mask>!"
    encoding = tokenizer(text, return_offsets_mapping=True)
    spans = [text[start:end] for start, end in encoding["offset_mapping"]]
    assert encoding.tokens() == ["<s>", "low", "Ġ", "Ġlow", "er", "<mask>", "!", "</s>"]
    assert spans == ["", "low", "", "low", "er", "<mask>", "!", ""]


def test_maps_of_published_names():
    names = ["roberta-base", "roberta-large", "roberta-large-mnli"]
    assert list(RobertaTokenizer.max_model_input_sizes)[:3] == names
    assert {*RobertaTokenizer.max_model_input_sizes.values()} == {512}
    urls = RobertaTokenizer.pretrained_vocab_files_map
    assert urls["vocab_file"]["roberta-base"] == "https://huggingface.co/roberta-base/resolve/main/vocab.json"
    assert list(urls["merges_file"]) == list(RobertaTokenizer.max_model_input_sizes)


def test_the_published_vocabulary(published, tmp_path):
    assert published.vocab_size == len(published) == 50265
    assert published.encode("Hello world!") == [0, 31414, 232, 328, 2]
    ids = [0, 31414, 232, 328, 740, 1140, 12695, 69, 46078, 1588, 2]
    assert published.encode("Hello world! cécé herlolip") == ids
    assert published.encode("Hello world! cécé herlolip 418") == [*ids[:-1], 42928, 2]
    for text in awkward_texts():
        assert published.decode(published.encode(text, add_special_tokens=False)) == text
    published.save_pretrained(tmp_path)
    assert RobertaTokenizer.from_pretrained(tmp_path).encode("Hello world!") == [0, 31414, 232, 328, 2]


def _fairseq_folder(folder, published):
    """The folder as fairseq ships it, made of the published vocabularies."""
    gpt2 = data_path("vocab/gpt2")
    shutil.copy(gpt2 / "vocab.json", folder / "encoder.json")
    shutil.copy(gpt2 / "merges.txt", folder / "vocab.bpe")
    encoder = json.loads((gpt2 / "vocab.json").read_text(encoding="utf-8"))
    tokens = sorted(published.encoder, key=published.encoder.__getitem__)[4:-1]
    lines = [f"{encoder.get(token, token)} {50265 - place}\n" for place, token in enumerate(tokens)]
    (folder / "dict.txt").write_text("".join(lines))
    return lines


def test_fairseq_folder_as_it_is_downloaded(published, tmp_path):
    _fairseq_folder(tmp_path, published)
    tokenizer = RobertaTokenizer.from_pretrained(tmp_path)
    assert tokenizer.encoder == published.encoder
    assert tokenizer.encode("Hello <mask>!") == published.encode("Hello <mask>!")
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "dict.txt").write_text("")  # what was saved comes first
    assert RobertaTokenizer.from_pretrained(tmp_path).encoder == published.encoder


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda lines: [*lines, "99999 1\n"], r"dict\.txt: line 50261: .*encoder\.json has no token of id 99999"),
        (lambda lines: [*lines, "13\n"], r"dict\.txt: line 50261 is not a symbol and a count: '13'"),
        (lambda lines: [*lines, lines[0]], r"dict\.txt: 1 symbols are there twice"),
    ],
)
def test_a_damaged_dictionary_is_named(published, tmp_path, change, message):
    lines = _fairseq_folder(tmp_path, published)
    (tmp_path / "dict.txt").write_text("".join(change(lines)))
    with pytest.raises(ValueError, match=message):
        RobertaTokenizer.from_pretrained(tmp_path)


def test_ids_of_gpt2_are_not_taken_for_roberta_ids(published, tmp_path):
    _fairseq_folder(tmp_path, published)
    (tmp_path / "dict.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"needs dict\.txt beside encoder\.json"):
        RobertaTokenizer.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match="needs vocab_file"):
        RobertaTokenizer(dict_file="dict.txt", merges_file="vocab.bpe")
