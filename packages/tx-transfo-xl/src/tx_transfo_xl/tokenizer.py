"""Transformer-XL's tokenizer: whole words, those of WikiText-103, and a vocabulary that it can make of texts."""

from __future__ import annotations

from tx_core.messages import quoted
from tx_tokenizers.base import PreTrainedTokenizer
from tx_tokenizers.moses import lower_each
from tx_tokenizers.pretrained import published_files
from tx_tokenizers.special_tokens import AddedToken
from tx_tokenizers.traced import TracedText

from .vocabulary import NAMES, TEXT_NAME, Vocabulary, from_ids, read_words, write_words
from .words import detokenize_numbers, moses_words, tokenize_numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections import Counter
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any, ClassVar

    from tx_core.files import Source
    from tx_tokenizers.base import Span
    from tx_tokenizers.pretrained import _Files
    from tx_tokenizers.traced import PlacedWord

    from .words import MosesWords

__all__ = ["TransfoXLTokenizer", "detokenize_numbers", "tokenize_numbers"]

#: What the words of lm1b's sentences stand between.
SENTENCE_END = "<S>"


def _checked_words(name: str, value: object) -> list[str]:
    if isinstance(value, str) or not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{name}={quoted(value)} must be a list of words")
    return list(value)


def _checked_count(name: str, value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{name}={quoted(value)} must be a number of 0 or more")
    return value


class TransfoXLTokenizer(PreTrainedTokenizer):
    """A token is a word: as Moses divides a text, with ``5,000`` as ``5 @,@ 000`` and ``a-b`` as ``a @-@ b``.

    No special tokens stand around a text. ``add_eos=True`` puts ``eos_token`` behind it, in every call, and
    ``add_double_eos=True`` puts ``<S>`` before and behind it, as the sentences of lm1b have them. Words that are not in
    the vocabulary have the id of ``unk_token``.

    Without a file it is empty, and makes a vocabulary of texts: ``count_file`` or ``count_sents``, then
    ``build_vocab``. The lines of files are corpora, whose words are divided already: white space divides them.

    Args:
        special: words that a vocabulary made of texts begins with.
        min_freq: rarer words are left out of it.
        max_size: the most words that it takes from the texts, the most frequent ones; None for all.
        lower_case: put texts into lower case, except special tokens.
        delimiter: what stands between words, in texts and in files, in place of Moses' rules and of white space.
            Where it is empty, each character is a word.
        vocab_file: the vocabulary: text, a word a line, which a count may follow; JSON; or one of the next.
        pretrained_vocab_file: the same; the published ``vocab.bin`` and ``vocab.pkl`` are pickles, which are read
            without running anything.
        never_split: texts that Moses does not divide, in any case; None for the special tokens.
        language: the language, of which Moses knows abbreviations and what an apostrophe is.
        vocab: the vocabulary itself, word to id.
        options: see ``PreTrainedTokenizer``. With ``do_lower_case=False`` added tokens keep their case, whatever
            ``lower_case`` does to texts.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no vocabulary, or an option is impossible.
    """

    vocab_files_names: ClassVar[Mapping[str, str]] = {"vocab_file": TEXT_NAME}
    other_file_names = NAMES[1:]
    pretrained_vocab_files_map: ClassVar[Mapping[str, Mapping[str, str]]] = published_files(
        {"pretrained_vocab_file": "vocab.bin"}, ["transfo-xl-wt103"]
    )
    max_model_input_sizes: ClassVar[Mapping[str, int | None]] = {"transfo-xl-wt103": None}
    model_input_names: Sequence[str] = ("input_ids", "attention_mask")
    tokenize_options: ClassVar[frozenset[str]] = frozenset({"add_eos", "add_double_eos"})

    def __init__(
        self,
        special: Sequence[str] | None = None,
        min_freq: int = 0,
        max_size: int | None = None,
        lower_case: bool = False,
        delimiter: str | None = None,
        vocab_file: str | os.PathLike[str] | None = None,
        pretrained_vocab_file: str | os.PathLike[str] | None = None,
        never_split: Sequence[str] | None = None,
        unk_token: str = "<unk>",
        eos_token: str = "<eos>",
        additional_special_tokens: Sequence[str] = ("<formula>",),
        language: str = "en",
        *,
        vocab: Mapping[str, int] | None = None,
        **options: Any,
    ) -> None:
        from collections import Counter

        self.counter: Counter[str] = Counter()
        self.special = _checked_words("special", special or [])
        self.min_freq = _checked_count("min_freq", min_freq)
        self.max_size = None if max_size is None else _checked_count("max_size", max_size)
        self.lower_case = bool(lower_case)
        if not isinstance(delimiter, str | None):
            raise ValueError(f"delimiter={quoted(delimiter)} must be a text, or None")
        self.delimiter = delimiter
        if not isinstance(language, str):
            raise ValueError(f"language={quoted(language)} must be the code of a language, as 'en' is")
        self.language = language
        self.vocab_file = pretrained_vocab_file if vocab_file is None else vocab_file
        settings: dict[str, Any] = {
            "special": self.special,
            "min_freq": min_freq,
            "max_size": max_size,
            "lower_case": self.lower_case,
            "delimiter": delimiter,
            "language": language,
        }
        if never_split is not None:
            settings["never_split"] = _checked_words("never_split", never_split)
        if vocab is not None:
            self._take(vocab if isinstance(vocab, Vocabulary) else from_ids(dict(vocab), "vocab"))
        elif self.vocab_file is not None:
            self._take(read_words(self.vocab_file))
        else:
            self._take(Vocabulary())
        if unk_token == "<unk>" and unk_token not in self.sym2idx and "<UNK>" in self.sym2idx:
            unk_token = "<UNK>"
        super().__init__(
            settings=settings,
            unk_token=self._special_token(unk_token),
            eos_token=self._special_token(eos_token),
            additional_special_tokens=[self._special_token(token) for token in additional_special_tokens],
            **options,
        )
        self.never_split = self.all_special_tokens if never_split is None else list(never_split)

    def _special_token(self, token: str | AddedToken) -> str | AddedToken:
        """A special token that is found in any case, if texts are put into lower case and it stands in that."""
        if self.lower_case and isinstance(token, str) and token == token.lower():
            return AddedToken(token, normalized=True, special=True)
        return token

    # Files ----------------------------------------------------------------------------------------------------------

    @classmethod
    def _find_files(cls, name: str, source: Source) -> _Files:
        """As in ``PretrainedFiles``, and a vocabulary that is no text: the first of ``NAMES`` that is there."""
        from tx_core.files import locate_each

        files = super()._find_files(name, source)
        for file in NAMES[1:]:
            if not files.vocabulary:
                found, files.source = locate_each(name, [file], files.source)
                files.vocabulary = {"vocab_file": found[file]} if file in found else {}
        return files

    @classmethod
    def _vocabulary_arguments(cls, name: str, files: _Files) -> dict[str, Any]:
        if not files.vocabulary:
            raise FileNotFoundError(
                f"{name}: {cls.__name__} needs one of {', '.join(NAMES)}, and none is there; {TEXT_NAME} is a text of "
                "one word a line"
            )
        path = files.vocabulary["vocab_file"]
        found = read_words(path)
        return {**found.options, "vocab_file": str(path), "vocab": found}

    @classmethod
    def _arguments_from_config(cls, config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """As in ``PretrainedFiles``, but for the paths that the reference's files had where they were written."""
        return super()._arguments_from_config({k: v for k, v in config.items() if k != "pretrained_vocab_file"})

    def save_vocabulary(self, save_directory: str | os.PathLike[str]) -> tuple[str, ...]:
        """Writes ``vocab.txt``, a word a line, into a folder; returns its path.

        It is ``vocab.json`` if a word holds white space, as characters may. Raises NotADirectoryError if the path is no
        folder.
        """
        from pathlib import Path

        folder = Path(save_directory)
        if not folder.is_dir():
            raise NotADirectoryError(f"{folder} is no folder to save a vocabulary in: create it")
        return (str(write_words(folder, self.idx2sym)),)

    # Vocabulary -----------------------------------------------------------------------------------------------------

    def _take(self, vocabulary: Vocabulary) -> None:
        #: Word -> id, and the words in the order of their ids; added tokens aside.
        self.sym2idx: dict[str, int] = dict(vocabulary)
        self.idx2sym: list[str] = [*vocabulary]
        #: The id of unknown words, where it is not that of ``unk_token``.
        self.unk_idx = vocabulary.unk_idx

    @property
    def vocab_size(self) -> int:
        return len(self.idx2sym)

    @property
    def do_lower_case(self) -> bool:
        """The same as ``lower_case``."""
        return self.lower_case

    def _folds_case(self) -> bool:
        return bool(self._settings.get("do_lower_case", self.lower_case))

    def _token_to_id(self, token: str) -> int | None:
        return self.sym2idx.get(token)

    def _id_to_token(self, index: int) -> str | None:
        return self.idx2sym[index] if 0 <= index < len(self.idx2sym) else None

    def get_vocab(self) -> dict[str, int]:
        return {**self.sym2idx, **self.added_tokens_encoder}

    def _known_id(self, token: str) -> int:
        index = self._known_or_none(token)
        if index is None:
            index = self.unk_idx
        if index is None and not self.idx2sym and self.unk_token_id is None:
            raise ValueError(
                f"{quoted(token)} has no id, since the vocabulary is empty: give a vocab_file, or make a vocabulary of "
                "texts with count_file or count_sents, then build_vocab"
            )
        return super()._known_id(token) if index is None else index

    def add_symbol(self, sym: str) -> None:
        """Adds a word to the vocabulary, unless it is there."""
        self._add(sym)
        self._forget()

    def add_special(self, sym: str) -> None:
        """Adds a word, and names its id: that of ``<eos>`` is ``tokenizer.eos_idx``."""
        if sym not in self.sym2idx:
            self.add_symbol(sym)
            setattr(self, f"{sym.strip('<>')}_idx", self.sym2idx[sym])

    def _add(self, word: str) -> None:
        if word not in self.sym2idx:
            self.sym2idx[word] = len(self.idx2sym)
            self.idx2sym.append(word)

    def get_sym(self, idx: int) -> str:
        """The word of an id. Raises ValueError if it has none."""
        return self._known_token(idx)

    def get_idx(self, sym: str) -> int:
        """The id of a word, which is that of ``unk_token`` if it is unknown."""
        return self._known_id(sym)

    def get_symbols(self, indices: Iterable[int]) -> list[str]:
        """The words of ids."""
        return self.convert_ids_to_tokens(indices)

    def get_indices(self, symbols: Iterable[str]) -> list[int]:
        """The ids of words."""
        return [self._known_id(symbol) for symbol in symbols]

    def convert_to_tensor(self, symbols: Iterable[str]) -> Any:
        """The ids of words, as a PyTorch tensor."""
        import torch

        return torch.tensor(self.get_indices(symbols), dtype=torch.long)

    # A vocabulary of texts ------------------------------------------------------------------------------------------

    def file_words(
        self, path: str | os.PathLike[str], add_eos: bool = False, add_double_eos: bool = False
    ) -> Iterator[list[str]]:
        """The words of each line of a file of UTF-8.

        Raises FileNotFoundError if there is no such file, and ValueError if it is no UTF-8.
        """
        before, after = self._ends(add_eos, add_double_eos)
        number = 0
        with open(path, encoding="utf-8") as file:
            try:
                for number, line in enumerate(file, 1):  # noqa: B007  # the error's
                    yield [*before, *self._divided(line.strip()), *after]
            except UnicodeDecodeError as error:
                raise ValueError(f"{path}: after line {number} the file is not UTF-8 text: {error}") from None

    def count_file(self, path: str | os.PathLike[str], verbose: bool = False, add_eos: bool = False) -> list[list[str]]:
        """Counts the words of a file in ``counter``; returns those of each line. Raises as ``file_words`` does."""
        sents = [*self._told(self.file_words(path, add_eos), f"counting {path}", verbose)]
        self.count_sents(sents)
        return sents

    def count_sents(self, sents: Iterable[Iterable[str]], verbose: bool = False) -> None:
        """Counts words in ``counter``: lists of those of each sentence."""
        for symbols in self._told(sents, "counting sentences", verbose):
            self.counter.update(symbols)

    def build_vocab(self) -> None:
        """Makes the vocabulary anew: that of ``vocab_file``, or else of the words that were counted.

        These are ``special``, then the most frequent ones, the most frequent first.
        """
        if self.vocab_file is not None:
            self._take(read_words(self.vocab_file))
        else:
            self._take(Vocabulary())
            for sym in self.special:
                self.add_special(sym)
            for sym, count in self.counter.most_common(self.max_size):
                if count < self.min_freq:
                    break
                self._add(sym)
        self._forget()

    def encode_file(
        self,
        path: str | os.PathLike[str],
        ordered: bool = False,
        verbose: bool = False,
        add_eos: bool = True,
        add_double_eos: bool = False,
    ) -> Any:
        """The ids of a file's words: an array of int64 for each line, or one for all if it is ``ordered``.

        Raises as ``file_words`` does.
        """
        return self.encode_sents(self.file_words(path, add_eos, add_double_eos), ordered, verbose)

    def encode_sents(self, sents: Iterable[Iterable[str]], ordered: bool = False, verbose: bool = False) -> Any:
        """The ids of the words of sentences: an array of int64 for each, or one for all if they are ``ordered``."""
        from array import array

        import numpy as np

        told = self._told(sents, "encoding", verbose)
        if not ordered:
            return [np.array(self._ids(symbols), np.int64) for symbols in told]
        ids = array("q")
        for symbols in told:
            ids.extend(self._ids(symbols))
        return np.frombuffer(ids, np.int64) if ids else np.empty(0, np.int64)

    @staticmethod
    def _told(sents: Iterable[Any], what: str, verbose: bool) -> Iterable[Any]:
        """The sentences; how many there were so far is logged where that is asked for."""
        if not verbose:
            return sents

        def each() -> Iterator[Any]:
            import logging

            logger = logging.getLogger(__name__)
            for number, symbols in enumerate(sents):
                if number % 500_000 == 0:
                    logger.info("%s: line %d", what, number)
                yield symbols

        return each()

    # Tokenization ---------------------------------------------------------------------------------------------------

    def _moses(self) -> MosesWords:
        return moses_words(self.language, tuple(self.never_split))

    def _divided(self, text: str) -> list[str]:
        """The words of a text that are divided already."""
        if self.lower_case:
            text = lower_each(text)
        if self.delimiter is None:
            return text.split()
        return [*filter(None, text.split(self.delimiter))] if self.delimiter else [*text]

    def _words(self, text: str) -> list[str]:
        text = text.strip()
        if self.delimiter is not None:
            return self._divided(text)
        return self._moses().words(lower_each(text) if self.lower_case else text)

    def _placed_words(self, text: str) -> list[PlacedWord]:
        traced = TracedText(text)
        traced.strip()
        if self.lower_case:
            traced.map(lower_each)
        if self.delimiter is None:
            return self._moses().placed_words(traced)
        placed: list[PlacedWord] = []
        at = 0
        for word in traced.text.split(self.delimiter) if self.delimiter else traced.text:
            if word:
                placed.append((word, traced.places[at : at + len(word)]))
            at += len(word) + len(self.delimiter)
        return placed

    def _ids(self, words: Iterable[str]) -> list[int]:
        ids = self.sym2idx
        return [ids[word] if word in ids else self._known_id(word) for word in words]

    def _tokenize(self, text: str) -> list[str]:
        return self._words(text)

    def _encode(self, text: str) -> list[int]:
        return self._ids(self._words(text))

    def _encode_with_offsets(self, text: str) -> tuple[list[int], list[Span]]:
        placed = self._placed_words(text)
        spans = [(min(first for first, _ in places), max(last for _, last in places)) for _, places in placed]
        return self._ids(word for word, _ in placed), spans

    def _encode_with_words(self, text: str) -> tuple[list[int], list[Span], list[int]]:
        ids, spans = self._encode_with_offsets(text)
        return ids, spans, [*range(len(ids))]

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """Words as a text has them: numbers, hyphens and marks in their places again."""
        if self.delimiter is not None:
            return self.delimiter.join(tokens)
        return self._moses().join(tokens)

    # The ends of texts ----------------------------------------------------------------------------------------------

    def _ends(self, add_eos: object, add_double_eos: object) -> tuple[list[str], list[str]]:
        """What stands before and behind a text."""
        if add_double_eos:
            return [SENTENCE_END], [SENTENCE_END]
        if add_eos and self.eos_token is None:
            raise ValueError("add_eos=True needs an eos_token: tokenizer.eos_token = '<eos>' sets it")
        return [], [str(self.eos_token)] if add_eos else []

    def _ends_of(self, options: Mapping[str, Any]) -> tuple[list[str], list[str], dict[str, Any]]:
        """The same for the options of a call, and its other options."""
        others = {name: value for name, value in options.items() if name not in self.tokenize_options}
        return *self._ends(options.get("add_eos"), options.get("add_double_eos")), others

    def _word_options(self, number: int, options: Mapping[str, Any]) -> Mapping[str, Any]:
        if options.get("add_eos") or options.get("add_double_eos"):
            raise ValueError("add_eos and add_double_eos mark the ends of a text: they do not take lists of words")
        return options

    def tokenize(self, text: str, **options: Any) -> list[str]:
        """The words of a text. ``add_eos`` and ``add_double_eos`` mark its ends; see ``PreTrainedTokenizer``."""
        self._check_options(options)
        before, after, others = self._ends_of(options)
        return [*before, *super().tokenize(text, **others), *after]

    def _text_ids(self, text: str, options: Mapping[str, Any]) -> list[int]:
        if not options:
            return super()._text_ids(text, options)
        before, after, others = self._ends_of(options)
        return [*self._ids(before), *super()._text_ids(text, others), *self._ids(after)]

    def _text_spans(
        self, text: str, options: Mapping[str, Any], words: list[int] | None = None
    ) -> tuple[list[int], list[Span]]:
        before, after, others = self._ends_of(options)
        numbers: list[int] = []
        ids, spans = super()._text_spans(text, others, numbers)
        count = len(before) + max(numbers, default=-1) + 1
        if words is not None:
            words += [*(0 for _ in before), *(len(before) + number for number in numbers), *(count for _ in after)]
        end = (len(text), len(text))
        ids = [*self._ids(before), *ids, *self._ids(after)]
        return ids, [*((0, 0) for _ in before), *spans, *(end for _ in after)]
