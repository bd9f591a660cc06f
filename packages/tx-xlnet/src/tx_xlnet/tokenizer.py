"""XLNet's tokenizer: SentencePiece once accents are dropped, commas apart from numbers, special tokens at the end."""

from __future__ import annotations

import unicodedata

from tx_tokenizers.pretrained import published_files
from tx_tokenizers.sentencepiece import SentencePieceTokenizer
from tx_tokenizers.special_tokens import AddedToken

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any, ClassVar

    from tx_tokenizers.sentencepiece import Cut, Piece
    from tx_tokenizers.special_tokens import Layout
    from tx_tokenizers.traced import TracedText

__all__ = ["SPIECE_UNDERLINE", "XLNetTokenizer"]

_NAMES = ("xlnet-base-cased", "xlnet-large-cased")
# What SentencePiece writes for a space.
SPIECE_UNDERLINE = "\u2581"


def _without_accents(text: str) -> str:
    return "".join([one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one)])


def _lowered(text: str) -> str:
    """The text in lower case, character by character: a sigma at the end of a word is one like the others."""
    return text.lower() if text.isascii() else "".join(map(str.lower, text))


class XLNetTokenizer(SentencePieceTokenizer):
    """``A <sep> <cls>`` and ``A <sep> B <sep> <cls>`` in pieces of SentencePiece; padding stands on the left.

    Token types are 0 and 1 for the texts, 2 for ``<cls>`` and 3 for padding. ``<mask>`` takes the white space before
    it, as a word does. A comma that a piece has after a digit is a token of its own. Offsets leave out the space before
    a word, and that of a piece which is nothing else is empty.

    Args:
        vocab_file: the path of ``spiece.model``.
        do_lower_case: put texts into lower case; the published models keep it.
        remove_space: make all white space single spaces.
        keep_accents: leave accents and compatibility characters (``ﬁ``, ``①``) to the model's own rules.
        options: see ``PreTrainedTokenizer``.

    Attributes:
        sp_model: what cuts texts (``tx_tokenizers.sentencepiece.SentencePiece``).
    """

    pretrained_vocab_files_map: ClassVar[Mapping[str, Mapping[str, str]]] = published_files(
        SentencePieceTokenizer.vocab_files_names, _NAMES
    )
    max_model_input_sizes: ClassVar[Mapping[str, int | None]] = dict.fromkeys(_NAMES)
    padding_side: str = "left"
    pad_token_type_id: int = 3
    single_layout: Layout = (("A", 0), ("sep_token", 0), ("cls_token", 2))
    pair_layout: Layout = (("A", 0), ("sep_token", 0), ("B", 1), ("sep_token", 1), ("cls_token", 2))
    added_token_space: ClassVar[str] = ""

    def __init__(
        self,
        vocab_file: str | os.PathLike[str],
        do_lower_case: bool = False,
        remove_space: bool = True,
        keep_accents: bool = False,
        bos_token: str = "<s>",
        eos_token: str = "</s>",
        unk_token: str = "<unk>",
        sep_token: str = "<sep>",
        pad_token: str = "<pad>",
        cls_token: str = "<cls>",
        mask_token: str | AddedToken = "<mask>",
        additional_special_tokens: Sequence[str] = ("<eop>", "<eod>"),
        **options: Any,
    ) -> None:
        self.do_lower_case = do_lower_case
        self.remove_space = remove_space
        self.keep_accents = keep_accents
        if isinstance(mask_token, str):
            mask_token = AddedToken(mask_token, lstrip=True, special=True)
        super().__init__(
            vocab_file,
            settings={"do_lower_case": do_lower_case, "remove_space": remove_space, "keep_accents": keep_accents},
            bos_token=bos_token,
            eos_token=eos_token,
            unk_token=unk_token,
            sep_token=sep_token,
            pad_token=pad_token,
            cls_token=cls_token,
            mask_token=mask_token,
            additional_special_tokens=additional_special_tokens,
            **options,
        )

    def _folds_case(self) -> bool:
        return self.do_lower_case

    # Tokenization ---------------------------------------------------------------------------------------------------

    def _split(self, text: str) -> list[str]:
        return text.split() if self.remove_space else super()._split(text)

    def preprocess_text(self, inputs: str) -> str:
        """The text with single spaces, plain quotation marks, no accents and in lower case, as options say."""
        text = _lowered(inputs) if self.do_lower_case else inputs
        if self.remove_space:
            text = " ".join(text.split())
        text = text.replace("``", '"').replace("''", '"')
        if not self.keep_accents and not text.isascii():
            text = _without_accents(text)
        return text.lower() if self.do_lower_case else text

    def _trace(self, traced: TracedText) -> None:
        wanted = self.preprocess_text(traced.text)
        if self.do_lower_case:
            traced.map(_lowered)
        if self.remove_space:
            traced.sub(r"\s+", " ")
            traced.strip()
        traced.sub("``", '"')
        traced.sub("''", '"')
        if not self.keep_accents:
            traced.map(_without_accents)
        if self.do_lower_case:
            traced.map(_lowered)
        traced.text = wanted  # of the same length: a sigma may differ, and the order of accents that are kept

    def _pieces(self, cut: Cut) -> list[Piece]:
        """The pieces, of which those that end in a digit and a comma are cut again without it."""
        found: list[Piece] = []
        for piece, start, end in super()._pieces(cut):
            if len(piece) > 1 and piece[-1] == "," and piece[-2].isdigit():
                found += self._before_comma(piece, start, end)
            else:
                found.append((piece, start, end))
        return found

    def _before_comma(self, piece: str, start: int, end: int) -> list[Piece]:
        number = piece[:-1].replace(SPIECE_UNDERLINE, "")
        tokens = self.sp_model.tokenize(number)
        if piece[0] != SPIECE_UNDERLINE and tokens and tokens[0][0] == SPIECE_UNDERLINE:
            tokens = tokens[1:] if len(tokens[0]) == 1 else [tokens[0][1:], *tokens[1:]]
        found: list[Piece] = []
        exact = "".join(tokens) == piece[:-1]
        place = start
        for token in tokens:
            stop = place + len(token) if exact else end - 1
            found.append((token, place, stop))
            place = stop if exact else start
        return [*found, (",", end - 1, end)]

    def _tokens_alone(self) -> Collection[str]:
        return {*self.added_tokens_encoder, *self.all_special_tokens}

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """Words of the pieces, with a space where a piece begins with U+2581."""
        return "".join(tokens).replace(SPIECE_UNDERLINE, " ").strip()
