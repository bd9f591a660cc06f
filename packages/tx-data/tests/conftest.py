from __future__ import annotations

import pytest

from tx_tokenizers import WordPieceTokenizer

# A WordPiece vocabulary of the project's own making.
WORDS = """
    [PAD] [UNK] [CLS] [SEP] [MASK] the a cat dog sat ran on mat ##s ##ly quick un ##kind . , ? ' it was who
""".split()  # noqa: SIM905 - a list literal would be thirty lines


@pytest.fixture
def tokenizer() -> WordPieceTokenizer:
    return WordPieceTokenizer(vocab={word: number for number, word in enumerate(WORDS)})
