from __future__ import annotations

import pytest

# A WordPiece vocabulary of the project's own making.
WORDS = """
    [PAD] [UNK] [CLS] [SEP] [MASK] the quick brown fox jump ##s ##ed over lazy dog un ##aff ##able run ##ning low ##er
    new ! , . ' ? - $ 2 3 ##3 cafe resume strasse i s ss ##ss a b c ##a ##b ##c 漢 字 か ##な 😀 ##👍 σ ##σ # ##ing
""".split()  # noqa: SIM905 - a list literal would be ninety lines


@pytest.fixture
def vocab() -> dict[str, int]:
    return {word: index for index, word in enumerate(WORDS)}


@pytest.fixture
def vocab_file(tmp_path, vocab):
    path = tmp_path / "vocab.txt"
    path.write_text("".join(f"{word}\n" for word in vocab), encoding="utf-8")
    return path
