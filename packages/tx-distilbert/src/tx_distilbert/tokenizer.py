"""DistilBERT's tokenizer: WordPiece, with the names and settings of the published models."""

from __future__ import annotations

from tx_tokenizers.pretrained import published_files
from tx_tokenizers.wordpiece import WordPieceTokenizer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, ClassVar

# Published name -> whether its vocabulary is lower-cased. All take 512 tokens.
_LOWER_CASED = {
    "distilbert-base-uncased": True,
    "distilbert-base-uncased-distilled-squad": True,
    "distilbert-base-cased": False,
    "distilbert-base-cased-distilled-squad": False,
    "distilbert-base-german-cased": False,
    "distilbert-base-multilingual-cased": False,
    "distilbert-base-uncased-finetuned-sst-2-english": True,
}


class DistilBertTokenizer(WordPieceTokenizer):
    """``[CLS] A [SEP]`` and ``[CLS] A [SEP] B [SEP]`` in WordPiece; see ``WordPieceTokenizer`` for its options.

    DistilBERT has no segments, so a call returns no ``token_type_ids`` unless it is asked for them.
    """

    model_input_names: Sequence[str] = ("input_ids", "attention_mask")
    pretrained_vocab_files_map: ClassVar[Mapping[str, Mapping[str, str]]] = published_files(
        WordPieceTokenizer.vocab_files_names, _LOWER_CASED
    )
    pretrained_init_configuration: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        name: {"do_lower_case": lower} for name, lower in _LOWER_CASED.items()
    }
    max_model_input_sizes: ClassVar[Mapping[str, int]] = dict.fromkeys(_LOWER_CASED, 512)
