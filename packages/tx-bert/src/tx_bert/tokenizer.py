"""BERT's tokenizer: WordPiece, with the names and settings of the published models."""

from __future__ import annotations

from tx_tokenizers.pretrained import published_files
from tx_tokenizers.wordpiece import (
    BasicTokenizer,
    WordPieceTokenizer,
    WordpieceTokenizer,
    _is_control,
    _is_punctuation,
    _is_whitespace,
    load_vocab,
    whitespace_tokenize,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, ClassVar

__all__ = [
    "BasicTokenizer",
    "BertTokenizer",
    "WordpieceTokenizer",
    "_is_control",
    "_is_punctuation",
    "_is_whitespace",
    "load_vocab",
    "whitespace_tokenize",
]

# Published name -> whether its vocabulary is lower-cased. All take 512 tokens.
_LOWER_CASED = {
    "bert-base-uncased": True,
    "bert-large-uncased": True,
    "bert-base-cased": False,
    "bert-large-cased": False,
    "bert-base-multilingual-uncased": True,
    "bert-base-multilingual-cased": False,
    "bert-base-chinese": False,
    "bert-base-german-cased": False,
    "bert-large-uncased-whole-word-masking": True,
    "bert-large-cased-whole-word-masking": False,
    "bert-large-uncased-whole-word-masking-finetuned-squad": True,
    "bert-large-cased-whole-word-masking-finetuned-squad": False,
    "bert-base-cased-finetuned-mrpc": False,
    "bert-base-german-dbmdz-cased": False,
    "bert-base-german-dbmdz-uncased": True,
}


class BertTokenizer(WordPieceTokenizer):
    """``[CLS] A [SEP]`` and ``[CLS] A [SEP] B [SEP]`` in WordPiece; see ``WordPieceTokenizer`` for its options."""

    pretrained_vocab_files_map: ClassVar[Mapping[str, Mapping[str, str]]] = published_files(
        WordPieceTokenizer.vocab_files_names, _LOWER_CASED
    )
    pretrained_init_configuration: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        name: {"do_lower_case": lower} for name, lower in _LOWER_CASED.items()
    }
    max_model_input_sizes: ClassVar[Mapping[str, int]] = dict.fromkeys(_LOWER_CASED, 512)
