"""The tokenizers of the classic transformers in fast pure Python; see README.md."""

from tx_core.lazy import attach

EXPORTS = {
    "base": ("PreTrainedTokenizer",),
    "bpe": ("BPETokenizer",),
    "byte_bpe": ("ByteLevelBPETokenizer",),
    "encoding": ("BatchEncoding",),
    "special_tokens": ("AddedToken",),
    "wordpiece": ("BasicTokenizer", "WordPieceTokenizer", "WordpieceTokenizer", "load_vocab"),
}

__getattr__, __dir__ = attach(__name__, EXPORTS)
