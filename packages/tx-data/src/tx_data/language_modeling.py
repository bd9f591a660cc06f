"""Language modelling: a text in blocks of one length, and the hiding of words in them."""

from __future__ import annotations

import re
from functools import cached_property
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

from .text_files import read_text
from .tokenizing import tokenized_columns

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from numpy import ndarray

    from tx_tokenizers import PreTrainedTokenizer

    Array = ndarray[Any, Any]
    Folder = str | os.PathLike[str]

IGNORED = -100
# A text is divided among processes only where no token goes across: after a line break that is all of the white space
# between two words, or all but the one space that may belong to the word.
_BREAK = re.compile(r"(?<=\S\n)(?=\S)|(?<=\n)(?= \S)")
_PART = 1 << 16  # characters of a part


def text_blocks(
    tokenizer: PreTrainedTokenizer, text: str, block_size: int, *, workers: int = 1, cache_dir: Folder | None = None
) -> Array:
    """A text as rows of one length, each with its special tokens; what is left at the end is dropped, as in 2019.

    Args:
        tokenizer: any of tx.
        text: the text.
        block_size: tokens of a row, special tokens included.
        workers: processes that share the work where that cannot change the ids: with the tokenizers of BERT,
            DistilBERT, GPT-2 and RoBERTa, if no special token stands in the text.
        cache_dir: a folder where the tokens are kept, and found again by the text and the tokenizer.

    Returns:
        int32 (rows, `block_size`).

    Raises:
        ValueError: `block_size` has no room for text, or the text is too short for one row.
    """
    import numpy as np

    mask = np.array(tokenizer.get_special_tokens_mask([0]), dtype=bool)
    (before,) = np.flatnonzero(~mask)
    room = block_size - len(mask) + 1
    if room < 1:
        raise ValueError(f"block_size={block_size} leaves no room for text beside {len(mask) - 1} special tokens")
    ids = _ids(tokenizer, text, workers, cache_dir)
    count = len(ids) // room
    if not count:
        raise ValueError(f"the text has {len(ids)} tokens, and a row of block_size={block_size} needs {room}")
    special = np.array(tokenizer.build_inputs_with_special_tokens([0]), dtype=np.int32)
    rows = np.empty((count, block_size), np.int32)
    rows[:, :before] = special[:before]
    rows[:, before : before + room] = ids[: count * room].reshape(count, room)
    rows[:, before + room :] = special[before + 1 :]
    return rows


def file_blocks(
    tokenizer: PreTrainedTokenizer, path: Folder, block_size: int, *, workers: int = 1, cache_dir: Folder | None = None
) -> Array:
    """`text_blocks` of a file in UTF-8. Raises FileNotFoundError if there is none, else as that does."""
    return text_blocks(tokenizer, read_text(path), block_size, workers=workers, cache_dir=cache_dir)


def _ids(tokenizer: PreTrainedTokenizer, text: str, workers: int, cache_dir: Folder | None) -> Array:
    cuts = [0]
    if _is_divisible(tokenizer, text):  # whatever `workers` is: the parts are what is kept
        for match in _BREAK.finditer(text):
            if match.start() - cuts[-1] >= _PART:
                cuts.append(match.start())
    parts = [(text[start:end], start == 0) for start, end in pairwise([*cuts, len(text)])]
    # A prefix is put before the first word of a text only.
    inner: dict[str, Any] = {"add_prefix_space": False} if "add_prefix_space" in tokenizer.tokenize_options else {}

    def work(parts: Sequence[tuple[str, bool]]) -> list[tuple[list[int], ...]]:
        tokens = (tokenizer.tokenize(part, **({} if first else inner)) for part, first in parts)
        return [(tokenizer.convert_tokens_to_ids(each),) for each in tokens]

    ids: Array
    ((ids, _),) = tokenized_columns("text", tokenizer, work, parts, {}, workers, cache_dir, 1)
    return ids


def _is_divisible(tokenizer: PreTrainedTokenizer, text: str) -> bool:
    """Whether a text may be tokenized in parts. SentencePiece weighs all of a text at once, XLM's rules look beyond a
    word, and an added token may claim the white space before it."""
    from tx_tokenizers.byte_bpe import ByteLevelBPETokenizer
    from tx_tokenizers.wordpiece import WordPieceTokenizer

    added = {*tokenizer.all_special_tokens, *tokenizer.added_tokens_encoder}
    word_by_word = isinstance(tokenizer, ByteLevelBPETokenizer | WordPieceTokenizer)
    return word_by_word and not any(token in text for token in added)


def mask_tokens(
    inputs: Any,
    tokenizer: PreTrainedTokenizer,
    mlm_probability: float = 0.15,
    seed: Any = None,
    whole_words: bool = False,
) -> tuple[Array, Array]:
    """Hides tokens for a masked language model to find, as BERT does (Devlin et al. 2018, https://arxiv.org/abs/1810.04805).

    Each token, special tokens and padding aside, is chosen with `mlm_probability`. Of those chosen 80% become the mask
    token, 10% another token by chance, and 10% stay.

    Args:
        inputs: ids (rows, tokens), an array, tensor on the CPU or lists of one length. They are not changed.
        tokenizer: the one that made them; it needs a `mask_token`.
        seed: what the choice depends on alone, a number or a `numpy.random.Generator`; None is different every time.
        whole_words: all tokens of a word are chosen, or none.

    Returns:
        The ids with tokens hidden, and the labels: the ids that were chosen, -100 elsewhere. Both int64.

    Raises:
        ValueError: no `mask_token`, a probability that is none, ids that the tokenizer does not have, another shape.
    """
    import numpy as np

    if tokenizer.mask_token_id is None:
        raise ValueError(
            f"{type(tokenizer).__name__} has no mask_token to hide tokens with: it reads from left to right"
        )
    if not 0 <= mlm_probability <= 1:
        raise ValueError(f"mlm_probability={mlm_probability} is not between 0 and 1")
    ids: Array = np.array(inputs, dtype=np.int64)
    if ids.ndim != 2:
        raise ValueError(f"inputs of the shape (rows, tokens) are wanted, not {ids.shape}")
    table = _table(tokenizer)
    size = len(table.special)
    if ids.size and (ids.min() < 0 or ids.max() >= size):
        raise ValueError(
            f"inputs has ids from {ids.min()} to {ids.max()}, and the tokenizer those from 0 to {size - 1}"
        )
    generator: Any = np.random.default_rng(seed)
    if whole_words:
        words = np.cumsum(table.begins(ids), axis=1)  # the number of each token's word in its row, from 1
        lots = np.take_along_axis(generator.random((len(ids), ids.shape[1] + 1)), words, axis=1)
    else:
        lots = generator.random(ids.shape)
    chosen = (lots < mlm_probability) & ~table.special[ids]
    labels = np.where(chosen, ids, IGNORED)
    lot = generator.random(ids.shape)
    others = generator.choice(table.text, ids.shape)
    hidden = np.where(lot < 0.8, tokenizer.mask_token_id, np.where(lot < 0.9, others, ids))
    return np.where(chosen, hidden, ids), labels


class _Table:
    """What is known of each id of a tokenizer.

    Attributes:
        special: boolean (ids,): what is never hidden, special tokens and ids that no token has.
        text: the ids of all others.
    """

    def __init__(self, tokenizer: PreTrainedTokenizer) -> None:
        import numpy as np

        self._kind = type(tokenizer)
        vocabulary = tokenizer.get_vocab()
        self._tokens = [""] * (max(vocabulary.values()) + 1)
        self.special: Array = np.ones(len(self._tokens), bool)
        ids = [*vocabulary.values()]
        self.special[ids] = tokenizer.get_special_tokens_mask(ids, already_has_special_tokens=True)
        for token, index in vocabulary.items():
            self._tokens[index] = token
        self.text: Array = np.flatnonzero(~self.special)

    @cached_property
    def _marks(self) -> tuple[Array, bool]:
        """Boolean (ids,), and whether it says that a token is the last of a word, and not that it is the first.

        Raises ValueError for a tokenizer of which neither is known.
        """
        import numpy as np

        from tx_tokenizers.bpe import BPETokenizer
        from tx_tokenizers.byte_bpe import ByteLevelBPETokenizer
        from tx_tokenizers.sentencepiece import SentencePieceTokenizer
        from tx_tokenizers.wordpiece import WordPieceTokenizer

        tokens = self._tokens
        if issubclass(self._kind, BPETokenizer):
            # The last token of a word is marked, or all but the last are.
            marked = any(token.endswith("</w>") for token in tokens)
            last = [token.endswith("</w>") if marked else not token.endswith("@@") for token in tokens]
            return np.array(last), True
        if issubclass(self._kind, WordPieceTokenizer):
            return np.array([not token.startswith("##") for token in tokens]), False
        if issubclass(self._kind, ByteLevelBPETokenizer):
            return np.array([token.startswith(("Ġ", "Ċ", "ĉ")) for token in tokens]), False
        if issubclass(self._kind, SentencePieceTokenizer):
            return np.array([token.startswith("▁") for token in tokens]), False
        raise ValueError(f"where the words of {self._kind.__name__} begin is not known: whole_words=False")

    def begins(self, ids: Array) -> Array:
        """Boolean (rows, tokens): whether a token begins a word; special tokens are words."""
        marks, are_last = self._marks
        special = self.special[ids]
        begins, ends = (special, special | marks[ids]) if are_last else (special | marks[ids], special)
        begins = begins.copy()
        begins[:, 1:] |= ends[:, :-1]
        begins[:, :1] = True
        return begins


_tables: WeakKeyDictionary[PreTrainedTokenizer, tuple[Any, _Table]] = WeakKeyDictionary()


def _table(tokenizer: PreTrainedTokenizer) -> _Table:
    """The table of a tokenizer; it is made again when tokens were added or special ones changed."""
    state = len(tokenizer), tuple(tokenizer.all_special_ids)
    known = _tables.get(tokenizer)
    if known is None or known[0] != state:
        known = _tables[tokenizer] = state, _Table(tokenizer)
    return known[1]
