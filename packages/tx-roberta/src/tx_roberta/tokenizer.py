"""RoBERTa's tokenizer: GPT-2's byte-level BPE under ids of fairseq's, and special tokens around sequences."""

from __future__ import annotations

from tx_core.messages import quoted
from tx_tokenizers.byte_bpe import ByteLevelBPETokenizer
from tx_tokenizers.pretrained import published_files
from tx_tokenizers.special_tokens import AddedToken
from tx_tokenizers.tokenizer_files import read_object, read_text, read_vocabulary

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from typing import Any, ClassVar

    from tx_tokenizers.bpe import Pair
    from tx_tokenizers.pretrained import _Files
    from tx_tokenizers.special_tokens import Layout

__all__ = ["RobertaTokenizer"]

_NAMES = (
    "roberta-base",
    "roberta-large",
    "roberta-large-mnli",
    "distilroberta-base",
    "roberta-base-openai-detector",
    "roberta-large-openai-detector",
)

#: The symbols that fairseq's dictionaries have before those of ``dict.txt``.
_FIRST_SYMBOLS = ("<s>", "<pad>", "</s>", "<unk>")


def _fairseq_vocabulary(encoder_file: str | os.PathLike[str], dict_file: str | os.PathLike[str]) -> dict[str, int]:
    """RoBERTa's ids of tokens: the place in fairseq's dictionary of each id of GPT-2's.

    A line of ``dict.txt`` is a symbol and how often it occurs (fairseq's ``Dictionary``). Here symbols are ids of
    GPT-2's ``encoder.json``, and some fillers (``madeupword0000``). ``<mask>`` comes after them.
    """
    from pathlib import Path

    tokens = {str(index): token for token, index in read_vocabulary(read_object(encoder_file), encoder_file).items()}
    symbols = list(_FIRST_SYMBOLS)
    for number, line in enumerate(read_text(Path(dict_file), "dictionary").splitlines(), 1):
        symbol, _, count = line.removesuffix(" #fairseq:overwrite").rpartition(" ")
        if not symbol or not count.isdecimal():
            raise ValueError(f"{dict_file}: line {number} is not a symbol and a count: {quoted(line)}")
        if symbol.isdecimal() and symbol not in tokens:
            raise ValueError(f"{dict_file}: line {number}: {encoder_file} has no token of id {symbol}")
        symbols.append(tokens.get(symbol, symbol))
    symbols.append("<mask>")
    vocabulary = {symbol: index for index, symbol in enumerate(symbols)}
    if len(vocabulary) < len(symbols):
        raise ValueError(f"{dict_file}: {len(symbols) - len(vocabulary)} symbols are there twice")
    return vocabulary


class RobertaTokenizer(ByteLevelBPETokenizer):
    """``<s> A </s>`` and ``<s> A </s></s> B </s>`` in byte-level BPE; token types are all 0.

    ``<mask>`` takes the white space before it, as a word does. The folder that fairseq ships (``dict.txt`` and GPT-2's
    ``encoder.json`` and ``vocab.bpe``) is read as it is.

    Args:
        vocab_file, merges_file, vocab, merges: see ``MergesTokenizer``.
        errors, add_prefix_space: see ``ByteLevelBPETokenizer``.
        dict_file: fairseq's dictionary, if ``vocab_file`` is GPT-2's ``encoder.json``.
        options: see ``PreTrainedTokenizer``.
    """

    original_files_names: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "vocab_file": ("encoder.json",),
        "merges_file": ("vocab.bpe",),
        "dict_file": ("dict.txt",),
    }
    pretrained_vocab_files_map: ClassVar[Mapping[str, Mapping[str, str]]] = published_files(
        ByteLevelBPETokenizer.vocab_files_names, _NAMES
    )
    max_model_input_sizes: ClassVar[Mapping[str, int]] = dict.fromkeys(_NAMES, 512)
    trim_offsets: ClassVar[bool] = True
    single_layout: Layout = (("cls_token", 0), ("A", 0), ("sep_token", 0))
    pair_layout: Layout = (*single_layout, ("sep_token", 0), ("B", 0), ("sep_token", 0))

    def __init__(
        self,
        vocab_file: str | os.PathLike[str] | None = None,
        merges_file: str | os.PathLike[str] | None = None,
        errors: str = "replace",
        bos_token: str = "<s>",
        eos_token: str = "</s>",
        sep_token: str = "</s>",
        cls_token: str = "<s>",
        unk_token: str = "<unk>",
        pad_token: str = "<pad>",
        mask_token: str | AddedToken = "<mask>",
        *,
        dict_file: str | os.PathLike[str] | None = None,
        vocab: Mapping[str, int] | None = None,
        merges: list[Pair] | None = None,
        **options: Any,
    ) -> None:
        if dict_file is not None:
            if vocab_file is None:
                raise ValueError(f"dict_file={quoted(dict_file)} needs vocab_file, GPT-2's encoder.json")
            vocab = _fairseq_vocabulary(vocab_file, dict_file)
            vocab_file = None
        if isinstance(mask_token, str):
            mask_token = AddedToken(mask_token, lstrip=True, special=True)
        super().__init__(
            vocab_file,
            merges_file,
            errors,
            vocab=vocab,
            merges=merges,
            bos_token=bos_token,
            eos_token=eos_token,
            sep_token=sep_token,
            cls_token=cls_token,
            unk_token=unk_token,
            pad_token=pad_token,
            mask_token=mask_token,
            **options,
        )

    @classmethod
    def _vocabulary_arguments(cls, name: str, files: _Files) -> dict[str, Any]:
        if "dict_file" in files.vocabulary and not {"vocab_file", "merges_file"} <= {*files.vocabulary}:
            raise FileNotFoundError(
                f"{name}: {cls.__name__} needs GPT-2's encoder.json and vocab.bpe beside dict.txt, whose symbols are "
                "its ids: add them; a dictionary of other symbols is not this tokenizer's"
            )
        arguments = super()._vocabulary_arguments(name, files)
        if str(arguments.get("vocab_file", "")).endswith("encoder.json") and "dict_file" not in arguments:
            raise FileNotFoundError(
                f"{name}: {cls.__name__} needs dict.txt beside encoder.json, whose ids are GPT-2's: add it"
            )
        return arguments
