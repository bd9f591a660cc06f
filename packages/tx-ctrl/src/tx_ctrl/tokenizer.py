"""CTRL's tokenizer: BPE over words that white space divides, and the control codes that begin its texts."""

from __future__ import annotations

import re

from tx_tokenizers.bpe import BPETokenizer
from tx_tokenizers.byte_bpe import WHITE_SPACE
from tx_tokenizers.pretrained import published_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from typing import Any, ClassVar

#: Control code -> its id in the published vocabulary (Keskar et al. 2019, https://arxiv.org/abs/1909.05858).
CONTROL_CODES: dict[str, int] = {
    "Pregnancy": 168629,
    "Christianity": 7675,
    "Explain": 106423,
    "Fitness": 63440,
    "Saving": 63163,
    "Ask": 27171,
    "Ass": 95985,
    "Joke": 163509,
    "Questions": 45622,
    "Thoughts": 49605,
    "Retail": 52342,
    "Feminism": 164338,
    "Writing": 11992,
    "Atheism": 192263,
    "Netflix": 48616,
    "Computing": 39639,
    "Opinion": 43213,
    "Alone": 44967,
    "Funny": 58917,
    "Gaming": 40358,
    "Human": 4088,
    "India": 1331,
    "Joker": 77138,
    "Diet": 36206,
    "Legal": 11859,
    "Norman": 4939,
    "Tip": 72689,
    "Weight": 52343,
    "Movies": 46273,
    "Running": 23425,
    "Science": 2090,
    "Horror": 37793,
    "Confession": 60572,
    "Finance": 12250,
    "Politics": 16360,
    "Scary": 191985,
    "Support": 12654,
    "Technologies": 32516,
    "Teenage": 66160,
    "Event": 32769,
    "Learned": 67460,
    "Notion": 182770,
    "Wikipedia": 37583,
    "Books": 6665,
    "Extract": 76050,
    "Confessions": 102701,
    "Conspiracy": 75932,
    "Links": 63674,
    "Narcissus": 150425,
    "Relationship": 54766,
    "Relationships": 134796,
    "Reviews": 41671,
    "News": 4256,
    "Translation": 26820,
    "multilingual": 128406,
}

_RUN = re.compile(f"[^{WHITE_SPACE}]+\n?")
# In a text with one of these, words are not what str.split() gives: a line end is part of its word, and the separators
# divide nothing.
_UNUSUAL = re.compile("[\n\x1c-\x1f]")


class CTRLTokenizer(BPETokenizer):
    """Pieces inside a word end in ``@@``. A line end right after a word is part of it; other white space is lost.

    Args:
        vocab_file, merges_file, vocab, merges: see ``MergesTokenizer``.
        options: see ``PreTrainedTokenizer``.
    """

    pretrained_vocab_files_map: ClassVar[Mapping[str, Mapping[str, str]]] = published_files(
        BPETokenizer.vocab_files_names, ["ctrl"]
    )
    max_model_input_sizes: ClassVar[Mapping[str, int]] = {"ctrl": 256}
    control_codes: ClassVar[Mapping[str, int]] = CONTROL_CODES

    def __init__(
        self,
        vocab_file: str | os.PathLike[str] | None = None,
        merges_file: str | os.PathLike[str] | None = None,
        unk_token: str = "<unk>",
        **options: Any,
    ) -> None:
        super().__init__(vocab_file, merges_file, unk_token=unk_token, **options)

    def _words(self, text: str) -> list[str]:
        return _RUN.findall(text) if _UNUSUAL.search(text) else text.split()

    def _spell(self, pieces: list[str]) -> list[str]:
        return [f"{piece}@@" for piece in pieces[:-1]] + [pieces[-1].removesuffix("</w>")]

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """Words, with the pieces inside them joined on."""
        return " ".join(tokens).replace("@@ ", "").strip()
