"""What the files of a vocabulary may hold, in every tokenizer."""

from __future__ import annotations

import gzip
import json

import pytest

from tx_tokenizers.bpe import BPETokenizer
from tx_tokenizers.byte_bpe import ByteLevelBPETokenizer
from tx_tokenizers.wordpiece import WordPieceTokenizer

CLASSES = [WordPieceTokenizer, BPETokenizer, ByteLevelBPETokenizer]
WITH_MERGES = CLASSES[1:]


def folder_of(path, cls, vocab):
    """A folder of ``tokenizer.json`` for WordPiece and of the classic files for the others."""
    if cls is WordPieceTokenizer:
        (path / "tokenizer.json").write_text(json.dumps({"model": {"type": "WordPiece", "vocab": vocab}}))
    else:
        (path / "vocab.json").write_text(json.dumps(vocab))
        (path / "merges.txt").write_text("#version: 0.2\n")
    return path


def of(cls, vocab):
    return cls(vocab=vocab) if cls is WordPieceTokenizer else cls(vocab=vocab, merges=[])


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("index", [(1 << 20) + 2, 100_000_000, 2147483647])
def test_an_id_far_beyond_the_others_is_refused(tmp_path, cls, index):
    message = f"the token 'b' has the id {index}, but there are 2 tokens.*Correct the id"
    with pytest.raises(ValueError, match=message) as caught:
        cls.from_pretrained(folder_of(tmp_path, cls, {"a": 0, "b": index}))
    assert str(tmp_path) in str(caught.value)
    assert ".json" in str(caught.value)
    with pytest.raises(ValueError, match=f"vocab: {message}"):
        of(cls, {"a": 0, "b": index})


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("name", ["added_tokens.json", "tokenizer_config.json", "tokenizer.json"])
def test_an_added_token_with_such_an_id_is_refused(tmp_path, cls, name):
    of(cls, {"a": 0, "[UNK]": 1, "<unk>": 2}).save_pretrained(tmp_path)
    if name == "tokenizer.json":
        (tmp_path / "tokenizer_config.json").unlink()
    content = {
        "added_tokens.json": {"x": 2147483647},
        "tokenizer_config.json": {"added_tokens_decoder": {"2147483647": {"content": "x"}}},
        "tokenizer.json": {"added_tokens": [{"id": 2147483647, "content": "x"}]},
    }[name]
    (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"{name}: the token 'x' has the id 2147483647, but there are 3 tokens"):
        cls.from_pretrained(tmp_path)


@pytest.mark.parametrize("cls", CLASSES)
def test_gaps_as_real_files_have_them_are_read_and_written(tmp_path, cls):
    vocab = {"[UNK]": 0, "<unk>": 3, "a" * 5000: 4, "b": 60_000, "cc": 60_001}
    tokenizer = of(cls, vocab)
    tokenizer.add_tokens(["<x>"])
    (tmp_path / "saved").mkdir()
    tokenizer.save_pretrained(tmp_path / "saved")
    assert sum(path.stat().st_size for path in (tmp_path / "saved").iterdir()) < 400_000
    for name in (folder_of(tmp_path, cls, vocab), tmp_path / "saved"):
        again = cls.from_pretrained(name)
        assert {token: index for token, index in again.get_vocab().items() if token != "<x>"} == vocab
    assert again.get_vocab() == tokenizer.get_vocab()
    assert len(again) == len(tokenizer) == 60_002


@pytest.mark.parametrize("cls", CLASSES)
def test_two_tokens_of_one_id_are_refused(tmp_path, cls):
    message = "the tokens 'b' and 'c' share the id 5: drop one"
    with pytest.raises(ValueError, match=rf"\.json: {message}"):
        cls.from_pretrained(folder_of(tmp_path, cls, {"a": 0, "b": 5, "c": 5}))
    with pytest.raises(ValueError, match=f"vocab: {message}"):
        of(cls, {"a": 0, "b": 5, "c": 5})


@pytest.mark.parametrize("cls", CLASSES)
def test_a_token_of_two_ids_is_refused(tmp_path, cls):
    path = folder_of(tmp_path, cls, {"a": 0, "b": 5}) / (
        "tokenizer.json" if cls is WordPieceTokenizer else "vocab.json"
    )
    path.write_text(path.read_text().replace('"b": 5', '"a": 5'))
    with pytest.raises(ValueError, match=f"{path.name}: .*'a' is given twice, as 0 and as 5"):
        cls.from_pretrained(tmp_path)


FOUND = {
    "a git-LFS pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 231508\n",
        "a git-LFS pointer, not the file itself; run `git lfs pull`",
    ),
    "a web page": (b"<!DOCTYPE html>\n<html><body>Not found</body></html>\n", "a web page, .* download it again"),
    "a page": (b"\n  <html lang=en>\n<p>x", "a web page"),
    "an empty file": (b"", "the file is empty; fetch or copy it again"),
    "white space": (b"\xef\xbb\xbf\n \n", "the file is empty"),
    "gzip": (gzip.compress(b"a b\n"), "gzip-compressed; unpack it first"),
    "a zip archive": (b"PK\x03\x04" + bytes(60), "a zip archive; unpack it first"),
    "an error in JSON": (b'{"error": "Repository not found"}', "JSON|an error message.* download it again"),
    "an answer": (b"Entry not found", "a server's answer, 'Entry not found'.* download it again"),
    "404": (b"404: Not Found\n", "a server's answer, '404: Not Found'"),
    "Latin-1": (b"\xe9 \xe8\n", "UTF-8|utf-8"),
}


@pytest.mark.parametrize("cls, name", [(cls, name) for cls in CLASSES for name in cls.vocab_files_names.values()])
@pytest.mark.parametrize("content, message", FOUND.values(), ids=FOUND)
def test_what_stands_in_the_place_of_a_vocabulary_is_named_with_its_cure(tmp_path, cls, name, content, message):
    of(cls, {"a": 0, "[UNK]": 1, "<unk>": 2}).save_pretrained(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        cls.from_pretrained(tmp_path)
    assert str(caught.value).startswith(str(tmp_path / name))


@pytest.mark.parametrize("name", ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"])
def test_so_it_is_in_the_place_of_the_files_beside(tmp_path, name):
    of(WordPieceTokenizer, {"a": 0, "[UNK]": 1}).save_pretrained(tmp_path)
    (tmp_path / name).write_bytes(FOUND["a git-LFS pointer"][0])
    with pytest.raises(ValueError, match=f"{name}: .*the file is a git-LFS pointer"):
        WordPieceTokenizer.from_pretrained(tmp_path)


def test_text_that_is_no_vocabulary(tmp_path):
    path = tmp_path / "vocab.txt"
    for text in ("Sorry, you have to log in", '["a", "b"]', '{"a": 0, "b": 1}'):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"vocab\.txt: the file is (one line of text|JSON)"):
            WordPieceTokenizer.from_pretrained(path)
    for tokens in (["{", "}"], ["[UNK]", "a"], ["not", "found"], ["a"], ["{}"], ["[]", "<html>"]):
        path.write_text("".join(f"{token}\n" for token in tokens))
        assert [*WordPieceTokenizer.from_pretrained(path).vocab] == tokens


@pytest.mark.parametrize("cls", CLASSES)
def test_a_vocabulary_without_a_token_is_refused(tmp_path, cls):
    with pytest.raises(ValueError, match=r"\.json: the vocabulary has no token"):
        cls.from_pretrained(folder_of(tmp_path, cls, {}))
