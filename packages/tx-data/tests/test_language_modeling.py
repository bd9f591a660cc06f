"""Blocks of a text, and the hiding of words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tx_data import file_blocks, language_modeling, mask_tokens, text_blocks
from tx_tokenizers import ByteLevelBPETokenizer, WordPieceTokenizer


def test_blocks_have_their_special_tokens(tokenizer: WordPieceTokenizer, tmp_path: Path) -> None:
    text = "the cat sat on the mat. who ran on\nthe mat?"
    found = text_blocks(tokenizer, text, 6)
    assert found.dtype == np.int32
    assert [tokenizer.decode(row) for row in found] == [
        "[CLS] the cat sat on [SEP]", "[CLS] the mat. who [SEP]", "[CLS] ran on the mat [SEP]"
    ]  # fmt: skip
    (tmp_path / "text.txt").write_text(text)
    np.testing.assert_array_equal(file_blocks(tokenizer, tmp_path / "text.txt", 6), found)
    with pytest.raises(ValueError, match=r"block_size=2 leaves no room for text beside 2 special tokens"):
        text_blocks(tokenizer, text, 2)
    with pytest.raises(ValueError, match=r"the text has 2 tokens, and a row of block_size=6 needs 4"):
        text_blocks(tokenizer, "the cat", 6)


def test_processes_share_a_text(tokenizer: WordPieceTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_modeling, "_PART", 50)
    parts = [
        "the cat",
        "\n",
        "sat",
        "\n\n",
        " on",
        " \n ",
        "the",
        "\t\n\t",
        "mat",
        "\n  ",
        "a",
        "\n",
        " dog.",
        "\n\n\n",
    ]
    text = "".join(np.random.default_rng(1).choice(parts, 2000))
    assert sum(match.start() > 0 for match in language_modeling._BREAK.finditer(text)) > 100
    words = ["Ġ", "Ċ", "ĉ", "ĊĊ", "ĠĠ", "Ġt", *"acdeghmnorst.", "<|endoftext|>"]
    merges = [("Ġ", "t"), ("Ċ", "Ċ"), ("Ġ", "Ġ")]
    for prefix in (False, True):
        byte_level = ByteLevelBPETokenizer(
            vocab={word: number for number, word in enumerate(words)}, merges=merges, add_prefix_space=prefix
        )
        for each in (tokenizer, byte_level):
            wanted = text_blocks(each, text, 5)
            np.testing.assert_array_equal(text_blocks(each, text, 5, workers=2), wanted)


def ids_of(tokenizer: WordPieceTokenizer, rows: int = 400) -> np.ndarray:
    text = ["[CLS]", "un", "##kind", "##ly", "the", "cat", "##s", "[SEP]", "ran", ".", "[SEP]", "[PAD]"]
    return np.array([tokenizer.convert_tokens_to_ids(text)] * rows)


def test_so_many_tokens_are_hidden_and_never_special_ones(tokenizer: WordPieceTokenizer) -> None:
    ids = ids_of(tokenizer, 4000)
    kept = ids.copy()
    hidden, labels = mask_tokens(ids, tokenizer, 0.15, seed=3)
    np.testing.assert_array_equal(ids, kept)
    chosen = labels != -100
    np.testing.assert_array_equal(labels[chosen], ids[chosen])
    np.testing.assert_array_equal(hidden[~chosen], ids[~chosen])
    special = [0, 7, 10, 11]
    assert not chosen[:, special].any()
    text = np.delete(chosen, special, axis=1)  # 32,000 places
    assert abs(text.mean() - 0.15) < 0.01
    masks = (hidden == tokenizer.mask_token_id)[chosen].mean()
    same = (hidden == ids)[chosen].mean()
    assert abs(masks - 0.8) < 0.02
    assert abs(same - 0.1 - 0.1 / 20) < 0.02  # one of the twenty words that may come by chance is the same
    others = hidden[chosen & (hidden != tokenizer.mask_token_id) & (hidden != ids)]
    assert not {*others.tolist()} & {*tokenizer.all_special_ids} - {tokenizer.unk_token_id}
    assert len({*others.tolist()}) > 15


def test_a_seed_decides(tokenizer: WordPieceTokenizer) -> None:
    ids = ids_of(tokenizer)
    first, again, other = (mask_tokens(ids, tokenizer, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first[1] != other[1]).any()
    generator = np.random.default_rng(1)
    np.testing.assert_array_equal(mask_tokens(ids, tokenizer, seed=generator), first)
    assert (mask_tokens(ids, tokenizer, seed=generator)[1] != first[1]).any()


def test_whole_words_are_hidden(tokenizer: WordPieceTokenizer) -> None:
    hidden, labels = mask_tokens(ids_of(tokenizer, 4000), tokenizer, 0.3, seed=4, whole_words=True)
    chosen = labels != -100
    words = [[1, 2, 3], [4], [5, 6], [8], [9]]
    for word in words:
        assert (chosen[:, word] == chosen[:, word[:1]]).all()
        assert abs(chosen[:, word[0]].mean() - 0.3) < 0.03
    assert not chosen[:, [0, 7, 10, 11]].any()
    assert 0 < (chosen[:, 4] & chosen[:, 5]).mean() < 0.15  # words are chosen one by one
    assert (hidden[chosen] == tokenizer.mask_token_id).mean() > 0.7


def test_where_words_begin_in_byte_level_tokens() -> None:
    vocab = {word: n for n, word in enumerate(["a", "Ġa", "b", "<mask>", "<s>"])}
    tokenizer = ByteLevelBPETokenizer(vocab=vocab, merges=[("Ġ", "a")], mask_token="<mask>", cls_token="<s>")
    ids = np.array([[4, 0, 2, 1, 2, 2, 4, 2, 0]] * 500)
    _, labels = mask_tokens(ids, tokenizer, 0.5, seed=0, whole_words=True)
    chosen = labels != -100
    for word in ([1, 2], [3, 4, 5], [7, 8]):
        assert (chosen[:, word] == chosen[:, word[:1]]).all()
    assert (chosen[:, 2] != chosen[:, 3]).any()
    assert (chosen[:, 5] != chosen[:, 7]).any()


def test_tokens_that_are_added_later_count(tokenizer: WordPieceTokenizer) -> None:
    ids = ids_of(tokenizer)
    mask_tokens(ids, tokenizer, seed=0)
    tokenizer.add_special_tokens({"additional_special_tokens": ["cat"]})
    _, labels = mask_tokens(ids, tokenizer, 1.0, seed=0)
    assert (labels[:, 5] == -100).all()
    assert (labels[:, 6] != -100).all()


def test_impossible_arguments_are_refused(tokenizer: WordPieceTokenizer) -> None:
    with pytest.raises(ValueError, match=r"mlm_probability=1.5 is not between 0 and 1"):
        mask_tokens([[1]], tokenizer, 1.5)
    with pytest.raises(ValueError, match=r"inputs of the shape \(rows, tokens\) are wanted, not \(2,\)"):
        mask_tokens([1, 2], tokenizer)
    with pytest.raises(ValueError, match=r"inputs has ids from 1 to 99, and the tokenizer those from 0 to 24"):
        mask_tokens([[1, 99]], tokenizer)
    tokenizer.mask_token = None
    with pytest.raises(ValueError, match=r"WordPieceTokenizer has no mask_token to hide tokens with"):
        mask_tokens([[1]], tokenizer)
