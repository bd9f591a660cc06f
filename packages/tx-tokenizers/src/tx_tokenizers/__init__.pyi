# Written by tools/exports.
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
