"""What is kept of tokenizing: found by content alone, whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tx_data import (
    InputExample,
    MultipleChoiceExample,
    SquadExample,
    TokenExample,
    glue_convert_examples_to_features,
    multiple_choice_convert_examples_to_features,
    ner_convert_examples_to_features,
    squad_convert_examples_to_features,
    text_blocks,
)
from tx_data.parallel import in_chunks
from tx_data.tokenizing import fingerprint, tokenized
from tx_tokenizers import WordPieceTokenizer

EXAMPLES = [InputExample("1", "the cat sat", "it was on the mat.", "1"), InputExample("2", "who ran?", None, "0")]
CONTEXT = "The cat sat on the mat. A quick dog ran, unkindly."

USES: dict[str, Callable[..., Any]] = {
    "glue": lambda tokenizer, **o: glue_convert_examples_to_features(EXAMPLES * 40, tokenizer, 14, "mrpc", **o),
    "squad": lambda tokenizer, **o: squad_convert_examples_to_features(
        [SquadExample("q1", "Who ran?", CONTEXT, "dog", 32, "Pets")], tokenizer, 14, 5, 4, True, **o
    ),
    "ner": lambda tokenizer, **o: ner_convert_examples_to_features(
        [TokenExample("e1", ["unkindly", "\u200b", "cats"], ["O", "O", "B-X"])], tokenizer, 9, ["O", "B-X"], **o
    ),
    "choice": lambda tokenizer, **o: multiple_choice_convert_examples_to_features(
        [MultipleChoiceExample("1", "who", ["the cat sat"] * 2, ["ran", "sat"], 1)], tokenizer, 9, **o
    ),
    "text": lambda tokenizer, **o: text_blocks(tokenizer, f"{CONTEXT}\n" * 9, 6, **o).tolist(),
}


@pytest.mark.parametrize("use", USES)
def test_what_is_kept_is_what_would_be_made(
    tokenizer: WordPieceTokenizer, tmp_path: Path, use: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = USES[use](tokenizer)
    workers = {"threads" if use == "squad" else "workers": 2}
    assert USES[use](tokenizer, **workers) == wanted
    assert USES[use](tokenizer, cache_dir=tmp_path / "cache", **workers) == wanted
    kept = sorted((tmp_path / "cache").iterdir())
    assert kept
    assert all(path.suffix == ".npz" for path in kept)

    def forbidden(*_: Any, **__: Any) -> Any:
        raise AssertionError("it is kept")

    for name in ("tokenize", "__call__", "encode"):
        monkeypatch.setattr(WordPieceTokenizer, name, forbidden)
    assert USES[use](tokenizer, cache_dir=tmp_path / "cache") == wanted
    assert sorted((tmp_path / "cache").iterdir()) == kept


def test_the_content_decides_and_no_name(tokenizer: WordPieceTokenizer, tmp_path: Path) -> None:
    def files() -> int:
        return len([*tmp_path.glob("*.npz")])

    def run(examples: list[InputExample] = EXAMPLES, length: int = 14, **options: Any) -> Any:
        return glue_convert_examples_to_features(examples, tokenizer, length, "mrpc", cache_dir=tmp_path, **options)

    first = run()
    run(workers=2)
    run([InputExample("other", each.text_a, each.text_b, "0") for each in EXAMPLES])
    assert files() == 1
    run(length=13)
    assert files() == 2
    run(EXAMPLES[:1])
    run(EXAMPLES[::-1])
    run([InputExample("1", "the cat", "sat it was on the mat.", "1"), EXAMPLES[1]])
    assert files() == 5
    vocab = {**tokenizer.get_vocab(), "cat": tokenizer.get_vocab()["dog"], "dog": tokenizer.get_vocab()["cat"]}
    tokenizer = WordPieceTokenizer(vocab=vocab)
    assert run()[0].input_ids != first[0].input_ids
    assert files() == 6
    tokenizer.add_tokens(["mat."])
    assert run()[0].input_ids != first[0].input_ids
    assert files() == 7


def test_a_fingerprint_is_that_of_all_that_counts(tokenizer: WordPieceTokenizer, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    one, two = (WordPieceTokenizer.from_pretrained(tmp_path / name) for name in ("one", "two"))
    assert fingerprint(one) == fingerprint(two)
    seen = {fingerprint(one)}
    two.padding_side = "left"
    seen.add(fingerprint(two))
    seen.add(fingerprint(WordPieceTokenizer.from_pretrained(tmp_path / "one", do_lower_case=False)))
    two.add_tokens(["new"])
    seen.add(fingerprint(two))

    class Other(WordPieceTokenizer):
        pass

    seen.add(fingerprint(Other.from_pretrained(tmp_path / "one")))
    assert len(seen) == 5


@pytest.mark.parametrize("damage", ["cut", "other", "empty", "objects", "shorter"])
def test_a_damaged_file_is_made_again(
    tokenizer: WordPieceTokenizer, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    def run(items: list[str]) -> Any:
        return tokenized("x", tokenizer, lambda texts: [([len(t)], [1, 2]) for t in texts], items, {}, 1, tmp_path, 2)

    wanted = run(["a", "bb", "ccc"])
    assert wanted == [([1], [1, 2]), ([2], [1, 2]), ([3], [1, 2])]
    (path,) = tmp_path.glob("*.npz")
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "other":  # a file under the name of another
        run(["d", "e"])
        (other,) = {*tmp_path.glob("*.npz")} - {path}
        shutil.copy(other, path)
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        with np.load(path) as archive:
            arrays = dict(archive)
        if damage == "objects":
            arrays["values0"] = np.array([{}], dtype=object)
        else:
            arrays["values1"] = arrays["values1"][:-1]
        with path.open("wb") as file:
            np.savez(file, **arrays)
    assert run(["a", "bb", "ccc"]) == wanted
    assert "cannot be read" in caplog.text
    caplog.clear()
    assert run(["a", "bb", "ccc"]) == wanted
    assert not caplog.text


def test_nothing_is_kept_of_work_that_fails(tokenizer: WordPieceTokenizer, tmp_path: Path) -> None:
    def work(texts: Any) -> Any:
        raise ValueError("the text is bad")

    with pytest.raises(ValueError, match=r"the text is bad"):
        tokenized("x", tokenizer, work, ["a"], {}, 1, tmp_path, 1)
    assert not [*tmp_path.iterdir()]


def test_processes_share_work_in_order() -> None:
    def work(items: Any) -> Any:
        return [item * item for item in items]

    for workers in (1, 2, 5):
        found = [each for part in in_chunks(work, range(23), 4, workers) for each in part]
        assert found == [item * item for item in range(23)]
    assert [*in_chunks(work, [], 4, 3)] == []

    def failing(items: Any) -> Any:
        raise KeyError(items[0])

    with pytest.raises(KeyError):
        [*in_chunks(failing, range(23), 4, 2)]
