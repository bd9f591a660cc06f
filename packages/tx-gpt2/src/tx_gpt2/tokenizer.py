"""GPT-2's tokenizer: byte-level BPE."""

from __future__ import annotations

from tx_tokenizers.byte_bpe import ByteLevelBPETokenizer, bytes_to_unicode
from tx_tokenizers.pretrained import published_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from typing import Any, ClassVar

__all__ = ["GPT2Tokenizer", "bytes_to_unicode"]

_NAMES = ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl", "distilgpt2")


class GPT2Tokenizer(ByteLevelBPETokenizer):
    """Byte-level BPE without special tokens around sequences; see ``ByteLevelBPETokenizer`` for its options.

    ``<|endoftext|>`` is the beginning, the end and the unknown token at once. There is no padding token: batches need
    ``tokenizer.pad_token = tokenizer.eos_token``. With ``add_bos_token`` each sequence begins with ``bos_token``.
    """

    original_files_names: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "vocab_file": ("encoder.json",),
        "merges_file": ("vocab.bpe",),
    }
    pretrained_vocab_files_map: ClassVar[Mapping[str, Mapping[str, str]]] = published_files(
        ByteLevelBPETokenizer.vocab_files_names, _NAMES
    )
    max_model_input_sizes: ClassVar[Mapping[str, int]] = dict.fromkeys(_NAMES, 1024)

    def __init__(
        self,
        vocab_file: str | os.PathLike[str] | None = None,
        merges_file: str | os.PathLike[str] | None = None,
        errors: str = "replace",
        unk_token: str = "<|endoftext|>",
        bos_token: str = "<|endoftext|>",
        eos_token: str = "<|endoftext|>",
        add_bos_token: bool = False,
        **options: Any,
    ) -> None:
        self.add_bos_token = add_bos_token
        if add_bos_token:
            self.single_layout = (("bos_token", 0), ("A", 0))
            self.pair_layout = (("bos_token", 0), ("A", 0), ("bos_token", 1), ("B", 1))
        super().__init__(
            vocab_file,
            merges_file,
            errors,
            settings={"add_bos_token": add_bos_token},
            unk_token=unk_token,
            bos_token=bos_token,
            eos_token=eos_token,
            **options,
        )
