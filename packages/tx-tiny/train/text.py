"""The training text: read, brought to the form that people type, and divided into training, validation and test parts.

Two sources, found below the folder that `train.py --data` names:

- `lm/wikitext-2-raw/wiki.test.raw`: the test part of WikiText-2 raw (Merity et al. 2016, arXiv:1609.07843), articles of
  the English Wikipedia; CC BY-SA 3.0.
- `vocab/sentencepiece/botchan.txt`: Natsume Soseki, Botchan, translated by Yasotaro Morri (1919), of Project Gutenberg
  (EBook 8868); public domain.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

FILES = ("lm/wikitext-2-raw/wiki.test.raw", "vocab/sentencepiece/botchan.txt")

# Parts that are never trained on: the last articles, and the last chapter, half of it each.
HELD_OUT_ARTICLES = 2

Document = list[str]  # its paragraphs


@dataclass(frozen=True)
class Corpus:
    """Documents by part: `train` is learnt from, `dev` chooses the step whose weights are kept, `test` is reported."""

    train: list[Document]
    dev: list[Document]
    test: list[Document]
    sha256: dict[str, str]  # of each source file


def read_corpus(data: Path) -> Corpus:
    """The corpus below the folder `data`. Raises FileNotFoundError if a source is missing."""
    articles = wikitext((data / FILES[0]).read_text(encoding="utf-8"))
    *chapters, last = botchan((data / FILES[1]).read_text(encoding="utf-8-sig"))
    n, half = HELD_OUT_ARTICLES, len(last) // 2
    return Corpus(
        train=[*articles[: -2 * n], *chapters],
        dev=[*articles[-2 * n : -n], last[:half]],
        test=[*articles[-n:], last[half:]],
        sha256={file: hashlib.sha256((data / file).read_bytes()).hexdigest() for file in FILES},
    )


def wikitext(text: str) -> list[Document]:
    """The articles of a file of WikiText; headings divide them and are left out."""
    documents: list[Document] = []
    for line in text.splitlines():
        if re.match(r" = [^=]", line):
            documents.append([])
        elif line.strip() and not line.startswith(" = "):
            documents[-1].append(detokenise(line))
    return documents


def detokenise(line: str) -> str:
    """Undo the spaces that WikiText puts around punctuation."""
    line = re.sub(r" @([-,.])@ ", r"\1", f" {line.strip()} ")
    line = re.sub(r'" ([^"]*?) "', r'"\1"', line)
    line = re.sub(r" '(s|t|re|ve|ll|d|m)(?= )", r"'\1", line)
    line = re.sub(r" ([,.;:!?%)\]])", r"\1", line)
    line = re.sub(r"([(\[$£€]) ", r"\1", line)
    return line.strip()


def botchan(text: str) -> list[Document]:
    """The chapters of the novel, without what Project Gutenberg put around them.

    Lines are joined to paragraphs: one that stops short at the end of a sentence ends a paragraph.
    """
    story = text.partition("CHAPTER I\n")[2].partition("--(THE END)--")[0]
    story = re.sub(r"\[(?:[A-Z]|\d+)\]", "", story)  # marks of the transcriber's notes and of footnotes
    documents: list[Document] = []
    for chapter in re.split(r"CHAPTER [IVX]+\.?\n", story):
        paragraphs, lines = [], []
        for line in chapter.split("\n"):
            lines.append(line.strip())
            if len(line) < 60 and re.search(r"[.!?][\"']?$", line):
                paragraphs.append(" ".join(lines))
                lines = []
        documents.append([*paragraphs, " ".join(lines).strip()] if any(lines) else paragraphs)
    return documents


def sentences(paragraph: str) -> list[str]:
    """A paragraph cut after full stops, question and exclamation marks that a capital letter follows."""
    return re.split(r"(?:(?<=[.!?])|(?<=[.!?]\")) (?=\"?[A-Z])", paragraph)
