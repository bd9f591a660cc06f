"""XLNetTokenizer against the reference library's, which runs the program SentencePiece."""

from __future__ import annotations

import random

import pytest

from tx_testing.data import data_path
from tx_testing.slow_ids import check_slow_ids
from tx_testing.texts import PRIVATE, RUNNING, awkward_texts, running_lines
from tx_xlnet.tokenizer import XLNetTokenizer

MORE = [
    "1,299.95 3,141,592 9, 10,x a1,b ²,³ ①,② 1,", "``x'' it''s ``", "<mask> a<mask>b  <mask>  c",
    "<sep>x<cls> <eop>y <pad>",
    "\u2581 a\u2581b \u2581", "a \u2581", "(a) . - ( .. ) £5", "´ x´ ´y a ´ b", "ﷺ ﷺ1,", "x\u3000y\u200bz \u0001 q",
    "ΟΔΟΣ Σ 𝚺 ΑΣ.", "İ I ı ŞĞ", "１，２ ９,０", "½, ⅓,", "word " * 3000, "x" * 3000, "漢字" * 500, "1,0" * 200,
]  # fmt: skip


def made(count: int) -> list[str]:
    rng = random.Random(5)
    pools = [
        "abcdefghijklmnopqrstuvwxyz  ",
        "ABC abc.,'`\"()-£ ",
        "0123456789,,. ",
        "oooo 0(.",
        "àéîõü\u0301\u0323 ß",
        "漢字カナ한국",
        "\t\n\u00a0\u2028 ",
    ]
    return ["".join(rng.choice(rng.choice(pools)) for _ in range(rng.randint(1, 60))) for _ in range(count)]


@pytest.mark.parametrize(
    "options, lines",
    [({}, None), ({"do_lower_case": True}, 300), ({"keep_accents": True, "remove_space": False}, 300)],
)
def test_ids_are_the_references(options, lines):
    path = str(data_path("vocab/xlnet-base-cased/spiece.model"))
    running = running_lines()[::3] if lines is None else running_lines(RUNNING[1])[:lines]
    questions = data_path("squad").rglob("*.json") if lines is None else ()
    texts = [*MORE, *PRIVATE, *awkward_texts(), *made(2000), *running]
    texts += [text[:3000] for file in sorted(questions)[:2] for text in file.read_text()[:400_000].split('"context": ')]
    check_slow_ids(XLNetTokenizer(path, **options), "XLNetTokenizer", [path], texts, **options)
