from __future__ import annotations

import json
import pickle
import random
import subprocess
import sys
import types

import pytest

from tx_testing.data import data_path
from tx_testing.texts import MULTILINGUAL, awkward_texts
from tx_xlm import words
from tx_xlm.tokenizer import (
    SPECIAL_WORDS,
    XLMTokenizer,
    lowercase_and_remove_accent,
    remove_non_printing_char,
    replace_unicode_punct,
    romanian_preprocessing,
)

MERGES = [("l", "o"), ("lo", "w"), ("e", "r</w>"), ("low", "er</w>"), ("lo", "w</w>"), ("d", "e</w>"), ("i", "st</w>")]
TOKENS = ["<s>", "</s>", "<pad>", "<unk>", *SPECIAL_WORDS, *"lowerstidna", *"?!.,'\"()"]
TOKENS += [f"{token}</w>" for token in [*"wrtnesa?!.,'\"()", "er", "lower", "low", "de"]] + ["lo", "low"]
VOCAB = {token: index for index, token in enumerate(TOKENS)}
LANGUAGES = {"de": 0, "en": 1}


@pytest.fixture
def tokenizer():
    return XLMTokenizer(vocab=VOCAB, merges=MERGES)


@pytest.fixture
def modules(monkeypatch):
    """Puts stand-ins of modules in their place, or None for modules that are not installed."""
    words.segmenter.cache_clear()

    def put(**members):
        for name, found in members.items():
            module = found
            if isinstance(found, dict):
                module = types.ModuleType(name)
                vars(module).update(found)
            monkeypatch.setitem(sys.modules, name.replace("__", "."), module)

    yield put
    words.segmenter.cache_clear()


def test_tokens(tokenizer):
    assert tokenizer.tokenize("Lówer LOW!") == ["lower</w>", "low</w>", "!</w>"]
    assert tokenizer.tokenize("lowest 'tis") == ["low", "e", "s", "t</w>", "'</w>", "t", "i", "s</w>"]
    assert tokenizer.encode("zz low", add_special_tokens=False) == [3, 3, VOCAB["low</w>"]]
    assert tokenizer.decode(tokenizer.encode("lower low !", add_special_tokens=False)) == "lower low !"
    assert tokenizer.encode("") == [0, 1]


def test_special_tokens_around_sequences(tokenizer):
    low, lower = VOCAB["low</w>"], VOCAB["lower</w>"]
    pair = tokenizer.encode_plus("low", "lower low", return_special_tokens_mask=True)
    assert pair["input_ids"] == [0, low, 1, lower, low, 1]
    assert pair["token_type_ids"] == [0, 0, 0, 1, 1, 1]
    assert pair["special_tokens_mask"] == [1, 0, 1, 0, 0, 1]
    assert list(tokenizer("low")) == ["input_ids", "token_type_ids", "attention_mask"]
    assert tokenizer.dataset_input_names == ["input_ids", "attention_mask"]
    batch = tokenizer(["low", "low low"], padding=True)
    assert batch["input_ids"] == [[0, low, 1, 2], [0, low, low, 1]]
    of_2019 = XLMTokenizer(vocab=VOCAB, merges=MERGES, bos_token="</s>")
    assert of_2019.encode("low", "lower low") == [1, low, 1, lower, low, 1]


def test_published_tokens(tokenizer):
    assert tokenizer.special_tokens_map == {
        "bos_token": "<s>",
        "unk_token": "<unk>",
        "sep_token": "</s>",
        "pad_token": "<pad>",
        "cls_token": "</s>",
        "mask_token": "<special1>",
        "additional_special_tokens": [*SPECIAL_WORDS],
    }
    assert tokenizer.encode("low <special1>.", add_special_tokens=False) == [VOCAB["low</w>"], 5, VOCAB[".</w>"]]


def test_a_sigma_at_the_end_of_a_word():
    """As in the reference, which lowers single characters first; words in lower case keep theirs."""
    tokenizer = XLMTokenizer(vocab={"<unk>": 0}, merges=[])
    assert tokenizer.tokenize("ΣΑΣ σας") == ["σ", "α", "σ</w>", "σ", "α", "ς</w>"]
    authors = XLMTokenizer(vocab={"<unk>": 0}, merges=[], do_lower_case=False)
    assert authors.tokenize("ΣΑΣ σας") == ["σ", "α", "ς</w>"] * 2


def test_case_decides_where_sentences_end(tokenizer, tmp_path):
    text = "Low. Lower."
    assert tokenizer.tokenize(text) == ["low", ".</w>", "lower</w>", ".</w>"]
    authors = XLMTokenizer(vocab=VOCAB, merges=MERGES, do_lower_case=False)
    authors.save_pretrained(tmp_path)
    for other in (authors, XLMTokenizer.from_pretrained(tmp_path), pickle.loads(pickle.dumps(authors))):  # noqa: S301
        assert other.tokenize(text) == ["low</w>", ".</w>", "lower</w>", ".</w>"]
    cased = XLMTokenizer(vocab=VOCAB, merges=MERGES, do_lowercase_and_remove_accent=False)
    assert cased.tokenize(text) == ["L", "o", "w</w>", ".</w>", "L", "o", "w", "er</w>", ".</w>"]
    assert cased.tokenize("lów") == ["l", "ó", "w</w>"]


def test_added_tokens_are_found_in_any_case_where_text_is_lowered(tokenizer):
    tokenizer.add_tokens("My_New")
    assert tokenizer.tokenize("low MY_new") == ["low</w>", "my_new"]
    assert tokenizer("low MY_new!", return_offsets_mapping=True)["offset_mapping"][2] == (4, 10)


def test_a_language_for_each_call(tokenizer):
    assert tokenizer.tokenize('low." de') != tokenizer.tokenize('low." de', lang="de")
    assert tokenizer.tokenize("d'low", lang="fr")[:2] == ["d", "'</w>"]
    assert tokenizer.tokenize("d'low")[:2] == ["d</w>", "'"]
    french = XLMTokenizer(vocab=VOCAB, merges=MERGES, lang="fr")
    ids = french.encode("d'low")
    for found in (
        tokenizer.encode("d'low", lang="fr"),
        tokenizer("d'low", lang="fr")["input_ids"],
        tokenizer.batch_encode_plus(["d'low"], lang="fr")["input_ids"][0],
        tokenizer(["d'low"], is_split_into_words=True, lang="fr")["input_ids"],
    ):
        assert found == ids != tokenizer.encode("d'low")
    assert tokenizer("d'low", lang="fr").word_ids() == [None, 0, 0, 1, None]
    tokenizer.add_tokens("low")
    assert tokenizer.tokenize("d'low", lang="fr") == ["d", "'</w>", "low"]
    with pytest.raises(ValueError, match="lang=5 must be the code of a language"):
        tokenizer.encode("low", lang=5)
    with pytest.raises(TypeError, match="language"):
        tokenizer.encode("low", language="de")


def test_a_language_that_the_model_lacks_is_refused(tmp_path):
    tokenizer = XLMTokenizer(vocab=VOCAB, merges=MERGES, lang2id=LANGUAGES, id2lang={0: "de", 1: "en"})
    tokenizer.save_pretrained(tmp_path)
    again = XLMTokenizer.from_pretrained(tmp_path)
    assert (again.lang2id, again.id2lang) == (LANGUAGES, {0: "de", 1: "en"})
    assert again.encode("low", lang="de") == tokenizer.encode("low")
    for call in (again.encode, again.tokenize, lambda *a, **k: again(*a, return_offsets_mapping=True, **k)):
        with pytest.raises(ValueError, match="lang='fr' is not a language of this model: lang= takes de, en"):
            call("low", lang="fr")
    other = XLMTokenizer.from_pretrained(tmp_path, lang="fr")
    with pytest.raises(ValueError, match="lang='fr'"):
        other.encode("low")
    assert other.encode("low", lang="de") == tokenizer.encode("low")


def test_texts_that_are_divided_already(tokenizer):
    assert tokenizer.tokenize("lower.low Low", bypass_tokenizer=True) == [
        "low",
        "e",
        "r",
        ".",
        "low</w>",
        "L",
        "o",
        "w</w>",
    ]
    encoding = tokenizer("lower  low", bypass_tokenizer=True, return_offsets_mapping=True)
    assert encoding["offset_mapping"] == [(0, 0), (0, 5), (7, 10), (0, 0)]
    assert tokenizer.tokenize("lower.low Low") == tokenizer.tokenize("LOWER.LOW low")


@pytest.mark.parametrize(
    "text, expected",
    [
        (" LÓWER lo\u0301w!", ["LÓWER", "l", "o", "w", "!"]),
        ("low…\u200b\u00adlow", ["low", "…", "…", "…", "low"]),
        ("«low»", ["«", "low", "»"]),
        ("low。。low", ["low", "。", "。", "low"]),
        ('low".', ["low", ".", '".']),
        ("İs low", ["İ", "s", "low"]),
        ("lo\nw", ["lo\nw"]),
    ],
)
def test_offsets(tokenizer, text, expected):
    encoding = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    assert encoding["input_ids"] == tokenizer.encode(text, add_special_tokens=False)
    assert [text[start:end] for start, end in encoding["offset_mapping"]] == expected


def test_words_of_encodings(tokenizer):
    encoding = tokenizer("Lower, lowest.")
    assert encoding.word_ids() == [None, 0, 1, 2, 2, 2, 2, 3, None]
    assert encoding.word_to_chars(2) == (7, 13)


def test_places_that_cannot_be_told(tokenizer):
    text = "low DOTMULTI"  # sacremoses makes a dot of it
    cased = XLMTokenizer(vocab=VOCAB, merges=MERGES, do_lowercase_and_remove_accent=False)
    assert cased.tokenize(text) == ["low</w>", ".</w>"]
    with pytest.raises(ValueError, match="cannot be found in it; encode it without offsets"):
        cased(text, return_offsets_mapping=True)
    assert tokenizer(text, return_offsets_mapping=True)["offset_mapping"]


def test_parts_of_the_preprocessing():
    assert lowercase_and_remove_accent(["ÉTÉ", "Straße", "\u0301", "ΟΔΟΣ"]) == ["ete", "straße", "", "οδος"]
    assert replace_unicode_punct("１２：（a）。 b…") == "12:(a). b..."
    assert remove_non_printing_char("a\u200b\n\x00b\ufeff\U000e0001c \ue000") == "abc "
    assert romanian_preprocessing("Ştiţi că Ștefan") == "Stiti ca Stefan"
    tokenizer = XLMTokenizer(vocab={"<unk>": 0}, merges=[("t", "i</w>")], do_lowercase_and_remove_accent=False)
    assert tokenizer.tokenize("Ţi ți", lang="ro") == ["T", "i</w>", "ti</w>"]
    assert tokenizer.tokenize("ți") == ["ț", "i</w>"]


LETTERS = [
    *(
        "the",
        "Cat",
        "и",
        "Дом",
        "été",
        "Œuvre",
        "σς",
        "हिन्दी",
        "x",
        "s",
        "S",
        "n't",
        "im",
        "Mr",
        "No",
        "pp",
        "Dr",
        "etc",
    ),
    *("e.g", "z.B", "vs", "nº", "漢字", "한국", "ภาษา", "re", "ll", "ca"),
]
MARKS = [
    *"()[]{}<>.,;:!?'\"`´„“”‘’–—…«»%&|/\\-_@#$€°+0123456789",
    "\u00a0",
    "\u3000",
    "\n",
    "\u200b",
    "\u00ad",
    "\u0301",
]
MARKS += [
    "..",
    "...",
    "''",
    "。",
    "．",
    "：",
    "Ⅷ",
    "½",
    "</s>",
    "İ",
    "p. 3",
    "\u00a0%",
    "20\u00a0%",
    "\x1c",
    "\u2028",
    "DOT",
]


@pytest.mark.parametrize("lang", ["en", "de", "fr", "it", "es", "cs", "ro", "ru", "ko", "hi", "fi", "xx"])
def test_what_is_remembered_changes_no_words(lang):
    """Moses looks at what stands beside a word, so the words of a text are to be those of the whole text."""
    rng = random.Random(lang)

    def piece():
        return "".join(rng.choice(rng.choice((LETTERS, MARKS))) for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5))))

    moses = words.segmenter(lang)
    made = [
        rng.choice(("", " ", "  ")) + rng.choice((" ", "  ")).join(piece() for _ in range(rng.randint(1, 12))) + end
        for end in ("", " ", "  ") * 60
    ]
    for text in [*made, *awkward_texts(100), *map(str.lower, MULTILINGUAL)]:
        found = moses.words(text, lowers=False)
        assert found == moses._divide(text), text
        assert moses.words(text, lowers=False) == found
        assert [word for word, _ in moses.placed_words(text, lowers=False)] == found, text


THAI = {"word_tokenize": lambda text: [part for part in text.replace("ก", " ก ").partition(" ") if part]}


def test_segmenters_of_languages_where_they_are_installed(modules, tokenizer):
    jieba = {"cut": lambda text: [text[start : start + 2] for start in range(0, len(text), 2)]}
    kytea = {"Mykytea": lambda options: types.SimpleNamespace(getWS=lambda text: text.replace("が", " が ").split())}
    modules(rjieba=jieba, Mykytea=kytea, pythainlp={}, pythainlp__tokenize=THAI)
    split = XLMTokenizer(vocab={"<unk>": 0}, merges=[], do_lowercase_and_remove_accent=False)
    for lang, text, expected in (
        ("zh", "我们走。好", ["我", "们</w>", "走", ".</w>", "好</w>"]),
        ("ja", "私が、行く。", ["私</w>", "が</w>", ",", "行", "く", ".</w>"]),
        ("th", "ข\u3000าก ขา…", ["ข", "\u3000", "า</w>", "ก</w>", "ข", "า", ".", ".", ".</w>"]),
    ):
        assert split.tokenize(text, lang=lang) == expected
        places = split(text, lang=lang, return_offsets_mapping=True, add_special_tokens=False)["offset_mapping"]
        assert [text[start:end] for start, end in places] == [
            {",": "、", ".": "。…"[lang == "th"]}.get(piece.removesuffix("</w>"), piece.removesuffix("</w>"))
            for piece in expected
        ]


def test_a_segmenter_that_changes_the_text(modules, tokenizer):
    modules(
        rjieba={"cut": lambda text: [text, "!"]},
        pythainlp={},
        pythainlp__tokenize={"word_tokenize": lambda text: ["x"]},
    )
    for lang in ("zh", "th"):
        assert tokenizer.tokenize("low", lang=lang)
        with pytest.raises(ValueError, match="encode it without offsets"):
            tokenizer("low", lang=lang, return_offsets_mapping=True)


@pytest.mark.parametrize(
    "lang, missing, package",
    [
        ("zh", ["rjieba", "jieba"], "rjieba"),
        ("ja", ["Mykytea"], "kytea"),
        ("th", ["pythainlp.tokenize"], "pythainlp"),
        ("en", ["sacremoses"], "sacremoses"),
    ],
)
def test_packages_that_are_missing_are_named(modules, tokenizer, lang, missing, package):
    modules(**{name.replace(".", "__"): None for name in missing})
    with pytest.raises(ImportError, match=f"needs {package}: pip install {package}"):
        tokenizer.encode("low", lang=lang)
    assert tokenizer.encode("low", lang=lang, bypass_tokenizer=True) == [0, VOCAB["low</w>"], 1]


def test_a_missing_model_of_kytea_is_named(modules, tokenizer):
    def kytea(options):
        raise RuntimeError("Could not open model file")

    modules(Mykytea={"Mykytea": kytea})
    with pytest.raises(FileNotFoundError, match=r"needs a model of KyTea in .*model\.bin: http.*Could not open"):
        tokenizer.encode("low", lang="ja")


def test_jieba_in_the_place_of_rjieba(modules, tokenizer):
    modules(rjieba=None, jieba={"cut": lambda text: iter(text)})
    assert tokenizer.tokenize("er", lang="zh") == ["e</w>", "r</w>"]


def test_moses_is_imported_with_the_first_text():
    code = "import sys, tx_xlm.tokenizer; assert not {'sacremoses', 'regex', 'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_save_load_and_pickle(tokenizer, tmp_path):
    text = "Lower, low! Été"
    tokenizer.encode(text, lang="de")
    tokenizer.save_pretrained(tmp_path)
    for again in (XLMTokenizer.from_pretrained(tmp_path), pickle.loads(pickle.dumps(tokenizer))):  # noqa: S301
        assert again.encode(text) == tokenizer.encode(text)
        assert again.encode(text, lang="de") == tokenizer.encode(text, lang="de")
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert config["do_lowercase_and_remove_accent"] is True
    assert "do_lower_case" not in config


def test_files_with_counts(tokenizer, tmp_path):
    (tmp_path / "codes_ende").write_text("".join(f"{a} {b} {1000 - n}\n" for n, (a, b) in enumerate(MERGES)))
    marked = [token.removesuffix("</w>") if token.endswith("</w>") else f"{token}@@" for token in TOKENS[14:]]
    lines = [f"{word} {1000 - number}\n" for number, word in enumerate(marked)]
    (tmp_path / "vocab_ende").write_text("".join([*lines, lines[0], "no count\n", "zero 0\n"]))
    original = XLMTokenizer.from_pretrained(tmp_path)
    assert (original.encoder, original.bpe_ranks) == (VOCAB, tokenizer.bpe_ranks)
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "merges.txt").write_bytes((tmp_path / "codes_ende").read_bytes())
    assert XLMTokenizer.from_pretrained(tmp_path).bpe_ranks == tokenizer.bpe_ranks
    (tmp_path / "merges.txt").write_text("l o 9\nlo w w 9\n")
    with pytest.raises(ValueError, match="line 2 is not a pair of symbols: 'lo w w 9'"):
        XLMTokenizer.from_pretrained(tmp_path)


def test_maps_of_published_names():
    configurations = XLMTokenizer.pretrained_init_configuration
    names = list(XLMTokenizer.max_model_input_sizes)
    assert names == list(configurations) == list(XLMTokenizer.pretrained_vocab_files_map["vocab_file"])
    assert names[:2] == ["xlm-mlm-en-2048", "xlm-mlm-ende-1024"]
    assert {*XLMTokenizer.max_model_input_sizes.values()} == {512}
    cased = [name for name in names if not configurations[name]["do_lowercase_and_remove_accent"]]
    assert cased == ["xlm-mlm-17-1280", "xlm-mlm-100-1280"]
    assert "lang2id" not in configurations["xlm-mlm-en-2048"]
    assert configurations["xlm-clm-ende-1024"]["id2lang"] == {0: "de", 1: "en"}
    sizes = {name: len(found.get("lang2id", ())) for name, found in configurations.items()}
    assert [sizes[name] for name in names] == [0, 2, 2, 2, 15, 15, 2, 2, 17, 100]
    assert all([*found.get("lang2id", ())] == sorted(found.get("lang2id", ())) for found in configurations.values())


def test_the_published_vocabulary(tmp_path):
    tokenizer = XLMTokenizer.from_pretrained(data_path("vocab/xlm-ende"))
    assert tokenizer.vocab_size == len(tokenizer) == 64699
    ids = tokenizer.encode("Hallo, schöne Welt!", lang="de", add_special_tokens=False)
    assert ids == [14208, 258, 14, 434, 123, 7447, 249]
    assert tokenizer.decode(ids) == "hallo , schone welt !"
    tokenizer.save_pretrained(tmp_path)
    again = XLMTokenizer.from_pretrained(tmp_path)
    assert (again.encoder, again.bpe_ranks) == (tokenizer.encoder, tokenizer.bpe_ranks)
