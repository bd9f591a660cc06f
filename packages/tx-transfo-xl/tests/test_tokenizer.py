from __future__ import annotations

import collections
import json
import os
import pickle
import random
import subprocess
import sys

import pytest

from tx_core.auto import AutoTokenizer
from tx_testing.server import HubServer
from tx_testing.texts import MULTILINGUAL, awkward_texts
from tx_transfo_xl import TransfoXLTokenizer
from tx_transfo_xl.words import MosesWords

WORDS = ["<eos>", "the", ",", "<unk>", ".", "5", "@,@", "000", "@.@", "well", "@-@", "known", "<formula>", "was", "14"]
MAGIC = 0x1950A86A20F9469CFC6C


def attributes(words=WORDS, **more):
    """What a tokenizer of 2019 held."""
    ids = collections.OrderedDict((word, index) for index, word in enumerate(words))
    counter = collections.Counter({word: 100 - index for index, word in enumerate(words)})
    known = {"counter": counter, "special": ["<eos>"], "min_freq": 0, "max_size": None, "lower_case": False}
    known |= {"delimiter": None, "vocab_file": None, "idx2sym": [*words], "sym2idx": ids, "eos_idx": 0, "unk_idx": 3}
    return {**known, "never_split": None, **more}


def write_pickle(path, value, protocol=4):
    path.write_bytes(pickle.dumps(value, protocol))
    return path


def write_stream(path, value):
    """As torch.save of 2019 wrote what has no tensors."""
    parts = [MAGIC, 1001, {"protocol_version": 1001, "little_endian": True}, value, []]
    path.write_bytes(b"".join(pickle.dumps(part, 2) for part in parts))
    return path


FORMS = {"vocab.bin": write_stream, "vocab.pkl": write_pickle}


@pytest.fixture
def tokenizer():
    return TransfoXLTokenizer(vocab={word: index for index, word in enumerate(WORDS)})


def test_tokens(tokenizer):
    text = "the well-known 5,000, was 5.14."
    tokens = ["the", "well", "@-@", "known", "5", "@,@", "000", ",", "was", "5", "@.@", "14", "."]
    assert tokenizer.tokenize(text) == tokens
    assert tokenizer.encode(text) == [WORDS.index(token) for token in tokens]
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.encode("zz the") == [3, 1]
    assert tokenizer.encode("") == []
    assert tokenizer.tokenize("<formula> was<eos>") == ["<formula>", "was", "<eos>"]
    assert tokenizer.convert_tokens_to_ids(["the", "zz"]) == [1, 3]


def test_no_special_tokens_stand_around_texts(tokenizer):
    encoding = tokenizer.encode_plus("the", "was", return_special_tokens_mask=True)
    assert (encoding["input_ids"], encoding["token_type_ids"]) == ([1, 13], [0, 1])
    assert encoding["special_tokens_mask"] == [0, 0]
    assert [*tokenizer("the")] == ["input_ids", "attention_mask"]
    assert tokenizer.num_added_tokens() == 0


def test_ends_of_texts(tokenizer):
    assert tokenizer.tokenize("the", add_eos=True) == ["the", "<eos>"]
    assert tokenizer.tokenize("the", add_double_eos=True) == ["<S>", "the", "<S>"]
    assert tokenizer.tokenize("the <eos> was", add_eos=True) == ["the", "<eos>", "was", "<eos>"]
    assert tokenizer.encode("the was", add_eos=True) == [1, 13, 0]
    encoding = tokenizer(["the zz", "was"], add_eos=True, return_offsets_mapping=True)
    assert encoding["input_ids"] == [[1, 3, 0], [13, 0]]
    assert encoding["offset_mapping"] == [[(0, 3), (4, 6), (6, 6)], [(0, 3), (3, 3)]]
    assert encoding.word_ids(0) == [0, 1, 2]
    double = tokenizer("the zz", add_double_eos=True, return_offsets_mapping=True)
    assert (double["input_ids"], double.word_ids()) == ([3, 1, 3, 3], [0, 1, 2, 3])
    assert double["offset_mapping"] == [(0, 0), (0, 3), (4, 6), (6, 6)]
    with pytest.raises(ValueError, match="add_eos and add_double_eos mark the ends of a text"):
        tokenizer(["the", "was"], is_split_into_words=True, add_eos=True)
    with pytest.raises(TypeError, match="add_bos"):
        tokenizer.tokenize("the", add_bos=True)


def test_places(tokenizer):
    text = "  The “well–known”  x 5,000—(it…) £3.14 "
    encoding = tokenizer(text, return_offsets_mapping=True)
    found = [text[start:end] for start, end in encoding["offset_mapping"]]
    assert tokenizer.tokenize(text) == [
        *("The", '"', "well", "@-@", "known", '"', "x", "5", "@,@", "000", "-", "(", "it", "...", ")", "£", "3"),
        *("@.@", "14"),
    ]
    assert found == [
        *("The", "“", "well", "–", "known", "”", "x", "5", ",", "000", "—", "(", "it", "…", ")", "£", "3", ".", "14")
    ]
    assert encoding.word_ids() == [*range(19)]


def random_texts(count):
    rng = random.Random(0)
    pieces = [
        "a", "A", "the", "U.S.", "No.", "é", "漢", "'", '"', "''", "`", ".", "..", ",", "-", "--", "5", "1,2", "(", ")",
        ":", ";", "%", "@", "<unk>", "<UNK>", "&", "/", "…", "’", "«", "\u00a0", "\t", "Mr.", "'s", "n't", "!",
    ]  # fmt: skip
    return ["".join(rng.choice(pieces) + rng.choice(["", " ", " ", "  "]) for _ in range(12)) for _ in range(count)]


@pytest.mark.parametrize("lang", ["en", "de", "fr", "cs"])
def test_what_stands_between_words_of_letters_is_divided_as_in_the_whole_text(lang):
    words, whole = MosesWords(lang, ("<unk>",)), MosesWords(lang, ("<unk>", "no such words"))
    for text in [*random_texts(600), *awkward_texts(50)]:
        assert words.words(text.strip()) == whole.words(text.strip()), text
    assert words._divider.remembers
    assert not whole._divider.remembers


def test_texts_that_are_kept(tokenizer):
    assert tokenizer.tokenize("x<UNK>, <Eos>") == ["x<UNK>", ",", "<Eos>"]
    vocab = tokenizer.get_vocab()
    kept = TransfoXLTokenizer(vocab=vocab, never_split=["New-York", "a.b", "[x"])
    assert kept.tokenize("new-york x-y A.B acb [X 1") == ["new-york", "x", "@-@", "y", "A.B", "acb", "[X", "1"]


def test_lower_case(tokenizer):
    lower = TransfoXLTokenizer(vocab=tokenizer.get_vocab(), lower_case=True)
    assert lower.do_lower_case
    assert lower.tokenize("THE <UNK> ΣΑΣ <eos>") == ["the", "<unk>", "σασ", "<eos>"]
    encoding = lower("İ THE", return_offsets_mapping=True)  # the small letter is two characters
    assert lower.tokenize("İ THE") == ["i", "\u0307", "the"]
    assert encoding["offset_mapping"] == [(0, 1), (0, 1), (2, 5)]
    assert not tokenizer.do_lower_case


def test_added_tokens_keep_their_case_where_they_are_told_to(tokenizer, tmp_path):
    lower = TransfoXLTokenizer(vocab=tokenizer.get_vocab(), lower_case=True, do_lower_case=False)
    assert lower.add_tokens(["<x>", "<X>"]) == 2
    lower.save_pretrained(tmp_path)
    for each in (lower, TransfoXLTokenizer.from_pretrained(tmp_path)):
        assert each.tokenize("THE <x> <X>") == ["the", "<x>", "<X>"]


def test_sizes_of_the_published_models():
    assert TransfoXLTokenizer.max_model_input_sizes == {"transfo-xl-wt103": None}


def test_delimiters():
    characters = TransfoXLTokenizer(delimiter="")
    assert characters.tokenize(" a b") == ["a", " ", "b"]
    characters.count_sents(["a b"])
    characters.build_vocab()
    assert characters("b a", return_offsets_mapping=True)["offset_mapping"] == [(0, 1), (1, 2), (2, 3)]
    assert characters.decode(characters.encode("b a")) == "b a"
    spaced = TransfoXLTokenizer(delimiter="|", vocab={"a,b": 0, "c": 1})
    assert spaced.tokenize("a,b|c||c") == ["a,b", "c", "c"]
    assert spaced("a,b|c||c", return_offsets_mapping=True)["offset_mapping"] == [(0, 3), (4, 5), (7, 8)]
    assert spaced.decode([0, 1]) == "a,b|c"


# The vocabulary


@pytest.mark.parametrize(
    "content",
    ["{}\n", "{} 7\n", "{}\r\n", "{}\t3 4\n", "{}\r", " {}\n"],
)
def test_text_vocabularies(content, tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_bytes("".join(content.format(word) for word in [*WORDS, "the"]).encode() + b" \n")
    for found in (
        TransfoXLTokenizer(vocab_file=str(path)), TransfoXLTokenizer(pretrained_vocab_file=path),
        TransfoXLTokenizer.from_pretrained(tmp_path), TransfoXLTokenizer.from_pretrained(str(path)),
    ):  # fmt: skip
        assert found.idx2sym == WORDS
        assert found.sym2idx == {word: index for index, word in enumerate(WORDS)}
        assert (found.vocab_size, len(found), found.unk_token_id, found.eos_token_id) == (15, 15, 3, 0)
        assert found.encode("the zz 5,000") == [1, 3, 5, 6, 7]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("vocab.txt", b"", "is empty"),
        ("vocab.txt", b"a\n\nb\n", "line 2 has no word"),
        ("vocab.txt", b"a\xff\n", "is not UTF-8"),
        ("vocab.txt", b"<!doctype html>", "web page"),
        ("vocab.txt", b'{"a": 0}', "is JSON"),
        ("vocab.json", b'{"a": 0, "b": 2}', "no word has the id 1, but 'b' has 2"),
        ("vocab.json", b'{"a": 0, "b": 0}', "share the id 0"),
        ("vocab.json", b"{}", "no token"),
        ("vocab.json", b'{"a": "0"}', "'0'"),
        ("vocab.bin", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("vocab.bin", b"\x80\x04N.", "pickles a NoneType"),
    ],
)
def test_vocabularies_that_are_none(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        TransfoXLTokenizer(vocab_file=tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    with pytest.raises(ValueError, match=message):
        TransfoXLTokenizer.from_pretrained(tmp_path)


def test_no_vocabulary(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"needs one of vocab\.txt, vocab\.json, vocab\.pkl, vocab\.bin"):
        TransfoXLTokenizer.from_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        TransfoXLTokenizer(vocab_file=tmp_path / "nowhere.txt")
    empty = TransfoXLTokenizer(lower_case=True)
    assert (empty.tokenize("Works all the same."), len(empty)) == (["works", "all", "the", "same", "."], 0)
    with pytest.raises(ValueError, match=r"the vocabulary is empty: give a vocab_file, or make .* then build_vocab"):
        empty.encode("word")


@pytest.mark.parametrize(
    ("words", "unknown", "index"),
    [(["<UNK>", "a"], "<UNK>", 0), (["a", "<unk>"], "<unk>", 1), (["a", "<unk>", "<UNK>"], "<unk>", 2)],
)
def test_unknown_words(words, unknown, index, tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    tokenizer = TransfoXLTokenizer.from_pretrained(tmp_path)
    assert tokenizer.unk_token == unknown
    assert tokenizer.encode("zz a") == [index, words.index("a")]
    (tmp_path / "vocab.txt").write_text("a b")
    with pytest.raises(ValueError, match="neither is unk_token"):
        TransfoXLTokenizer.from_pretrained(tmp_path).encode("zz")


@pytest.mark.parametrize(
    "options",
    [
        {"special": "<eos>"}, {"special": [1]}, {"min_freq": -1}, {"min_freq": 1.5}, {"max_size": "3"},
        {"delimiter": 3}, {"language": None}, {"never_split": "a"},
    ],
)  # fmt: skip
def test_impossible_options(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        TransfoXLTokenizer(**options)


# The published pickles


@pytest.mark.parametrize("name", FORMS)
def test_published_pickles(name, tmp_path):
    path = FORMS[name](tmp_path / name, attributes())
    for found in (
        TransfoXLTokenizer(pretrained_vocab_file=str(path)), TransfoXLTokenizer(vocab_file=path),
        TransfoXLTokenizer.from_pretrained(tmp_path), TransfoXLTokenizer.from_pretrained(path),
    ):  # fmt: skip
        assert found.idx2sym == WORDS
        assert found.encode("the zz <eos>") == [1, 3, 0]
    assert found.special == ["<eos>"]
    assert found.save_pretrained(tmp_path / "saved")[0].endswith("vocab.txt")
    assert sorted(file.name for file in (tmp_path / "saved").iterdir()) == [
        *("special_tokens_map.json", "tokenizer_config.json", "vocab.txt")
    ]
    assert TransfoXLTokenizer.from_pretrained(tmp_path / "saved").sym2idx == found.sym2idx


def test_options_of_a_pickle(tmp_path):
    write_stream(tmp_path / "vocab.bin", attributes(lower_case=True, min_freq="3", delimiter=None, unk_idx=10**9))
    tokenizer = TransfoXLTokenizer.from_pretrained(tmp_path)
    assert (tokenizer.lower_case, tokenizer.min_freq, tokenizer.encode("ZZ THE")) == (True, 0, [3, 1])
    assert TransfoXLTokenizer.from_pretrained(tmp_path, lower_case=False).encode("THE") == [3]


class Evil:
    def __init__(self, function, *arguments):
        self.made = function, arguments

    def __reduce__(self):
        return self.made


EVIL = {
    "os.system": Evil(os.system, "touch ran"),
    "eval": Evil(eval, "open('ran', 'w')"),
    "a counter of it": collections.Counter({"a": Evil(os.system, "touch ran")}),
    "a class": subprocess.CompletedProcess("a", 0),
    "a module": Evil(__import__, "antigravity"),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("evil", EVIL.values(), ids=EVIL)
@pytest.mark.parametrize("key", ["counter", "sym2idx", "idx2sym", "other"])
def test_hostile_pickles_are_refused_and_nothing_runs(name, evil, key, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = FORMS[name](tmp_path / name, attributes(**{key: evil}))
    modules = {*sys.modules}
    with pytest.raises(ValueError, match=r"nothing was run\. If you trust the file.*vocab\.txt") as caught:
        TransfoXLTokenizer.from_pretrained(tmp_path)
    assert str(path) in str(caught.value)
    assert not (tmp_path / "ran").exists()
    assert not {"antigravity", "subprocess_evil"} & ({*sys.modules} - modules)


def nested(depth):
    found = []
    for _ in range(depth):
        found = [found] * 10
    return found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"idx2sym": None}, "without idx2sym"),
        ({"idx2sym": []}, "without idx2sym"),
        ({"idx2sym": ["a", 1], "sym2idx": None}, "without idx2sym"),
        ({"idx2sym": nested(30), "sym2idx": None}, "without idx2sym"),
        ({"idx2sym": ["a", "b", "a"], "sym2idx": None}, "the word 'a' twice, as 0 and 2"),
        ({"sym2idx": {"a": 0}}, "do not agree"),
        ({"sym2idx": nested(30)}, "do not agree"),
    ],
)
def test_pickles_that_are_no_vocabulary(change, message, tmp_path):
    path = write_pickle(tmp_path / "vocab.pkl", attributes(**change))
    with pytest.raises(ValueError, match=rf"vocab\.pkl: .*{message}"):
        TransfoXLTokenizer(vocab_file=path)


def test_laughs_that_nobody_looks_at(tmp_path):
    write_pickle(tmp_path / "vocab.pkl", attributes(more=nested(200)))
    assert TransfoXLTokenizer.from_pretrained(tmp_path).idx2sym == WORDS


@pytest.mark.parametrize("name", FORMS)
def test_pickles_that_end_early(name, tmp_path):
    path = FORMS[name](tmp_path / name, attributes())
    content = path.read_bytes()
    for size in range(1, len(content), 7):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match=name):
            TransfoXLTokenizer(vocab_file=path)


@pytest.mark.parametrize("names", [["vocab.bin"], ["vocab.pkl"], ["vocab.bin", "vocab.pkl"]])
def test_the_published_name_is_found_on_the_hub(names, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    for name in ("TX_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "TRANSFORMERS_CACHE"):
        monkeypatch.delenv(name, raising=False)
    files = {name: FORMS[name](tmp_path / name, attributes()).read_bytes() for name in names}
    config = json.dumps({"model_type": "transfo-xl", "architectures": ["TransfoXLLMHeadModel"]}).encode()
    with HubServer() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.add("transfo-xl-wt103", {"config.json": config, **files}, lfs=names)
        hub.rename("transfo-xl-wt103", "transfo-xl/transfo-xl-wt103")
        found = TransfoXLTokenizer.from_pretrained("transfo-xl-wt103")
        assert (found.idx2sym, found.special) == (WORDS, ["<eos>"])
        assert hub.count("GET", host="cdn") == 1
        assert TransfoXLTokenizer.from_pretrained("transfo-xl/transfo-xl-wt103").encode("the zz") == [1, 3]


# Files


def test_saving_and_loading(tokenizer, tmp_path):
    vocab = tokenizer.get_vocab()
    made = TransfoXLTokenizer(["<eos>"], 2, 9, True, vocab=vocab, never_split=["a-b"], language="de", max_len=7)
    made.add_tokens(["new-word"])
    made.save_pretrained(tmp_path)
    for again in (TransfoXLTokenizer.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)):
        assert type(again) is TransfoXLTokenizer
        assert (again.special, again.min_freq, again.max_size, again.lower_case) == (["<eos>"], 2, 9, True)
        assert (again.never_split, again.language, again.max_len, again.idx2sym) == (["a-b"], "de", 7, WORDS)
        assert again.encode("The New-Word a-b <EOS>") == made.encode("The New-Word a-b <EOS>") == [1, 15, 3, 0]
    copied = pickle.loads(pickle.dumps(made))  # noqa: S301
    assert copied.encode("The New-Word a-b <EOS>") == [1, 15, 3, 0]


@pytest.mark.parametrize("words", [["a", " "], ["a", ""], ["a", "b\u2028c"], ["a", "b\x85"], ["\ufeffa"], ["[", "]"]])
def test_words_that_are_no_lines(words, tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    other = TransfoXLTokenizer(vocab={word: index for index, word in enumerate(words)})
    assert other.save_pretrained(tmp_path)[0].endswith("vocab.json")
    assert not (tmp_path / "vocab.txt").exists()
    assert TransfoXLTokenizer.from_pretrained(tmp_path).idx2sym == words
    assert TransfoXLTokenizer.from_pretrained(tmp_path / "vocab.json").idx2sym == words
    tokenizer.save_vocabulary(tmp_path)
    assert not (tmp_path / "vocab.json").exists()
    assert TransfoXLTokenizer.from_pretrained(tmp_path).idx2sym == WORDS


def test_what_is_saved_comes_before_what_was_published(tokenizer, tmp_path):
    write_stream(tmp_path / "vocab.bin", attributes(["old"]))
    tokenizer.save_pretrained(tmp_path)
    assert TransfoXLTokenizer.from_pretrained(tmp_path).idx2sym == WORDS
    with pytest.raises(NotADirectoryError, match="create it"):
        tokenizer.save_vocabulary(tmp_path / "nowhere")


def test_every_language_and_text_is_read_back(tmp_path):
    tokenizer = TransfoXLTokenizer()
    texts = [*MULTILINGUAL, *awkward_texts(50)]
    for text in texts:
        tokenizer.count_sents([tokenizer.tokenize(text.replace("\ufffd", ""))])
    tokenizer.build_vocab()
    tokenizer.save_pretrained(tmp_path)
    assert TransfoXLTokenizer.from_pretrained(tmp_path).idx2sym == tokenizer.idx2sym


# Vocabularies of texts, as in 2019


def test_a_vocabulary_of_texts(tmp_path):
    (tmp_path / "a.txt").write_text("the cat , the dog\n\nthe <unk> 5 @,@ 000\n")
    tokenizer = TransfoXLTokenizer(special=["<eos>"], min_freq=1, max_size=4)
    lines = tokenizer.count_file(tmp_path / "a.txt")
    assert lines == [["the", "cat", ",", "the", "dog"], [], ["the", "<unk>", "5", "@,@", "000"]]
    tokenizer.count_sents([["<unk>", "cat"]], verbose=True)
    assert tokenizer.counter["the"] == 3
    tokenizer.build_vocab()
    assert tokenizer.idx2sym == ["<eos>", "the", "cat", "<unk>", ","]
    assert (tokenizer.eos_idx, tokenizer.encode("the 5,")) == (0, [1, 3, 4])
    tokenizer.min_freq = 2
    tokenizer.build_vocab()
    assert tokenizer.idx2sym == ["<eos>", "the", "cat", "<unk>"]
    arrays = tokenizer.encode_file(tmp_path / "a.txt", verbose=True)
    assert [array.tolist() for array in arrays] == [[1, 2, 3, 1, 3, 0], [0], [1, 3, 3, 3, 3, 0]]
    text = tokenizer.encode_file(tmp_path / "a.txt", ordered=True, add_eos=False)
    assert (text.tolist(), str(text.dtype)) == ([1, 2, 3, 1, 3, 1, 3, 3, 3, 3], "int64")
    double = tokenizer.encode_file(tmp_path / "a.txt", add_double_eos=True)
    assert [array.tolist() for array in double][1] == [3, 3]
    assert tokenizer.encode_sents([["the"], []], ordered=True).tolist() == [1]
    assert tokenizer.encode_sents([], ordered=True).tolist() == []


def test_words_by_hand():
    tokenizer = TransfoXLTokenizer()
    tokenizer.add_special("<unk>")
    tokenizer.add_symbol("the")
    tokenizer.add_symbol("the")
    assert (tokenizer.get_idx("the"), tokenizer.get_idx("zz"), tokenizer.unk_idx) == (1, 0, 0)
    assert (tokenizer.get_sym(1), tokenizer.get_symbols([1, 0])) == ("the", ["the", "<unk>"])
    assert tokenizer.get_indices(["the", "zz"]) == [1, 0]
    assert tokenizer.encode("the zz") == [1, 0]
    tokenizer.add_symbol("zz")
    assert (tokenizer.encode("the zz"), len(tokenizer)) == ([1, 2], 3)
    with pytest.raises(ValueError, match="no token has the id 3"):
        tokenizer.get_sym(3)


def test_files_that_are_no_text(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        TransfoXLTokenizer().count_file(tmp_path / "nowhere")
    (tmp_path / "a").write_bytes(b"fine\n" * 5000 + b"\xff\n")
    with pytest.raises(ValueError, match=r"a: after line \d+ the file is not UTF-8 text"):
        TransfoXLTokenizer().count_file(tmp_path / "a")


def test_importing_loads_little():
    code = "import sys, tx_transfo_xl.tokenizer, tx_transfo_xl.corpus\nprint([*sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"'torch'", "'tensorflow'", "'numpy'", "'sacremoses'"} & {*loaded.strip("[]\n").split(", ")}
