"""The tokenizer: that of BERT by another name."""

from tx_tokenizers.wordpiece import WordPieceTokenizer


class AverageTokenizer(WordPieceTokenizer):
    """Words and pieces of words."""
