"""BERT's tokenization: words and punctuation first, then the longest pieces of a vocabulary.

Devlin et al. 2018 (https://arxiv.org/abs/1810.04805) and the original code's ``tokenization.py``, whose ids these are.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from itertools import accumulate

from tx_core.messages import quoted

from .tokenizer_files import TOKENIZER_JSON, checked_vocabulary, read_text, read_vocabulary, write_bytes
from .traced import canonical_order
from .words import WordsTokenizer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Any, ClassVar

    from .base import Span
    from .special_tokens import Layout

    #: Part of a word after normalisation, and for each of its characters the index in the word that it is from.
    Part = tuple[str, Sequence[int]]

#: Longer words become the unknown token as a whole.
MAX_CHARS_PER_WORD = 100

# The blocks of CJK ideographs that the original code spaces out. Kana and hangul are not among them.
_CJK_BLOCKS = (
    ("\u3400", "\u4dbf"),
    ("\u4e00", "\u9fff"),
    ("\uf900", "\ufaff"),
    ("\U00020000", "\U0002a6df"),
    ("\U0002a700", "\U0002b73f"),
    ("\U0002b740", "\U0002b81f"),
    ("\U0002b820", "\U0002ceaf"),
    ("\U0002f800", "\U0002fa1f"),
)
_ASCII_PART = re.compile(r"[0-9A-Za-z]+|[^0-9A-Za-z]")
_RUN = re.compile(r"\S+")
# These are removed and divide nothing: the control characters that str.split() would divide at.
_DIVIDING_CONTROLS = re.compile("[\x0b\x0c\x1c-\x1f\x85]")
# A text without these is divided by str.split(): such a control, or anything from the first ideograph on.
_UNUSUAL = re.compile("[\x0b\x0c\x1c-\x1f\x85\u3400-\U0010ffff]")


def _is_whitespace(char: str) -> bool:
    """Whether a character divides words: space, tab, line ends and the separators of category Zs."""
    return char in " \t\n\r" or unicodedata.category(char) == "Zs"


def _is_control(char: str) -> bool:
    """Whether a character is removed: categories Cc and Cf except tab and line ends.

    Characters that Python's Unicode tables do not know yet (Cn), and private ones (Co), are text.
    """
    return char not in "\t\n\r" and unicodedata.category(char) in ("Cc", "Cf")


def _is_punctuation(char: str) -> bool:
    """Whether a character is a token by itself: ASCII but letters, digits, space, controls; all categories P."""
    if char.isascii():
        return char.isprintable() and not char.isalnum() and char != " "
    return unicodedata.category(char).startswith("P")


def _is_cjk(char: str) -> bool:
    return char >= "\u3400" and any(first <= char <= last for first, last in _CJK_BLOCKS)


@cache
def _cjk_or_run() -> re.Pattern[str]:
    """One ideograph, or a run of neither ideographs nor white space. Made when needed: it takes milliseconds."""
    blocks = "".join(f"{first}-{last}" for first, last in _CJK_BLOCKS)
    return re.compile(f"[{blocks}]|[^\\s{blocks}]+")


def _lone(token: str) -> bool:
    """Whether a token holds half of a surrogate pair, which UTF-8 cannot."""
    return not token.isascii() and any("\ud800" <= char <= "\udfff" for char in token)


def _shorter(token: str, other: str) -> str:
    return other if len(other) < len(token) else token


def load_vocab(vocab_file: str | os.PathLike[str]) -> dict[str, int]:
    """Token -> id of a vocabulary of one token a line; the last of several equal lines counts.

    Raises ValueError if the file is not UTF-8 text, or is no vocabulary.
    """
    from pathlib import Path

    lines = read_text(Path(vocab_file), "vocabulary").replace("\r\n", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()
    if len(lines) == 1 and len(lines[0].split()) > 1:
        raise ValueError(f"{vocab_file}: the file is one line of text, {quoted(lines[0])}, not a vocabulary")
    return {token: index for index, token in enumerate(lines)}


def whitespace_tokenize(text: str) -> list[str]:
    """The words between white space."""
    return text.split()


class BasicTokenizer:
    """Splits text into words and punctuation marks.

    Args:
        do_lower_case: lower-case words, and strip their accents unless ``strip_accents`` says otherwise.
        never_split: words that are left as they are.
        tokenize_chinese_chars: make each CJK ideograph a word.
        strip_accents: decompose characters (NFD) and remove the nonspacing marks; None does so when lower-casing.
    """

    def __init__(
        self,
        do_lower_case: bool = True,
        never_split: Iterable[str] | None = None,
        tokenize_chinese_chars: bool = True,
        strip_accents: bool | None = None,
    ) -> None:
        self.do_lower_case = do_lower_case
        self.never_split = frozenset(never_split or ())
        self.tokenize_chinese_chars = tokenize_chinese_chars
        self.strip_accents = strip_accents

    def tokenize(self, text: str, never_split: Iterable[str] | None = None) -> list[str]:
        """The words and punctuation marks of a text; ``never_split`` adds to the constructor's."""
        keep = self.never_split | frozenset(never_split or ())
        return [part for word in self.words(text) for part in self.split_word(word, keep)]

    def words(self, text: str) -> list[str]:
        """The runs of a text that are split independently of one another."""
        if _UNUSUAL.search(text):
            text = _DIVIDING_CONTROLS.sub("", text)
            if self.tokenize_chinese_chars and not text.isascii():
                return _cjk_or_run().findall(text)
        return text.split()

    def word_spans(self, text: str) -> list[tuple[str, int]]:
        """The same runs with their places; a run may hold control characters that divide nothing."""
        pattern = _cjk_or_run() if self.tokenize_chinese_chars and not text.isascii() else _RUN
        if _DIVIDING_CONTROLS.search(text):
            # The text keeps its length and places: each is replaced by a control character that divides nothing.
            text = _DIVIDING_CONTROLS.sub("\x00", text)
        return [(match.group(), match.start()) for match in pattern.finditer(text)]

    def split_word(self, word: str, never_split: frozenset[str] | None = None) -> list[str]:
        """The parts of one of the ``words``."""
        keep = self.never_split if never_split is None else never_split
        if word.isascii() and word.isprintable():
            if word in keep:
                return [word]
            if self.do_lower_case:
                word = word.lower()
            return [word] if word.isalnum() else _ASCII_PART.findall(word)
        return [part for part, _ in self.split_word_with_origins(word, keep)]

    def split_word_with_origins(self, word: str, never_split: frozenset[str] | None = None) -> list[Part]:
        """The parts of one of the ``words``. With each come the indices in the word that its characters are from."""
        keep = self.never_split if never_split is None else never_split
        parts: list[Part] = []
        run: list[tuple[str, int]] = []
        for index, char in enumerate(word):
            if char in "\x00\ufffd" or _is_control(char):
                continue
            if self.tokenize_chinese_chars and _is_cjk(char):
                parts += self._split_run(run, keep)
                parts += self._split_run([(char, index)], keep)
                run = []
            else:
                run.append((char, index))
        return parts + self._split_run(run, keep)

    def _split_run(self, run: list[tuple[str, int]], keep: frozenset[str]) -> list[Part]:
        """Normalises one run of (character, index) and splits it at punctuation."""
        text = "".join(char for char, _ in run)
        if text in keep:
            return [(text, [index for _, index in run])] if run else []
        if self.do_lower_case:
            # Character by character, as the 2019 library did: a final sigma becomes σ like any other.
            run = [(one, index) for char, index in run for one in char.lower()]
        strip_accents = self.do_lower_case if self.strip_accents is None else self.strip_accents
        if strip_accents and not text.isascii():
            run = [(one, index) for char, index in run for one in unicodedata.normalize("NFD", char)]
            run = [part for part in canonical_order(run) if unicodedata.category(part[0]) != "Mn"]
        parts: list[Part] = []
        current: list[tuple[str, int]] = []
        for part in run:
            if _is_punctuation(part[0]):
                if current:
                    parts.append(_joined(current))
                    current = []
                parts.append(_joined([part]))
            else:
                current.append(part)
        if current:
            parts.append(_joined(current))
        return parts


def _joined(run: list[tuple[str, int]]) -> Part:
    return "".join(char for char, _ in run), [index for _, index in run]


class WordpieceTokenizer:
    """Splits words into the longest pieces of a vocabulary, from left to right; pieces inside a word begin with ``##``.

    A word becomes one ``unk_token`` if it cannot be divided wholly or has more than ``max_input_chars_per_word``
    characters.
    """

    def __init__(
        self, vocab: Mapping[str, int], unk_token: str = "[UNK]", max_input_chars_per_word: int = MAX_CHARS_PER_WORD
    ) -> None:
        self.vocab = vocab
        self.unk_token = unk_token
        self.max_input_chars_per_word = max_input_chars_per_word
        self._inner = {token[2:]: token for token in vocab if token.startswith("##")}
        self._longest = max(map(len, vocab), default=0)  # no longer piece need be looked up

    def tokenize(self, text: str) -> list[str]:
        """The pieces of each of the words between white space."""
        return [piece for word in text.split() for piece in self.pieces(word)]

    def pieces(self, word: str) -> list[str]:
        """The pieces of one word."""
        length = len(word)
        if length > self.max_input_chars_per_word:
            return [self.unk_token]
        if word in self.vocab:
            return [word]
        found: list[str] = []
        start = 0
        while start < length:
            end = min(length, start + self._longest)
            while start < end:
                piece = word[start:end]
                if start:
                    if piece in self._inner:
                        found.append(self._inner[piece])
                        break
                elif piece in self.vocab:
                    found.append(piece)
                    break
                end -= 1
            else:
                return [self.unk_token]
            start = end
        return found


class WordPieceTokenizer(WordsTokenizer):
    """The tokenizer of BERT and of the models that share its vocabulary.

    Args:
        vocab_file: a file of one token a line. ``vocab`` gives the mapping itself instead.
        do_lower_case: lower-case the text and strip its accents.
        do_basic_tokenize: split at punctuation and normalise before looking for pieces.
        never_split: words that only the search for pieces touches.
        tokenize_chinese_chars: make each CJK ideograph a word.
        strip_accents: as in ``BasicTokenizer``.
        options: see ``PreTrainedTokenizer``.

    Raises ValueError if neither or both of ``vocab_file`` and ``vocab`` are given, or the vocabulary is malformed.
    """

    vocab_files_names: ClassVar[Mapping[str, str]] = {"vocab_file": "vocab.txt"}
    clean_up_tokenization_spaces = True
    single_layout: Layout = (("cls_token", 0), ("A", 0), ("sep_token", 0))
    pair_layout: Layout = (("cls_token", 0), ("A", 0), ("sep_token", 0), ("B", 1), ("sep_token", 1))

    def __init__(
        self,
        vocab_file: str | os.PathLike[str] | None = None,
        do_lower_case: bool = True,
        do_basic_tokenize: bool = True,
        never_split: Iterable[str] | None = None,
        unk_token: str = "[UNK]",
        sep_token: str = "[SEP]",
        pad_token: str = "[PAD]",
        cls_token: str = "[CLS]",
        mask_token: str = "[MASK]",
        tokenize_chinese_chars: bool = True,
        strip_accents: bool | None = None,
        vocab: Mapping[str, int] | None = None,
        **options: Any,
    ) -> None:
        if (vocab_file is None) == (vocab is None):
            raise ValueError(f"{type(self).__name__} needs either vocab_file or vocab")
        if vocab_file is not None:
            self._set_vocabulary(load_vocab(vocab_file))
        else:
            self._set_vocabulary(checked_vocabulary(dict(vocab or {}), "vocab"))
        words: Any = [] if never_split is None else never_split
        if isinstance(words, str) or not hasattr(words, "__iter__") or not all(isinstance(w, str) for w in words):
            raise ValueError(f"never_split={quoted(never_split)} must be a list of words")
        self.do_lower_case = do_lower_case
        self.do_basic_tokenize = do_basic_tokenize
        self.basic_tokenizer = BasicTokenizer(do_lower_case, never_split, tokenize_chinese_chars, strip_accents)
        self.wordpiece_tokenizer = WordpieceTokenizer(self.vocab, str(unk_token))
        super().__init__(
            settings={
                "do_lower_case": do_lower_case,
                "do_basic_tokenize": do_basic_tokenize,
                "never_split": sorted(never_split) if never_split else None,
                "tokenize_chinese_chars": tokenize_chinese_chars,
                "strip_accents": strip_accents,
            },
            unk_token=unk_token,
            sep_token=sep_token,
            pad_token=pad_token,
            cls_token=cls_token,
            mask_token=mask_token,
            **options,
        )

    def _forget(self) -> None:
        super()._forget()
        unknown = self.unk_token
        if unknown is not None:
            self.wordpiece_tokenizer.unk_token = unknown
        self._whole_special: frozenset[str] | None = None

    @classmethod
    def _arguments_from_tokenizer_json(cls, data: Mapping[str, Any], path: Path) -> dict[str, Any]:
        model = data.get("model")
        if not isinstance(model, dict) or model.get("type", "WordPiece") != "WordPiece":
            raise ValueError(f"{path}: {cls.__name__} needs a model of type WordPiece")
        arguments: dict[str, Any] = {"vocab": read_vocabulary(model.get("vocab"), path)}
        if model.get("continuing_subword_prefix", "##") != "##":
            raise ValueError(
                f"{path}: continuing_subword_prefix {quoted(model['continuing_subword_prefix'])} is not '##'"
            )
        if "unk_token" in model:
            arguments["unk_token"] = model["unk_token"]
        normalizer = data.get("normalizer")
        if isinstance(normalizer, dict):
            for key, argument in (
                ("lowercase", "do_lower_case"),
                ("strip_accents", "strip_accents"),
                ("handle_chinese_chars", "tokenize_chinese_chars"),
            ):
                if not isinstance(normalizer.get(key), bool | None):
                    raise ValueError(f"{path}: {key} must be true or false, not {quoted(normalizer[key])}")
                if key in normalizer:
                    arguments[argument] = normalizer[key]
        return arguments

    # Vocabulary -----------------------------------------------------------------------------------------------------

    @property
    def vocab(self) -> dict[str, int]:
        """Token -> id, added tokens aside."""
        return self._ids

    @property
    def ids_to_tokens(self) -> dict[int, str]:
        """Id -> token, added tokens aside."""
        return self._tokens

    def save_vocabulary(self, save_directory: str | os.PathLike[str]) -> tuple[str, ...]:
        """Writes ``vocab.txt`` into a folder, or the file itself if the path is no folder; returns its path.

        Raises ValueError for a token that would not be read back as a line of its own.
        """
        from pathlib import Path

        path = Path(save_directory)
        if path.is_dir():
            path = path / self.vocab_files_names["vocab_file"]
        lines: list[str] = []
        ordered = sorted(self.ids_to_tokens.items())
        # Ids without a token are filled by the shortest token that follows, since the last of equal lines counts.
        fillers = [*accumulate((token for _, token in reversed(ordered)), _shorter)][::-1]
        for (index, token), filler in zip(ordered, fillers, strict=True):
            if "\n" in token or token.endswith("\r") or (not lines and token.startswith("\ufeff")) or _lone(token):
                raise ValueError(
                    f"{path}: the token {quoted(token)} cannot be a line of a vocabulary; drop it, or keep the "
                    f"{TOKENIZER_JSON} that it is from"
                )
            lines += [filler] * (index - len(lines))
            lines.append(token)
        write_bytes(path, "".join(f"{token}\n" for token in lines).encode("utf-8"))
        return (str(path),)

    # Tokenization ---------------------------------------------------------------------------------------------------

    def _marked_special(self) -> frozenset[str]:
        """Special tokens that the vocabulary gives for text, since no basic tokenization divides them at their marks.

        ``unk_token`` is none of them: it stands for text.
        """
        if self._whole_special is None:
            split = self.basic_tokenizer.split_word
            special = [] if self.do_basic_tokenize else self.all_special_tokens
            marked = [token for token in special if token != self.unk_token and len(split(token, frozenset())) > 1]
            self._whole_special = frozenset(marked)
        return self._whole_special

    def _unspecial(self, tokens: list[str]) -> list[str]:
        marked = self._marked_special()
        return [str(self.unk_token) if token in marked else token for token in tokens] if marked else tokens

    def _unspecial_ids(self, ids: list[int]) -> list[int]:
        tokens = self._unspecial([*map(self._known_token, ids)]) if self._marked_special() else []
        return [*map(self._known_id, tokens)] if tokens else ids

    def _words(self, text: str) -> list[str]:
        return self.basic_tokenizer.words(text) if self.do_basic_tokenize else text.split()

    def _placed_words(self, text: str) -> Iterable[tuple[str, int]]:
        return self.basic_tokenizer.word_spans(text) if self.do_basic_tokenize else super()._placed_words(text)

    def _word_tokens(self, word: str) -> list[str]:
        pieces = self.wordpiece_tokenizer.pieces
        if not self.do_basic_tokenize:
            return pieces(word)
        parts = self.basic_tokenizer.split_word(word)
        return pieces(parts[0]) if len(parts) == 1 else [piece for part in parts for piece in pieces(part)]

    def _part_sizes(self, word: str) -> list[int]:
        parts = self.basic_tokenizer.split_word(word) if self.do_basic_tokenize else [word]
        return [len(self.wordpiece_tokenizer.pieces(part)) for part in parts]

    def _word_spans(self, word: str) -> tuple[list[str], list[Span]]:
        if self.do_basic_tokenize:
            parts = self.basic_tokenizer.split_word_with_origins(word)
        else:
            parts = [(word, range(len(word)))]
        tokens: list[str] = []
        spans: list[Span] = []
        for part, origins in parts:
            pieces = self.wordpiece_tokenizer.pieces(part)
            tokens += pieces
            if len(pieces) == 1:  # a whole word, or an unknown one
                spans.append((min(origins), max(origins) + 1))
                continue
            start = 0
            for piece in pieces:
                end = start + len(piece) - 2 * (start > 0)
                spans.append((min(origins[start:end]), max(origins[start:end]) + 1))
                start = end
        return tokens, spans

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """Words, with the pieces inside them joined on."""
        return " ".join(tokens).replace(" ##", "").strip()
