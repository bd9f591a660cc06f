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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import PreTrainedTokenizer as PreTrainedTokenizer
    from .bpe import BPETokenizer as BPETokenizer
    from .byte_bpe import ByteLevelBPETokenizer as ByteLevelBPETokenizer
    from .encoding import BatchEncoding as BatchEncoding
    from .special_tokens import AddedToken as AddedToken
    from .wordpiece import BasicTokenizer as BasicTokenizer
    from .wordpiece import WordPieceTokenizer as WordPieceTokenizer
    from .wordpiece import WordpieceTokenizer as WordpieceTokenizer
    from .wordpiece import load_vocab as load_vocab

    __version__: str
else:
    __getattr__, __dir__ = attach(__name__, EXPORTS)
