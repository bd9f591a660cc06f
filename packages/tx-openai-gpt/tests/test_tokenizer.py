from __future__ import annotations

import pickle
import re
import sys
import types

import pytest

from tx_openai_gpt.tokenizer import OpenAIGPTTokenizer, text_standardize
from tx_testing.data import data_path

MERGES = [("l", "o"), ("lo", "w"), ("e", "r</w>"), ("low", "er</w>"), ("lo", "w</w>")]
TOKENS = ["<unk>", *"lowerstidn", "w</w>", "r</w>", "t</w>", "n</w>", "lo", "low", "er</w>", "lower</w>", "low</w>"]
TOKENS += ["!</w>", "\n</w>", "-</w>", "'", "'</w>", "e</w>"]
VOCAB = {token: index for index, token in enumerate(TOKENS)}


@pytest.fixture
def tokenizer(monkeypatch):
    """Without spaCy and ftfy, whether they are installed or not."""
    monkeypatch.setitem(sys.modules, "ftfy", None)
    monkeypatch.setitem(sys.modules, "spacy", None)
    monkeypatch.setitem(sys.modules, "spacy.lang.en", None)
    return OpenAIGPTTokenizer(vocab=VOCAB, merges=MERGES)


def test_spaces_before_marks_stay_unless_the_files_say_otherwise(tokenizer, tmp_path):
    assert tokenizer.decode(tokenizer.encode("low !")) == "low !"
    tokenizer.save_pretrained(tmp_path)
    assert OpenAIGPTTokenizer.from_pretrained(tmp_path).decode(tokenizer.encode("low !")) == "low !"
    (tmp_path / "tokenizer_config.json").write_text('{"clean_up_tokenization_spaces": true}')
    assert OpenAIGPTTokenizer.from_pretrained(tmp_path).decode(tokenizer.encode("low !")) == "low!"


class Token:
    def __init__(self, text, idx):
        self.text, self.idx = text, idx


def words_of(text):
    """As spaCy divides what matters here: at single spaces, other white space being tokens."""
    return [Token(match.group(), match.start()) for match in re.finditer(r"\n ?|n't|\S+?(?=n't)|\S+", text)]


@pytest.fixture
def with_language(monkeypatch):
    """Stand-ins of spaCy and ftfy: words as above, and curly quotes made straight, "lóng" a longer word."""
    ftfy, spacy, lang, english = (types.ModuleType(name) for name in ("ftfy", "spacy", "spacy.lang", "spacy.lang.en"))
    ftfy.fix_text = lambda text: text.replace("’", "'").replace("loŵ", "lower").replace("\r\n", "\n")
    english.English = type("English", (), {"tokenizer": staticmethod(words_of)})
    for module in (ftfy, spacy, lang, english):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return OpenAIGPTTokenizer(vocab=VOCAB, merges=MERGES)


def test_tokens(tokenizer, caplog):
    assert tokenizer.tokenize("Lower LOW!") == ["lower</w>", "low</w>", "!</w>"]
    assert tokenizer.tokenize("lowest") == ["low", "e", "s", "t</w>"]
    assert tokenizer.encode("lower zz") == [VOCAB["lower</w>"], 0, 0]
    assert tokenizer.decode(tokenizer.encode("lower low !")) == "lower low !"
    assert tokenizer.tokenize("don't") == ["d", "o", "n</w>", "'</w>", "t</w>"]
    assert list(tokenizer("low")) == ["input_ids", "attention_mask"]
    OpenAIGPTTokenizer(vocab=VOCAB, merges=MERGES)
    assert "BERT's basic tokenization" in caplog.text


def test_offsets(tokenizer):
    text = " LÓWER lo\u0301w!"
    encoding = tokenizer(text, return_offsets_mapping=True)
    assert encoding["input_ids"] == tokenizer.encode(text)
    assert [text[start:end] for start, end in encoding["offset_mapping"]] == ["LÓWER", "lo\u0301w", "!"]


def test_save_load_and_pickle(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    for again in (OpenAIGPTTokenizer.from_pretrained(tmp_path), pickle.loads(pickle.dumps(tokenizer))):  # noqa: S301
        assert again.encode("lower lowest!") == tokenizer.encode("lower lowest!")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a—b–c―d…e´f", "a-b-c-d...e'f".replace("-", " - ")),
        ("wait!!  what?!", "wait !! what ? !"),
        ("(a)[b]{c}", "( a ) [ b ] { c }"),
        (" a \n\n\t b\tc ", "a \n b c"),
        ("a\n", "a"),
        ("", ""),
        ('--~~++,,//**||__\\\\;;""', '-- ~~ ++ ,, // ** || __ \\\\ ;; ""'),
    ],
)
def test_standard_text(text, expected):
    assert text_standardize(text) == expected


def test_words_of_spacy_where_it_is_installed(with_language):
    tokenizer = with_language
    assert tokenizer.tokenize("don't") == ["d", "o</w>", "n", "'", "t</w>"]
    assert tokenizer.tokenize("LOWER\nlow!!") == ["lower</w>", "\n</w>", "low</w>", "!", "!</w>"]
    pickled = pickle.dumps(tokenizer)
    assert pickle.loads(pickled).tokenize("don't") == tokenizer.tokenize("don't")  # noqa: S301 - made above


def test_words_of_encodings_are_those_of_spacy(with_language):
    encoding = with_language("don’t low\nlower!")
    assert encoding.tokens() == ["d", "<unk>", "n", "'", "t</w>", "low</w>", "\n</w>", "lower</w>", "!</w>"]
    assert encoding.word_ids() == [0, 0, 1, 1, 1, 2, 3, 4, 5]
    assert encoding.word_to_chars(1) == (2, 5)
    assert encoding.char_to_word(6) == 2


def test_offsets_through_standard_and_fixed_text(with_language):
    text = "  don’t—LOW \n\n loŵ!"
    encoding = with_language(text, return_offsets_mapping=True)
    assert encoding["input_ids"] == with_language.encode(text)
    tokens = with_language.convert_ids_to_tokens(encoding["input_ids"])
    spans = [text[start:end] for start, end in encoding["offset_mapping"]]
    pairs = list(zip(tokens, spans, strict=True))
    assert pairs[2:5] == [("n", "n"), ("'", "’"), ("t</w>", "t")]
    assert pairs[5:7] == [("-</w>", "—"), ("low</w>", "LOW")]
    assert (pairs[7][0], pairs[7][1].strip()) == ("\n</w>", "")
    assert pairs[8:] == [("lower</w>", "loŵ!"), ("!</w>", "loŵ!")]  # ftfy changed the word's length
    with_language.fix_text = lambda text: text.replace(" x", "")
    with pytest.raises(ValueError, match="across words"):
        with_language("low x", return_offsets_mapping=True)


def test_maps_of_published_names():
    assert OpenAIGPTTokenizer.max_model_input_sizes == {"openai-gpt": 512}
    assert list(OpenAIGPTTokenizer.pretrained_vocab_files_map) == ["vocab_file", "merges_file"]


def test_the_published_vocabulary(monkeypatch):
    monkeypatch.setitem(sys.modules, "ftfy", None)
    folder = data_path("vocab/openai-gpt")
    tokenizer = OpenAIGPTTokenizer(folder / "encoder_bpe_40000.json", folder / "vocab_40000.bpe")
    assert tokenizer.vocab_size == 40478
    assert tokenizer.encode("the president is") == [481, 4735, 544]
