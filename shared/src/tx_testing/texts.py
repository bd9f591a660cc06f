"""Texts for tests of tokenizers: awkward ones, and running text of the test data."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

from .data import data_path

AWKWARD = [
    "", "   ", "Hello, world!", "Ünïcödé naïve café RÉSUMÉ", "cafe\u0301 e\u0301e\u0301s", "İstanbul DİYARBAKIR",
    "Straße GROSS ß \u1e9e", "ΟΔΥΣΣΕΥΣ ΣΑΣ.", "漢字とかなカナ 中文abc混合", "한국어 텍스트",
    "a\u200bb\u00adc \x00\x07zero\ufffdwidth", "tab\tnew\nline\r\nx\x0by\x0cz\x1cq\x85w\u2028u\u2029v\u00a0n\u3000m",
    "emoji 😀👍🏽 👨‍👩‍👧 end", "a" * 99, "a" * 100, "a" * 101, "b" * 150 + " ok",
    "[MASK] x[MASK]y [CLS]a[SEP] [mask] [UNK]", "don't stop--it's 3.14, $5^2 `x` ~y~ |z|",
    "https://example.org/a_b?c=d&e=f#g", "क्षत्रिय हिन्दी", "العَرَبِيَّة مرحبا", "שָׁלוֹם", "ภาษาไทย", "tiếng Việt",
    "ﬁnancial ﬂow Ⅷ ½ ㎏", "\u01c5 \u0149", "x\u0300\u0323y q\u0323\u0307", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𠀀𠮷", "。、！？「」…—–‘’“”",
    "\U000e0001tag", "a\u0345b Ά\u0345", "mixed\u4e2d\u0301文", "\U0001d165\U0001d16e",
    "[MASK][MASK] [MASK].", "un##known ##ing", "K\u212a \u2126",
]  # fmt: skip
# Characters of no category yet, and private ones: text for BERT's own code, dropped by the reference's.
PRIVATE = ["\ue000priv", "x\uf8ffy", "\u0378 a\u0378b", "\U000e0fffz", "\ufa6e\ufada"]
_POOLS = [
    "abcdefghij ABC .,!?",
    "éàüßİıſ ",
    "漢字かなカナ中",
    "\u0301\u0323abc e",
    "😀\u200d\ufe0f x",
    "\x00\x01\t\n\r\u200b\u00ad a",
]

RUNNING = ("lm/wikitext-2/test.txt", "lm/wikitext-2/valid.txt", "lm/wikitext-2-raw/wiki.test.raw")


def awkward_texts(count: int = 300) -> list[str]:
    """Accents, scripts, marks, emoji, control characters and white space: ``AWKWARD`` and ``count`` random mixtures.

    ``PRIVATE`` is not among them.
    """
    rng = random.Random(0)
    made = ["".join(rng.choice(rng.choice(_POOLS)) for _ in range(rng.randint(1, 40))) for _ in range(count)]
    return [*AWKWARD, *made]


def running_lines(*names: str) -> list[str]:
    """Lines of files of the test data (``RUNNING``, if none is named), blank ones included; skips without the data."""
    return [line for name in names or RUNNING for line in data_path(name).read_bytes().decode("utf-8").split("\n")]


def rows(arrays: Mapping[str, Any], name: str) -> Iterator[list[Any]]:
    """The rows of the reference's flat array ``name``, whose lengths are in ``lengths``."""
    values, start = arrays[name].tolist(), 0
    for length in arrays["lengths"].tolist():
        yield values[start : start + length]
        start += length
