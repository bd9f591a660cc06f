"""How vocabularies were learnt and aligned, and the text prepared: the parts of train/ that need no framework."""

from __future__ import annotations

import importlib.util
import random
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

TRAIN = Path(__file__).parents[1] / "train"


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tx_tiny_train_{name}", TRAIN / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[made.__name__] = made  # dataclasses look it up
    spec.loader.exec_module(made)
    return made


alignment = module("alignment")
vocabulary = module("vocabulary")
text = module("text")


def naive_merges(words: dict[tuple[str, ...], int], number: int) -> list[tuple[str, str]]:
    """All pairs counted anew for each merge."""
    pieces = {word: list(word) for word in words}
    merges: list[tuple[str, str]] = []
    while len(merges) < number:
        counts: dict[tuple[str, str], int] = {}
        for word, parts in pieces.items():
            for pair in pairwise(parts):
                counts[pair] = counts.get(pair, 0) + words[word]
        best = min(counts, key=lambda pair: (-counts[pair], pair), default=None)
        if best is None or counts[best] < 2:
            break
        merges.append(best)
        for word, parts in pieces.items():
            pieces[word] = vocabulary.apply_merge(parts, best, "".join(best))
    return merges


@pytest.mark.parametrize("seed", range(20))
def test_merges_are_those_of_counting_anew(seed: int) -> None:
    generator = random.Random(seed)
    words = {
        tuple(generator.choices("abc", k=generator.randint(1, 9))): generator.randint(1, 5)
        for _ in range(generator.randint(1, 40))
    }
    assert vocabulary.learn_merges(words, 30, str.__add__) == naive_merges(words, 30)


def test_merges_stop_where_no_pair_occurs_twice() -> None:
    assert vocabulary.learn_merges({("a", "b"): 1, ("c",): 9}, 5, str.__add__) == []
    assert vocabulary.learn_merges({("a", "a", "a"): 1}, 5, str.__add__) == [("a", "a")]


def test_wordpiece_vocabulary() -> None:
    words = {"low": 5, "lower": 2, "newest": 6, "widest": 3, "ünique": 1}
    entries = vocabulary.wordpiece(words, 24, ["[PAD]", "[UNK]"], 2)
    assert entries[:2] == ["[PAD]", "[UNK]"]
    assert len(entries) == len(set(entries)) == 24
    assert "ü" not in entries  # too rare
    assert {"l", "##o", "##w", "##est", "low"} <= set(entries)


def test_wikitext_is_brought_to_the_form_that_people_type() -> None:
    raw = (
        " = A Film = \n He said \" it 's a two @-@ part film ( 1 @,@ 000 people ) \" , didn 't he ? \n = = Plot = = \n"
        " It cost $ 3 @.@ 5 ; too much . \n = Another = \n One . \n"
    )
    assert text.wikitext(raw) == [
        ["He said \"it's a two-part film (1,000 people)\", didn't he?", "It cost $3.5; too much."],
        ["One."],
    ]


def test_sentences_end_before_a_capital_letter() -> None:
    paragraph = 'He left. "Why?" she asked. The U.S. team won 3.5 games! "Go." They went.'
    assert text.sentences(paragraph) == [
        "He left.",
        '"Why?" she asked.',
        "The U.S. team won 3.5 games!",
        '"Go."',
        "They went.",
    ]


def test_held_out_parts_are_not_trained_on(tmp_path: Path) -> None:
    articles = "".join(f" = Article {i} = \n Text number {i} . \n" for i in range(7))
    chapters = "".join(f"CHAPTER {n}\nIt was chapter {n}.\nIt ended.\n" for n in ("I", "II", "III."))
    novel = f"\ufeffHeader\n{chapters}--(THE END)--\n*** END OF THIS BOOK\nFooter\n"
    for file, content in zip(text.FILES, (articles, novel), strict=True):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text(content, encoding="utf-8")
    corpus = text.read_corpus(tmp_path)
    assert corpus.train[:3] == [["Text number 0."], ["Text number 1."], ["Text number 2."]]
    assert corpus.train[3:] == [["It was chapter I.", "It ended."], ["It was chapter II.", "It ended."]]
    assert corpus.dev == [["Text number 3."], ["Text number 4."], ["It was chapter III.."]]
    assert corpus.test == [["Text number 5."], ["Text number 6."], ["It ended."]]
    assert set(corpus.sha256) == set(text.FILES)


def test_tokens_of_the_same_characters_are_found() -> None:
    ours = [(0, 0), (0, 3), (4, 8), (8, 10), (11, 12), (11, 12), (13, 15), (0, 0)]  # 11: one character, two bytes
    theirs = [(0, 0), (0, 3), (4, 7), (7, 10), (11, 12), (13, 15), (0, 0)]
    found = alignment.align(ours, theirs)
    assert found.same == [-1, 1, -1, -1, -1, -1, 5, -1]
    assert found.begin == [0, 1, 2, 2, 4, 6, 0]
    assert found.end == [0, 2, 3, 4, 6, 7, 0]


@pytest.mark.parametrize("seed", range(20))
def test_tokens_that_share_a_character_are_found(seed: int) -> None:
    generator = random.Random(seed)

    def cut() -> list[tuple[int, int]]:
        edges = sorted({0, 30, *generator.sample(range(1, 30), 9)})
        return [(0, 0), *(span for span in pairwise(edges) if generator.random() < 0.9), (0, 0)]

    ours, theirs = cut(), cut()
    found = alignment.align(ours, theirs)
    for (start, end), first, last in zip(theirs, found.begin, found.end, strict=True):
        shared = [place for place, span in enumerate(ours) if max(span[0], start) < min(span[1], end)]
        assert list(range(first, last)) == shared
