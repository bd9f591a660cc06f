"""``PreTrainedTokenizer``: what all tokenizers share.

A concrete tokenizer gives its vocabulary (``vocab_size``, ``_token_to_id``, ``_id_to_token``, ``get_vocab``,
``save_vocabulary``), its splitting (``_tokenize``, ``_encode`` and ``_encode_with_offsets``, all of a text without
added tokens), ``convert_tokens_to_string``, and where its special tokens stand (``single_layout``, ``pair_layout``).
"""

from __future__ import annotations

import logging

from .encoding import BatchEncoding
from .special_tokens import (
    SPECIAL_TOKEN_NAMES,
    SPECIAL_TOKENS_ATTRIBUTES,
    AddedToken,
    AddedTokenSplitter,
    fold_case,
)
from .tokenizer_files import (
    ADDED_TOKENS,
    MAX_TOKEN_ID,
    SPECIAL_TOKENS_MAP,
    TOKENIZER_CONFIG,
    TOKENIZER_JSON,
    checked_vocabulary,
    json_bytes,
    read_json_object,
    write_bytes,
)
from .truncation import TRUNCATION_STRATEGIES, check_strategy, kept_lengths, windows

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Any, ClassVar, Self, overload

    Text = str | Sequence[str] | Sequence[int]
    Span = tuple[int, int]
    Layout = tuple[tuple[str, int], ...]

logger = logging.getLogger(__name__)

#: ``max_len`` of a tokenizer whose model takes sequences of any length (the value of the 2019 library).
UNLIMITED = int(1e12)

_PADDINGS = ("longest", "max_length", "do_not_pad")
_BASE_OPTIONS = frozenset(
    {
        *SPECIAL_TOKENS_ATTRIBUTES,
        "max_len",
        "model_max_length",
        "padding_side",
        "truncation_side",
        "clean_up_tokenization_spaces",
        "model_input_names",
        "do_lower_case",
    }
)


class _SpecialToken:
    """A special token as an attribute: its text, or None while unset."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    if TYPE_CHECKING:

        @overload
        def __get__(self, tokenizer: None, owner: type) -> Self: ...
        @overload
        def __get__(self, tokenizer: PreTrainedTokenizer, owner: type) -> str | None: ...

    def __get__(self, tokenizer: PreTrainedTokenizer | None, owner: type) -> Self | str | None:
        return self if tokenizer is None else tokenizer._special[self.name]

    def __set__(self, tokenizer: PreTrainedTokenizer, value: str | AddedToken | None) -> None:
        tokenizer._set_special(self.name, value)


class _SpecialTokenId:
    """The id of a special token, or None while the token is unset or unknown."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name.removesuffix("_id")

    if TYPE_CHECKING:

        @overload
        def __get__(self, tokenizer: None, owner: type) -> Self: ...
        @overload
        def __get__(self, tokenizer: PreTrainedTokenizer, owner: type) -> int | None: ...

    def __get__(self, tokenizer: PreTrainedTokenizer | None, owner: type) -> Self | int | None:
        return self if tokenizer is None else tokenizer._special_id(self.name)


class _Sequence:
    """One tokenized input: ids and, where asked for, the span and the word each came from."""

    __slots__ = ("ids", "spans", "words")

    def __init__(self, ids: list[int], spans: list[Span] | None = None, words: list[int] | None = None) -> None:
        self.ids = ids
        self.spans = spans
        self.words = words


class PreTrainedTokenizer:
    """Turns text into ids and back; see the module's description for what a subclass gives.

    Args:
        max_len: the longest sequence the model takes; ``None`` for no limit. ``model_max_length`` is the same.
        settings: the subclass's own options, written to ``tokenizer_config.json``.
        options: special tokens by name (``cls_token="[CLS]"``, …, ``additional_special_tokens=[...]``),
            ``padding_side`` and ``truncation_side`` ("left" or "right"), ``clean_up_tokenization_spaces`` (the default
            of ``decode``), ``model_input_names`` (what a call returns), ``do_lower_case`` (lower-case the text first;
            special tokens aside).

    Raises:
        TypeError: an option that the tokenizer does not have.
        ValueError: an impossible value.
    """

    #: Constructor argument -> file name, and for the published names the argument -> name -> URL.
    vocab_files_names: ClassVar[Mapping[str, str]] = {}
    pretrained_vocab_files_map: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    #: Constructor arguments of published names, and the longest sequence their models take.
    pretrained_init_configuration: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    max_model_input_sizes: ClassVar[Mapping[str, int]] = {}
    SPECIAL_TOKENS_ATTRIBUTES: ClassVar[tuple[str, ...]] = SPECIAL_TOKENS_ATTRIBUTES
    #: What a call returns unless asked otherwise: the model's inputs.
    model_input_names: Sequence[str] = ("input_ids", "token_type_ids", "attention_mask")
    padding_side: str = "right"
    truncation_side: str = "right"
    #: (special token's name, or "A" / "B" for the sequences; token type) in order.
    single_layout: Layout = (("A", 0),)
    pair_layout: Layout = (("A", 0), ("B", 1))
    pad_token_type_id: int = 0
    #: Keywords of ``tokenize`` and of the calls that reach ``prepare_for_tokenization``.
    tokenize_options: ClassVar[frozenset[str]] = frozenset()
    #: Attributes that ``_forget`` makes anew and that pickles leave out.
    _remembered: ClassVar[tuple[str, ...]] = ("_splitter", "_special_ids", "_added_counts", "_vocabulary_rows")
    #: What stands between an added token and its neighbours in decoded text.
    added_token_space: ClassVar[str] = " "

    bos_token = _SpecialToken()
    eos_token = _SpecialToken()
    unk_token = _SpecialToken()
    sep_token = _SpecialToken()
    pad_token = _SpecialToken()
    cls_token = _SpecialToken()
    mask_token = _SpecialToken()
    bos_token_id = _SpecialTokenId()
    eos_token_id = _SpecialTokenId()
    unk_token_id = _SpecialTokenId()
    sep_token_id = _SpecialTokenId()
    pad_token_id = _SpecialTokenId()
    cls_token_id = _SpecialTokenId()
    mask_token_id = _SpecialTokenId()

    def __init__(
        self, max_len: int | None = None, *, settings: Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        unknown = sorted(set(options) - _BASE_OPTIONS)
        if unknown:
            raise TypeError(
                f"{type(self).__name__} has no option {unknown[0]!r}{_nearest(unknown[0], self._parameters())}"
            )
        limit = options.pop("model_max_length", None) if max_len is None else max_len
        self.max_len = _checked_limit(limit)
        self.init_inputs: tuple[Any, ...] = ()
        self._settings: dict[str, Any] = dict(settings or {})
        self._lowers = bool(options.pop("do_lower_case", False))
        if self._lowers:
            self._settings["do_lower_case"] = True
        self._kept_settings: dict[str, Any] = {}
        self.padding_side = _checked_side("padding_side", options.pop("padding_side", self.padding_side))
        self.truncation_side = _checked_side("truncation_side", options.pop("truncation_side", self.truncation_side))
        self.clean_up_tokenization_spaces = bool(options.pop("clean_up_tokenization_spaces", True))
        self.model_input_names = _checked_names(options.pop("model_input_names", self.model_input_names))
        self.added_tokens_encoder: dict[str, int] = {}
        self.added_tokens_decoder: dict[int, str] = {}
        self._added: dict[str, AddedToken] = {}  # flags of every token that is never split, special ones aside
        self._top_id = -1
        self._special: dict[str, str | None] = dict.fromkeys(SPECIAL_TOKEN_NAMES)
        self._additional: list[str] = []
        self._forget()
        for name in SPECIAL_TOKENS_ATTRIBUTES:
            if options.get(name) is not None:
                setattr(self, name, options[name])

    # Vocabulary: what a subclass gives ------------------------------------------------------------------------------

    @property
    def vocab_size(self) -> int:
        """Number of tokens of the vocabulary, added tokens aside (``len(tokenizer)`` counts both)."""
        raise NotImplementedError

    def _token_to_id(self, token: str) -> int | None:
        """Id of a token of the vocabulary; None if it has no such token."""
        raise NotImplementedError

    def _id_to_token(self, index: int) -> str | None:
        """Token of an id of the vocabulary; None if it has no such id."""
        raise NotImplementedError

    def get_vocab(self) -> dict[str, int]:
        """Every token, the added ones included, with its id."""
        raise NotImplementedError

    def save_vocabulary(self, save_directory: str | os.PathLike[str]) -> tuple[str, ...]:
        """Writes the vocabulary's files into a folder; returns their paths."""
        raise NotImplementedError

    def _tokenize(self, text: str) -> list[str]:
        """Tokens of a text that holds no added tokens."""
        raise NotImplementedError

    def _encode(self, text: str) -> list[int]:
        """Ids of a text that holds no added tokens."""
        return [self._known_id(token) for token in self._tokenize(text)]

    def _encode_with_offsets(self, text: str) -> tuple[list[int], list[Span]]:
        """Ids of a text that holds no added tokens, and the span of characters of ``text`` behind each."""
        raise NotImplementedError

    def prepare_for_tokenization(self, text: str, **options: Any) -> str:
        """What is tokenized for a text without added tokens: itself, or with something put in front of it."""
        return text

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """Joins tokens into text."""
        return " ".join(tokens)

    @classmethod
    def _arguments_from_tokenizer_json(cls, data: Mapping[str, Any], path: Path) -> dict[str, Any]:
        """Constructor arguments (the vocabulary and the options) out of the contents of a ``tokenizer.json``."""
        raise ValueError(f"{path}: {cls.__name__} needs {', '.join(cls.vocab_files_names.values())}")

    def _forget(self) -> None:
        """Drops what is remembered; called when tokens change and after unpickling. Subclasses extend it."""
        self._splitter: AddedTokenSplitter | None = None
        self._special_ids: dict[str, int | None] = {}
        self._added_counts: dict[bool, int] = {}
        self._vocabulary_rows: int | None = None

    # Sizes ----------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Number of tokens, or one more than the largest id where ids have gaps: rows that the embeddings need."""
        if self._vocabulary_rows is None:
            self._vocabulary_rows = max(self.get_vocab().values(), default=-1) + 1
        return max(self.vocab_size + len(self.added_tokens_encoder), self._vocabulary_rows)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        special = self.special_tokens_map
        return f"{type(self).__name__}(vocab_size={self.vocab_size}, max_len={self.max_len}, special={special})"

    @property
    def model_max_length(self) -> int:
        """The same as ``max_len``."""
        return self.max_len

    @model_max_length.setter
    def model_max_length(self, value: int | None) -> None:
        self.max_len = _checked_limit(value)

    def num_added_tokens(self, pair: bool = False) -> int:
        """Number of special tokens that encoding adds to one sequence or to a pair."""
        pair = bool(pair)
        if pair not in self._added_counts:
            self._added_counts[pair] = len(self.build_inputs_with_special_tokens([], [] if pair else None))
        return self._added_counts[pair]

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """The same as ``num_added_tokens``."""
        return self.num_added_tokens(pair)

    @property
    def max_len_single_sentence(self) -> int:
        """Longest sequence that fits beside the special tokens."""
        return self.max_len - self.num_added_tokens(pair=False)

    @property
    def max_len_sentences_pair(self) -> int:
        """Longest pair of sequences, taken together, that fits beside the special tokens."""
        return self.max_len - self.num_added_tokens(pair=True)

    @property
    def init_kwargs(self) -> dict[str, Any]:
        """The options that the tokenizer was made with, as ``save_pretrained`` writes them."""
        config: dict[str, Any] = {**self._kept_settings, **self._settings}
        if self.max_len != UNLIMITED:
            config["model_max_length"] = self.max_len
        cls = type(self)
        for name, value in (
            ("padding_side", self.padding_side),
            ("truncation_side", self.truncation_side),
            ("model_input_names", self.model_input_names),
        ):
            if value != getattr(cls, name):
                config[name] = list(value) if isinstance(value, tuple) else value
        config["clean_up_tokenization_spaces"] = self.clean_up_tokenization_spaces
        return {**config, **self.special_tokens_map}

    # Special and added tokens ---------------------------------------------------------------------------------------

    @property
    def additional_special_tokens(self) -> list[str]:
        return list(self._additional)

    @additional_special_tokens.setter
    def additional_special_tokens(self, value: Iterable[str | AddedToken]) -> None:
        if isinstance(value, str | AddedToken | dict) or not hasattr(value, "__iter__"):
            raise ValueError(f"additional_special_tokens must be a list of tokens, not {value!r}")
        tokens = [AddedToken.from_json(token, special=True) for token in value]
        self._additional = [token.content for token in tokens]
        for token in tokens:
            self._added[token.content] = token
        self._forget()

    @property
    def additional_special_tokens_ids(self) -> list[int | None]:
        return [self._special_token_id(token) for token in self._additional]

    @property
    def special_tokens_map(self) -> dict[str, Any]:
        """The special tokens that are set, by name."""
        found: dict[str, Any] = {name: token for name, token in self._special.items() if token is not None}
        if self._additional:
            found["additional_special_tokens"] = list(self._additional)
        return found

    @property
    def all_special_tokens(self) -> list[str]:
        """The special tokens that are set, each once."""
        named = [token for token in self._special.values() if token is not None]
        return list(dict.fromkeys([*named, *self._additional]))

    @property
    def all_special_ids(self) -> list[int]:
        ids = [self._special_token_id(token) for token in self.all_special_tokens]
        return list(dict.fromkeys(index for index in ids if index is not None))

    def _set_special(self, name: str, value: str | AddedToken | None) -> None:
        if value is None:
            self._special[name] = None
        else:
            token = AddedToken.from_json(value, special=True)
            self._special[name] = token.content
            if not isinstance(value, str):
                token.special = True
                self._added[token.content] = token
        self._forget()

    def _special_token_id(self, token: str) -> int | None:
        index = self._known_or_none(token)
        if index is None and self._special["unk_token"] not in (None, token):
            index = self._known_or_none(str(self._special["unk_token"]))
        return index

    def _special_id(self, name: str) -> int | None:
        ids = self._special_ids
        if name not in ids:
            token = self._special[name]
            ids[name] = None if token is None else self._special_token_id(token)
        return ids[name]

    def _folds_case(self) -> bool:
        """Whether added tokens are found in any case: so in tokenizers that lower-case."""
        return bool(self._settings.get("do_lower_case"))

    def add_tokens(
        self, new_tokens: str | AddedToken | Sequence[str | AddedToken], special_tokens: bool = False
    ) -> int:
        """Adds tokens that are found in text as they stand and never split; returns how many got a new id.

        Tokens that the vocabulary has already keep their id and are no longer split. A tokenizer that lower-cases
        stores them in lower case (``AddedToken(..., normalized=False)`` and special ones aside).
        The model's embeddings have to follow: ``model.resize_token_embeddings(len(tokenizer))``.
        """
        if isinstance(new_tokens, str | AddedToken):
            new_tokens = [new_tokens]
        added = 0
        special = set(self.all_special_tokens)
        fold = self._folds_case()
        for value in new_tokens:
            token = AddedToken.from_json(value, special=special_tokens)
            if fold and token.normalized and token.content not in special:
                token = AddedToken(
                    token.content.lower(), token.single_word, token.lstrip, token.rstrip, True, special=token.special
                )
            added += self._register(token, None)
        self._forget()
        return added

    def add_special_tokens(self, special_tokens_dict: Mapping[str, Any]) -> int:
        """Sets special tokens by name and adds those that the vocabulary has not; returns how many got a new id.

        Raises ValueError for a name that is not one of ``SPECIAL_TOKENS_ATTRIBUTES``.
        """
        added = 0
        for name, value in special_tokens_dict.items():
            if name not in SPECIAL_TOKENS_ATTRIBUTES:
                raise ValueError(f"{name!r} is not a special token: {', '.join(SPECIAL_TOKENS_ATTRIBUTES)}")
            if name == "additional_special_tokens":
                self.additional_special_tokens = value
                added += self.add_tokens([self._added[token] for token in self._additional], special_tokens=True)
            else:
                token = AddedToken.from_json(value, special=True)
                token.special = True
                setattr(self, name, token)
                added += self.add_tokens(token, special_tokens=True)
        return added

    def _register(self, token: AddedToken, index: int | None) -> int:
        """Adds one token, under ``index`` where a file gives it; returns 1 if it got a new id. Forgets nothing."""
        content = token.content
        known = self._known_or_none(content)
        if known is None:
            if index is None:
                index = max(self.vocab_size, self._top_id + 1)
                while self._id_to_token(index) is not None:  # ids with gaps go beyond their number
                    index += 1
            elif (holder := self.added_tokens_decoder.get(index, self._id_to_token(index))) is not None:
                raise ValueError(f"added token {content!r} has the id {index}, which is that of {holder!r}")
            self.added_tokens_encoder[content] = index
            self.added_tokens_decoder[index] = content
            self._top_id = max(self._top_id, index)
        elif index is not None and index != known:
            raise ValueError(f"added token {content!r} has the id {index} in one file and {known} in another")
        self._added[content] = token
        return int(known is None)

    def _get_splitter(self) -> AddedTokenSplitter:
        if self._splitter is None:
            special = {token: AddedToken(token, special=True) for token in self.all_special_tokens}
            self._splitter = AddedTokenSplitter({**special, **self._added}, fold=self._folds_case())
        return self._splitter

    # Tokens and ids -------------------------------------------------------------------------------------------------

    def _known_or_none(self, token: str) -> int | None:
        index = self.added_tokens_encoder.get(token)
        return self._token_to_id(token) if index is None else index

    def _known_id(self, token: str) -> int:
        index = self._known_or_none(token)
        if index is None:
            unknown = self._special["unk_token"]
            index = None if unknown is None else self._known_or_none(unknown)
            if index is None:
                raise ValueError(
                    f"{token!r} is not in the vocabulary and neither is unk_token ({unknown!r}): "
                    "add_special_tokens({'unk_token': ...}) gives it an id"
                )
        return index

    if TYPE_CHECKING:

        @overload
        def convert_tokens_to_ids(self, tokens: None) -> None: ...
        @overload
        def convert_tokens_to_ids(self, tokens: str) -> int: ...
        @overload
        def convert_tokens_to_ids(self, tokens: list[str] | tuple[str, ...]) -> list[int]: ...

    def convert_tokens_to_ids(self, tokens: str | Sequence[str] | None) -> int | list[int] | None:
        """Id of a token or ids of tokens; unknown ones get the id of ``unk_token``. None stays None.

        Raises ValueError if a token is unknown and ``unk_token`` has no id.
        """
        if tokens is None:
            return None
        if isinstance(tokens, str):
            return self._known_id(tokens)
        return [self._known_id(token) for token in tokens]

    if TYPE_CHECKING:

        @overload
        def convert_ids_to_tokens(self, ids: int, skip_special_tokens: bool = False) -> str: ...
        @overload
        def convert_ids_to_tokens(self, ids: Iterable[int], skip_special_tokens: bool = False) -> list[str]: ...

    def convert_ids_to_tokens(self, ids: int | Iterable[int], skip_special_tokens: bool = False) -> str | list[str]:
        """Token of an id or tokens of ids (a list or a one-dimensional tensor).

        Raises ValueError for an id that no token has.
        """
        ids = _as_plain(ids)
        if isinstance(ids, int):
            return self._known_token(ids)
        skipped = self._skipped_ids() if skip_special_tokens else ()
        return [self._known_token(index) for index in _as_ids(ids) if index not in skipped]

    def _known_token(self, index: int) -> str:
        token = self.added_tokens_decoder.get(index)
        if token is None:
            token = self._id_to_token(index)
        if token is None:
            raise ValueError(f"no token has the id {index!r} (the tokenizer has {len(self)} tokens)")
        return token

    def _skipped_ids(self) -> set[int]:
        flagged = (self._known_or_none(token.content) for token in self._added.values() if token.special)
        return {*self.all_special_ids, *(index for index in flagged if index is not None)}

    def _prepared(self, text: str, options: Mapping[str, Any]) -> str:
        """``prepare_for_tokenization``, after lower-casing where that is asked for."""
        return self.prepare_for_tokenization(fold_case(text) if self._lowers else text, **options)

    def _options(self, options: Mapping[str, Any]) -> None:
        for name in options:
            if name not in self.tokenize_options:
                raise TypeError(f"{type(self).__name__} has no option {name!r} to tokenize with")

    def tokenize(self, text: str, **options: Any) -> list[str]:
        """Splits text into tokens; special and added tokens inside it stay whole."""
        self._options(options)
        if not isinstance(text, str):
            raise ValueError(f"a text (str) is wanted, not {_shown(text)}")
        pieces = self._get_splitter().split(text)
        if pieces is None:
            return self._tokenize(self._prepared(text, options)) if text else []
        tokens: list[str] = []
        for start, end, token in pieces:
            if token is None:
                tokens += self._tokenize(self._prepared(text[start:end], options))
            else:
                tokens.append(token.content)
        return tokens

    def _text_ids(self, text: str, options: Mapping[str, Any]) -> list[int]:
        pieces = (self._splitter or self._get_splitter()).split(text)
        if pieces is None:
            return self._encode(self._prepared(text, options)) if text else []
        ids: list[int] = []
        for start, end, token in pieces:
            if token is None:
                ids += self._encode(self._prepared(text[start:end], options))
            else:
                ids.append(self._known_id(token.content))
        return ids

    def _text_spans(self, text: str, options: Mapping[str, Any]) -> tuple[list[int], list[Span]]:
        ids: list[int] = []
        spans: list[Span] = []
        whole: list[tuple[int, int, AddedToken | None]] = [(0, len(text), None)] if text else []
        for start, end, token in self._get_splitter().split(text) or whole:
            if token is not None:
                ids.append(self._known_id(token.content))
                spans.append((start, end))
                continue
            prepared = self._prepared(text[start:end], options)
            more, found = self._encode_with_offsets(prepared)
            shift = end - start - len(prepared)  # minus the characters put in front, which the text does not have
            if shift:
                # A token of nothing but what was put in front is given the first character.
                found = [(max(first + shift, 0), max(last + shift, 1)) for first, last in found]
            ids += more
            spans += [(start + first, start + last) for first, last in found] if start else found
        return ids, spans

    def _sequence(self, text: Text, options: Mapping[str, Any], split: bool, spans: bool) -> _Sequence:
        """One input tokenized. ``split``: it is a list of words; otherwise a list is one of tokens or of ids."""
        if isinstance(text, str):
            if split:
                raise ValueError(f"is_split_into_words=True wants a list of words, not the text {_shown(text)}")
            return _Sequence(*self._text_spans(text, options)) if spans else _Sequence(self._text_ids(text, options))
        if split:
            row = _Sequence([], [] if spans else None, [])
            for number, word in enumerate(text):
                if not isinstance(word, str):
                    raise ValueError(f"is_split_into_words=True wants words (str), not {word!r}")
                part = self._sequence(word, self._word_options(number, options), False, spans)
                row.ids += part.ids
                if row.spans is not None and part.spans is not None:
                    row.spans += part.spans
                if row.words is not None:
                    row.words += [number] * len(part.ids)
            return row
        if spans:
            raise ValueError("return_offsets_mapping=True needs text: tokens and ids have no place in one")
        if hasattr(text, "__iter__") and not isinstance(text, bytes | bytearray):
            items = [_as_plain(item) for item in _as_plain(text)]
            if all(isinstance(item, str) for item in items):
                return _Sequence([self._known_id(item) for item in items])
            if all(isinstance(item, int) for item in items):
                return _Sequence(items)
        raise ValueError(f"an input is a text, a list of tokens or a list of ids, not {_shown(text)}")

    def _word_options(self, number: int, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Options for the word at place ``number`` of a list of words."""
        return options

    # Special tokens around sequences --------------------------------------------------------------------------------

    def _required_id(self, name: str) -> int:
        index = self._special_id(name)
        if index is None:
            raise ValueError(
                f"{name} ({self._special[name]!r}) has no id: set it with add_special_tokens({{{name!r}: ...}}) "
                "or encode with add_special_tokens=False"
            )
        return index

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """The ids of one sequence, or of a pair, with the special tokens that the model expects around them."""
        ids: list[int] = []
        for part, _ in self.single_layout if token_ids_1 is None else self.pair_layout:
            if part == "A":
                ids += token_ids_0
            elif part == "B":
                ids += token_ids_1 or []
            else:
                ids.append(self._required_id(part))
        return ids

    def create_token_type_ids_from_sequences(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Token types (segments) of what ``build_inputs_with_special_tokens`` gives for the same sequences."""
        layout = self.single_layout if token_ids_1 is None else self.pair_layout
        if token_ids_1 is None and not any(kind for _, kind in layout):
            return [0] * (len(token_ids_0) + len(layout) - 1)
        types: list[int] = []
        for part, kind in layout:
            length = len(token_ids_0) if part == "A" else len(token_ids_1 or ()) if part == "B" else 1
            types += [kind] * length
        return types

    def get_special_tokens_mask(
        self,
        token_ids_0: list[int],
        token_ids_1: list[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """1 for each special token and 0 for each other of what ``build_inputs_with_special_tokens`` gives.

        With ``already_has_special_tokens`` the first list is a whole row, whose special tokens are told by their ids;
        ``unk_token`` is none of them, since it stands for text. ValueError if a second list is given then.
        """
        if already_has_special_tokens:
            if token_ids_1 is not None:
                raise ValueError("already_has_special_tokens=True takes one list, which holds the pair already")
            named = {token for name, token in self._special.items() if name != "unk_token" and token is not None}
            special = {self._known_or_none(token) for token in (*named, *self._additional)}
            return [int(index in special) for index in _as_list(token_ids_0)]
        mask: list[int] = []
        for part, _ in self.single_layout if token_ids_1 is None else self.pair_layout:
            if part == "A":
                mask += [0] * len(token_ids_0)
            elif part == "B":
                mask += [0] * len(token_ids_1 or ())
            else:
                mask.append(1)
        return mask

    # Encoding -------------------------------------------------------------------------------------------------------

    def __call__(
        self,
        text: Any,
        text_pair: Any = None,
        add_special_tokens: bool = True,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        stride: int = 0,
        is_split_into_words: bool = False,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_tensors: str | None = None,
        return_token_type_ids: bool | None = None,
        return_attention_mask: bool | None = None,
        return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
        return_length: bool = False,
        **options: Any,
    ) -> BatchEncoding:
        """Encodes a text, a pair, or a batch of either into what ``model(**encoding)`` takes.

        Args:
            text: a text, or a list of texts, or a list of pairs; with ``is_split_into_words`` lists of words for texts.
            text_pair: the second text, or the list of second texts.
            padding: True or "longest" (to the longest of the batch), "max_length", False or "do_not_pad".
            truncation: True or "longest_first", "only_first", "only_second", False or "do_not_truncate". None truncates
                longest first where ``max_length`` is given without padding.
            max_length: longest row, special tokens included; the model's own (``max_len``) if None.
            stride: tokens shared by neighbouring rows of ``return_overflowing_tokens``.
            pad_to_multiple_of: rounds padded lengths up.
            return_tensors: "pt", "tf", "np" or None for lists.
            return_overflowing_tokens: instead of dropping what is too long, gives more rows, and
                ``overflow_to_sample_mapping`` which says which text each row is from.
            return_offsets_mapping: ``offset_mapping``, the (start, end) characters of the text behind each token;
                (0, 0) for special tokens. Of words given as a list, within the word.

        Raises:
            ValueError: inputs of other kinds, impossible lengths, rows of several lengths asked for as a tensor,
                padding without a ``pad_token``.
            TypeError: an option that the tokenizer does not have.
        """
        self._options(options)
        pairs, batched = _as_pairs(text, text_pair, is_split_into_words)
        strategy, limit = self._truncation(truncation, padding, max_length)
        return self._encode_batch(
            pairs,
            batched or return_overflowing_tokens,
            add_special_tokens=add_special_tokens,
            strategy=strategy,
            max_length=limit,
            stride=stride,
            split=is_split_into_words,
            padding=self._padding(padding),
            pad_length=max_length,
            multiple=pad_to_multiple_of,
            side=padding_side,
            tensors=return_tensors,
            wanted=self._wanted(
                token_type_ids=return_token_type_ids,
                attention_mask=return_attention_mask,
                special_tokens_mask=return_special_tokens_mask,
                offset_mapping=return_offsets_mapping,
                length=return_length,
            ),
            extra=(),
            rows_for_overflow=return_overflowing_tokens,
            options=options,
        )

    def encode_plus(
        self,
        text: Text,
        text_pair: Text | None = None,
        add_special_tokens: bool = True,
        max_length: int | None = None,
        stride: int = 0,
        truncation_strategy: str = "longest_first",
        return_tensors: str | None = None,
        **kwargs: Any,
    ) -> BatchEncoding:
        """Encodes one text (or list of tokens, or list of ids) or a pair, the 2019 way.

        ``max_length`` alone truncates by ``truncation_strategy``; ``pad_to_max_length=True`` pads. Besides the model's
        inputs the result answers ``["token_type_ids"]``, ``["special_tokens_mask"]`` and, where something was cut off,
        ``["overflowing_tokens"]`` (with ``stride`` kept tokens before) and ``["num_truncated_tokens"]``; unless asked
        for (``return_special_tokens_mask=True``, …) they are not among its keys, so that ``model(**encoding)`` works.
        ``padding=``, ``truncation=`` and the other keywords of a call are taken too.

        Raises ValueError as a call does, and for an input that is too long with ``'do_not_truncate'``.
        """
        return self._encode_2019(
            [(text, text_pair)],
            False,
            add_special_tokens=add_special_tokens,
            max_length=max_length,
            stride=stride,
            truncation_strategy=truncation_strategy,
            return_tensors=return_tensors,
            **kwargs,
        )

    def batch_encode_plus(
        self,
        batch_text_or_text_pairs: Sequence[Any],
        add_special_tokens: bool = True,
        max_length: int | None = None,
        stride: int = 0,
        truncation_strategy: str = "longest_first",
        return_tensors: str | None = None,
        **kwargs: Any,
    ) -> BatchEncoding:
        """``encode_plus`` of each text, or of each pair (a list or tuple of two), of a batch."""
        pairs, _ = _as_pairs(list(batch_text_or_text_pairs), None, bool(kwargs.get("is_split_into_words", False)), True)
        return self._encode_2019(
            pairs,
            True,
            add_special_tokens=add_special_tokens,
            max_length=max_length,
            stride=stride,
            truncation_strategy=truncation_strategy,
            return_tensors=return_tensors,
            **kwargs,
        )

    if TYPE_CHECKING:

        @overload
        def encode(
            self,
            text: Text,
            text_pair: Text | None = None,
            add_special_tokens: bool = True,
            max_length: int | None = None,
            stride: int = 0,
            truncation_strategy: str = "longest_first",
            return_tensors: None = None,
            **kwargs: Any,
        ) -> list[int]: ...
        @overload
        def encode(self, text: Text, text_pair: Text | None = None, *, return_tensors: str, **kwargs: Any) -> Any: ...

    def encode(
        self,
        text: Text,
        text_pair: Text | None = None,
        add_special_tokens: bool = True,
        max_length: int | None = None,
        stride: int = 0,
        truncation_strategy: str = "longest_first",
        return_tensors: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """The ``input_ids`` of ``encode_plus``: a list, or a tensor of one row where ``return_tensors`` is given."""
        if isinstance(text, str) and text_pair is None and max_length is None and return_tensors is None and not kwargs:
            ids = self._text_ids(text, kwargs)
            ids = self.build_inputs_with_special_tokens(ids) if add_special_tokens else ids
            if len(ids) > self.max_len:
                self._warn_of_length(len(ids))
            return ids
        return self.encode_plus(
            text, text_pair, add_special_tokens, max_length, stride, truncation_strategy, return_tensors, **kwargs
        )["input_ids"]

    def prepare_for_model(
        self,
        ids: list[int],
        pair_ids: list[int] | None = None,
        max_length: int | None = None,
        add_special_tokens: bool = True,
        stride: int = 0,
        truncation_strategy: str = "longest_first",
        return_tensors: str | None = None,
        **kwargs: Any,
    ) -> BatchEncoding:
        """``encode_plus`` of ids that are there already."""
        return self.encode_plus(
            ids, pair_ids, add_special_tokens, max_length, stride, truncation_strategy, return_tensors, **kwargs
        )

    def _encode_2019(
        self,
        pairs: list[tuple[Any, Any]],
        batched: bool,
        *,
        add_special_tokens: bool,
        max_length: int | None,
        stride: int,
        truncation_strategy: str,
        return_tensors: str | None,
        pad_to_max_length: bool = False,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        is_split_into_words: bool = False,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_token_type_ids: bool | None = None,
        return_attention_mask: bool | None = None,
        return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
        return_length: bool = False,
        **options: Any,
    ) -> BatchEncoding:
        self._options(options)
        check_strategy(truncation_strategy)
        if pad_to_max_length and padding is False:
            padding = "max_length"
        refuse = False
        if truncation is None:
            strategy, limit = truncation_strategy, max_length
            refuse = strategy == "do_not_truncate" and max_length is not None
            if max_length is None and padding == "max_length" and self.max_len < UNLIMITED:
                limit = self.max_len
        else:
            strategy, limit = self._truncation(truncation, padding, max_length)
        wanted = self._wanted(
            token_type_ids=return_token_type_ids,
            attention_mask=return_attention_mask,
            special_tokens_mask=return_special_tokens_mask,
            offset_mapping=return_offsets_mapping,
            length=return_length,
        )
        if return_overflowing_tokens:
            wanted |= {"overflowing_tokens", "num_truncated_tokens"}
        extra = ["overflowing_tokens", "num_truncated_tokens"]
        if return_token_type_ids is None:
            extra.append("token_type_ids")
        if add_special_tokens:
            extra.append("special_tokens_mask")
        return self._encode_batch(
            pairs,
            batched,
            add_special_tokens=add_special_tokens,
            strategy=strategy,
            max_length=limit,
            stride=stride,
            split=is_split_into_words,
            padding=self._padding(padding),
            pad_length=max_length,
            multiple=pad_to_multiple_of,
            side=padding_side,
            tensors=return_tensors,
            wanted=wanted,
            extra=[name for name in extra if name not in wanted],
            rows_for_overflow=False,
            options=options,
            refuse=refuse,
        )

    def _wanted(self, **asked: bool | None) -> set[str]:
        wanted = {"input_ids"}
        for name, answer in asked.items():
            if answer or (answer is None and name in self.model_input_names):
                wanted.add(name)
        return wanted

    def _padding(self, padding: bool | str) -> str:
        strategy = ("longest" if padding else "do_not_pad") if isinstance(padding, bool) else padding
        if strategy not in _PADDINGS:
            raise ValueError(f"padding={padding!r} is not True, False or one of {', '.join(_PADDINGS)}")
        return strategy

    def _truncation(
        self, truncation: bool | str | None, padding: bool | str, max_length: int | None
    ) -> tuple[str, int | None]:
        """The strategy of a call and the length to truncate to (None: rows stay as they are)."""
        if truncation is None:
            truncation = max_length is not None and padding in (False, "do_not_pad")
        if truncation is False or truncation == "do_not_truncate":
            return "do_not_truncate", None
        strategy = "longest_first" if truncation is True else truncation
        if strategy not in TRUNCATION_STRATEGIES:
            raise ValueError(
                f"truncation={truncation!r} is not True, False or one of {', '.join(TRUNCATION_STRATEGIES)}"
            )
        if max_length is None:
            if self.max_len >= UNLIMITED:
                logger.warning("truncation without max_length= has no effect: the model's longest is not known")
                return strategy, None
            max_length = self.max_len
        return strategy, max_length

    def _encode_batch(
        self,
        pairs: list[tuple[Any, Any]],
        batched: bool,
        *,
        add_special_tokens: bool,
        strategy: str,
        max_length: int | None,
        stride: int,
        split: bool,
        padding: str,
        pad_length: int | None,
        multiple: int | None,
        side: str | None,
        tensors: str | None,
        wanted: set[str],
        extra: Sequence[str],
        rows_for_overflow: bool,
        options: Mapping[str, Any],
        refuse: bool = False,
    ) -> BatchEncoding:
        """Encodes (first, second or None) inputs into columns; the one place where rows are made.

        ``wanted`` and ``extra`` name the columns that become keys and extras; ``rows_for_overflow`` makes a row of each
        window instead of truncating; ``refuse`` raises where a row is longer than ``max_length``.
        """
        if max_length is not None and max_length <= 0:
            raise ValueError(f"max_length={max_length} must be positive")
        if stride < 0:
            raise ValueError(f"stride={stride} must not be negative")
        columns: dict[str, list[Any]] = {name: [] for name in (*_COLUMNS, *_COUNTS) if name in wanted or name in extra}
        origin: list[int] = []
        spans = "offset_mapping" in wanted
        sequence_ids: list[list[int | None]] | None = [] if spans or rows_for_overflow or split else None
        word_ids: list[list[int | None]] | None = [] if split else None
        longest = 0
        for number, (text, text_pair) in enumerate(pairs):
            first = self._sequence(text, options, split, spans)
            second = None if text_pair is None else self._sequence(text_pair, options, split, spans)
            size, pair_size = len(first.ids), None if second is None else len(second.ids)
            total = size + (pair_size or 0) + (self.num_added_tokens(second is not None) if add_special_tokens else 0)
            surplus = 0 if max_length is None else max(total - max_length, 0)
            longest = max(longest, total - surplus)
            if not surplus:
                cuts = [(0, size, 0, pair_size)]
            elif rows_for_overflow:
                cuts = self._windows(size, pair_size, surplus, strategy, stride)
            elif strategy == "do_not_truncate" and not refuse:
                cuts = [(0, size, 0, pair_size)]
            else:
                kept, pair_kept = kept_lengths(size, pair_size, surplus, strategy)
                if self.truncation_side == "left":
                    cuts = [(size - kept, size, (pair_size or 0) - (pair_kept or 0), pair_size)]
                else:
                    cuts = [(0, kept, 0, pair_kept)]
            for cut in cuts:
                row = first.ids if not surplus else first.ids[cut[0] : cut[1]]
                pair_row = None if second is None else second.ids[cut[2] : cut[3]]
                mask = self._add_row(columns, row, pair_row, add_special_tokens, sequence_ids is not None)
                if sequence_ids is not None:
                    sequence_ids.append(_spread(mask, [0] * len(row) + [1] * len(pair_row or ()), None))
                if word_ids is not None:
                    words = _slices(first.words, None if second is None else second.words, cut)
                    word_ids.append(_spread(mask, words, None))
                if spans:
                    found = _slices(first.spans, None if second is None else second.spans, cut)
                    columns["offset_mapping"].append(_spread(mask, found, (0, 0)))
                origin.append(number)
            if "overflowing_tokens" in columns:
                columns["overflowing_tokens"].append(
                    self._overflow(first.ids, second.ids if second else None, surplus, strategy, stride)
                )
                columns["num_truncated_tokens"].append(0 if strategy == "do_not_truncate" else surplus)
        if strategy == "do_not_truncate" and longest > self.max_len and padding != "max_length":
            self._warn_of_length(longest)
        if padding != "do_not_pad":
            kept_rows = {"_sequence_ids": sequence_ids, "_word_ids": word_ids}
            kept_columns = {name: rows for name, rows in kept_rows.items() if rows is not None}
            self._pad_columns({**columns, **kept_columns}, padding, pad_length, multiple, side)
        if rows_for_overflow:
            columns["overflow_to_sample_mapping"] = origin
        if not any(columns.get("num_truncated_tokens", ())):
            for name in _COUNTS:
                if name not in wanted:
                    columns.pop(name, None)
        shaped: dict[str, Any] = columns if batched else {name: column[0] for name, column in columns.items()}
        names = {name: None for name in extra if name in shaped}
        data = {name: column for name, column in shaped.items() if name not in names}
        result = BatchEncoding(data, {name: shaped[name] for name in names}, sequence_ids, word_ids)
        return result.convert_to_tensors(tensors, prepend_batch_axis=not batched)

    def _add_row(
        self,
        columns: dict[str, list[Any]],
        row: list[int],
        pair_row: list[int] | None,
        add_special_tokens: bool,
        mask_wanted: bool,
    ) -> list[int]:
        """Appends one row to the columns of numbers a token; returns its special tokens' mask where that is wanted."""
        if add_special_tokens:
            ids = self.build_inputs_with_special_tokens(row, pair_row)
        else:
            ids = row + (pair_row or [])
        columns["input_ids"].append(ids)
        if "token_type_ids" in columns:
            if add_special_tokens:
                types = self.create_token_type_ids_from_sequences(row, pair_row)
            else:
                types = [0] * len(row) + [1] * len(pair_row or ())
            columns["token_type_ids"].append(types)
        if "attention_mask" in columns:
            columns["attention_mask"].append([1] * len(ids))
        if "length" in columns:
            columns["length"].append(len(ids))
        mask: list[int] = []
        if mask_wanted or "special_tokens_mask" in columns:
            mask = self.get_special_tokens_mask(row, pair_row) if add_special_tokens else [0] * len(ids)
            if "special_tokens_mask" in columns:
                columns["special_tokens_mask"].append(mask)
        return mask

    def _warn_of_length(self, length: int) -> None:
        logger.warning("a sequence of %d tokens is longer than the model's longest (%d)", length, self.max_len)

    def _windows(
        self, size: int, pair_size: int | None, surplus: int, strategy: str, stride: int
    ) -> list[tuple[int, int, int, int | None]]:
        if pair_size is None or strategy == "only_first":
            if strategy == "only_second":
                raise ValueError("truncation strategy 'only_second' needs a second sequence")
            return [(start, end, 0, pair_size) for start, end in windows(size, size - surplus, stride)]
        if strategy == "only_second":
            return [(0, size, start, end) for start, end in windows(pair_size, pair_size - surplus, stride)]
        raise ValueError(
            f"return_overflowing_tokens=True cannot divide a pair with truncation={strategy!r}: "
            "choose 'only_first' or 'only_second'"
        )

    def _overflow(self, ids: list[int], pair: list[int] | None, surplus: int, strategy: str, stride: int) -> list[int]:
        """The tokens that truncation takes away, after ``stride`` that it keeps; of the first sequence of a pair."""
        if not surplus or strategy == "do_not_truncate":
            return []
        kept, pair_kept = kept_lengths(len(ids), None if pair is None else len(pair), surplus, strategy)
        row, keep = ids, kept
        if strategy == "only_second" and pair is not None:
            row, keep = pair, pair_kept or 0
        if keep == len(row):
            return []
        if self.truncation_side == "left":
            return row[: len(row) - keep + stride]
        return row[max(keep - stride, 0) :]

    def truncate_sequences(
        self,
        ids: list[int],
        pair_ids: list[int] | None = None,
        num_tokens_to_remove: int = 0,
        truncation_strategy: str = "longest_first",
        stride: int = 0,
    ) -> tuple[list[int], list[int] | None, list[int]]:
        """Removes tokens from one sequence or a pair.

        Returns the two sequences and what was removed (of the first sequence where both were shortened), preceded by
        ``stride`` tokens that were kept. Raises ValueError as ``kept_lengths`` does.
        """
        kept, pair_kept = kept_lengths(
            len(ids), None if pair_ids is None else len(pair_ids), num_tokens_to_remove, truncation_strategy
        )
        overflow = self._overflow(ids, pair_ids, max(num_tokens_to_remove, 0), truncation_strategy, stride)
        if self.truncation_side == "left":
            ids = ids[len(ids) - kept :]
            pair_ids = None if pair_ids is None else pair_ids[len(pair_ids) - (pair_kept or 0) :]
        else:
            ids, pair_ids = ids[:kept], None if pair_ids is None else pair_ids[:pair_kept]
        return ids, pair_ids, overflow

    # Padding --------------------------------------------------------------------------------------------------------

    def _pad_columns(
        self, columns: dict[str, list[Any]], padding: str, length: int | None, multiple: int | None, side: str | None
    ) -> None:
        """Pads every column of rows to one length, in place."""
        side = _checked_side("padding_side", side or self.padding_side)
        longest = max(map(len, columns["input_ids"]), default=0)
        if padding == "max_length":
            if length is None:
                if self.max_len >= UNLIMITED:
                    logger.warning("padding='max_length' without max_length= has no effect: the longest is not known")
                    return
                length = self.max_len
        else:
            length = longest
        if multiple:
            length = -(-length // multiple) * multiple
        needed = [length - len(row) for row in columns["input_ids"]]
        if not any(count > 0 for count in needed):
            return
        pad = self._special_id("pad_token")
        if pad is None:
            raise ValueError(
                "padding needs a pad_token: tokenizer.pad_token = tokenizer.eos_token, "
                "or tokenizer.add_special_tokens({'pad_token': '[PAD]'})"
            )
        fills: dict[str, Any] = {
            "input_ids": pad,
            "token_type_ids": self.pad_token_type_id,
            "attention_mask": 0,
            "special_tokens_mask": 1,
            "offset_mapping": (0, 0),
        }
        for name, rows in columns.items():
            if name in fills or name.startswith("_"):
                fill = fills.get(name)
                for number, count in enumerate(needed):
                    if count > 0:
                        filling = [fill] * count
                        rows[number] = filling + rows[number] if side == "left" else rows[number] + filling

    def pad(
        self,
        encoded_inputs: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_attention_mask: bool | None = None,
        return_tensors: str | None = None,
    ) -> BatchEncoding:
        """Pads encodings (one, a dictionary of columns, or a list of encodings) to one length.

        ``attention_mask`` is made where it is missing and the model takes one. Raises ValueError if ``input_ids`` is
        missing, or if there is no ``pad_token`` to pad with.
        """
        keyed: Any = encoded_inputs
        single = False
        if hasattr(encoded_inputs, "keys"):
            columns = {name: _as_items(keyed[name]) for name in keyed}
            ids: Sequence[Any] = columns.get("input_ids") or ()
            single = len(ids) > 0 and isinstance(ids[0], int)
        else:
            names = list(keyed[0]) if keyed else []
            columns = {name: [_as_items(row[name]) for row in keyed] for name in names}
        if "input_ids" not in columns:
            raise ValueError(f"an encoding to pad needs input_ids; this has {', '.join(columns) or 'nothing'}")
        if single:
            columns = {name: [column] for name, column in columns.items()}
        else:
            columns = {name: [_as_items(row) for row in column] for name, column in columns.items()}
        if return_attention_mask is None:
            return_attention_mask = "attention_mask" in self.model_input_names
        if return_attention_mask and "attention_mask" not in columns:
            columns["attention_mask"] = [[1] * len(row) for row in columns["input_ids"]]
        strategy = self._padding(padding)
        if strategy != "do_not_pad":
            self._pad_columns(columns, strategy, max_length, pad_to_multiple_of, padding_side)
        shaped: dict[str, Any] = {name: column[0] for name, column in columns.items()} if single else columns
        return BatchEncoding(shaped).convert_to_tensors(return_tensors, prepend_batch_axis=single)

    # Decoding -------------------------------------------------------------------------------------------------------

    def decode(
        self,
        token_ids: int | Iterable[int],
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
    ) -> str:
        """Text of ids (a list or a tensor of one dimension, or a single number).

        ``clean_up_tokenization_spaces`` removes the spaces before punctuation and English contractions; None takes the
        tokenizer's own setting, which is True unless it was made otherwise. Raises ValueError for an id no token has.
        """
        ids = _as_plain(token_ids)
        tokens = self.convert_ids_to_tokens(
            [ids] if isinstance(ids, int) else ids, skip_special_tokens=skip_special_tokens
        )
        parts: list[str] = []
        run: list[str] = []
        for token in tokens:
            if token in self.added_tokens_encoder:
                if run:
                    parts.append(self.convert_tokens_to_string(run))
                    run = []
                parts.append(token)
            else:
                run.append(token)
        if run:
            parts.append(self.convert_tokens_to_string(run))
        text = self.added_token_space.join(parts)
        if clean_up_tokenization_spaces is None:
            clean_up_tokenization_spaces = self.clean_up_tokenization_spaces
        return self.clean_up_tokenization(text) if clean_up_tokenization_spaces else text

    def batch_decode(
        self,
        sequences: Iterable[Any],
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
    ) -> list[str]:
        """``decode`` of each row."""
        return [self.decode(row, skip_special_tokens, clean_up_tokenization_spaces) for row in _as_list(sequences)]

    @staticmethod
    def clean_up_tokenization(text: str) -> str:
        """Removes the spaces before punctuation and English contractions."""
        for spaced in (" .", " ?", " !", " ,"):
            text = text.replace(spaced, spaced[1:])
        text = text.replace(" ' ", "'")
        for spaced in (" n't", " 'm", " 's", " 've", " 're"):
            text = text.replace(spaced, spaced[1:])
        return text

    # Files ----------------------------------------------------------------------------------------------------------

    @classmethod
    def _parameters(cls) -> set[str]:
        """Names of the constructor's arguments, through all base classes."""
        names = set(_BASE_OPTIONS)
        for base in cls.__mro__:
            code = getattr(base.__dict__.get("__init__"), "__code__", None)
            if code is not None:
                names.update(code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount])
        return names - {"settings"}

    @classmethod
    def _flags(cls) -> set[str]:
        """Names of the constructor's arguments that are True or False."""
        names = {"clean_up_tokenization_spaces", "do_lower_case"}
        for base in cls.__mro__:
            init = base.__dict__.get("__init__")
            code = getattr(init, "__code__", None)
            if init is not None and code is not None:
                values = init.__defaults__ or ()
                ordered = code.co_varnames[code.co_argcount - len(values) : code.co_argcount]
                defaults = {**dict(zip(ordered, values, strict=True)), **(init.__kwdefaults__ or {})}
                names.update(name for name, value in defaults.items() if isinstance(value, bool))
        return names

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], *init_inputs: Any, **kwargs: Any
    ) -> Self:
        """Loads a tokenizer from a folder, a vocabulary file, a URL of one, or a name on the hub.

        Reads the vocabulary's classic files and, beside them, ``tokenizer_config.json``, ``special_tokens_map.json``,
        ``added_tokens.json`` and ``tokenizer.json``; where only the last is there, the vocabulary comes from it.
        Keywords are options of the constructor, which win over the files, or options of the download (``cache_dir``,
        ``force_download``, ``revision``, …).

        Raises:
            OSError: the folder, repository or file does not exist, or holds no vocabulary.
            ValueError: a file contradicts another or is malformed; the message names it.
            TypeError: an option that the tokenizer does not have.
        """
        from pathlib import Path

        from tx_core.files import Source, locate, locate_each

        source = Source.take(kwargs)
        name = str(pretrained_model_name_or_path)
        single = Path(name).is_file() or name.startswith(("http://", "https://"))
        data: dict[str, Any] = {}
        config: dict[str, Any] = {}
        special: dict[str, Any] = {}
        added: dict[str, Any] = {}
        tokenizer_json: Path | None = None
        if single:
            if name.endswith(".json") and "tokenizer" in name.rsplit("/", 1)[-1]:
                tokenizer_json = locate(name, [TOKENIZER_JSON], source)
                files: dict[str, Path] = {}
            elif len(cls.vocab_files_names) == 1:
                path = locate(name, [*cls.vocab_files_names.values()], source)
                files = {} if path is None else {next(iter(cls.vocab_files_names)): path}
            else:
                raise ValueError(
                    f"{name}: {cls.__name__} needs {' and '.join(cls.vocab_files_names.values())}: "
                    "give the folder that holds them"
                )
        else:
            found, source = locate_each(name, cls.vocab_files_names.values(), source)
            files = {argument: found[file] for argument, file in cls.vocab_files_names.items() if file in found}
            beside = (TOKENIZER_CONFIG, SPECIAL_TOKENS_MAP, ADDED_TOKENS)
            found, source = locate_each(name, beside, source)
            config, special, added = (read_json_object(found[file]) if file in found else {} for file in beside)
            if len(files) < len(cls.vocab_files_names) or "added_tokens_decoder" not in config:
                tokenizer_json = locate(name, [TOKENIZER_JSON], source)
        if tokenizer_json is not None:
            data = read_json_object(tokenizer_json)
        arguments: dict[str, Any] = dict(cls.pretrained_init_configuration.get(name, {}))
        if name in cls.max_model_input_sizes:
            arguments["max_len"] = cls.max_model_input_sizes[name]
        if len(files) < len(cls.vocab_files_names):
            missing = [file for argument, file in cls.vocab_files_names.items() if argument not in files]
            if tokenizer_json is None:
                raise FileNotFoundError(
                    f"{name}: {cls.__name__} needs {' and '.join(missing)} (or {TOKENIZER_JSON}), which is not there"
                )
            arguments.update(cls._arguments_from_tokenizer_json(data, tokenizer_json))
            files = {}
        try:
            chosen, kept = cls._arguments_from_config({**special, **config} if config else special)
        except ValueError as error:
            raise _naming(name, error) from None
        if "max_len" in chosen and "max_len" in arguments:
            chosen["max_len"] = min(chosen["max_len"], arguments["max_len"])
        arguments.update(chosen)
        if "model_max_length" in kwargs:
            kwargs.setdefault("max_len", kwargs.pop("model_max_length"))
        arguments.update({argument: str(path) for argument, path in files.items()})
        arguments.update(kwargs)
        try:
            tokenizer = cls(*init_inputs, **arguments)
            tokenizer._register_from_files(config, added, data, name)
        except ValueError as error:
            raise _naming(name, error) from None
        tokenizer.init_inputs = init_inputs
        tokenizer._kept_settings = kept
        return tokenizer

    @classmethod
    def _arguments_from_config(cls, config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Splits what ``tokenizer_config.json`` holds into the constructor's arguments and the rest, which is kept."""
        parameters = cls._parameters() - set(cls.vocab_files_names) - {"vocab", "merges"}
        flags = cls._flags()
        arguments: dict[str, Any] = {}
        kept: dict[str, Any] = {}
        for key, value in config.items():
            if key in ("model_max_length", "max_len"):
                if value is not None:
                    arguments["max_len"] = _checked_limit(value)
            elif key in SPECIAL_TOKENS_ATTRIBUTES:
                if isinstance(value, list):
                    arguments[key] = [AddedToken.from_json(token, special=True) for token in value]
                elif value is not None:
                    arguments[key] = value if isinstance(value, str) else AddedToken.from_json(value, special=True)
            elif key in flags and not isinstance(value, bool | None):
                raise ValueError(f"{TOKENIZER_CONFIG}: {key} must be true or false, not {_shown(value)}")
            elif key in parameters:
                arguments[key] = value
            elif key not in _FILE_BOOKKEEPING:
                kept[key] = value
        if kept:
            logger.info("%s: settings of no effect are kept: %s", TOKENIZER_CONFIG, ", ".join(sorted(kept)))
        return arguments, kept

    def _register_from_files(
        self, config: Mapping[str, Any], added: Mapping[str, Any], data: Mapping[str, Any], name: str
    ) -> None:
        """Adds the tokens that the files beside the vocabulary list, under the ids that they give."""
        entries: dict[str, tuple[AddedToken, int]] = {}
        special = set(self.all_special_tokens)
        for content, index in checked_vocabulary(dict(added), f"{name}/{ADDED_TOKENS}").items():
            entries[content] = (AddedToken(content, special=content in special), index)
        listed = config.get("added_tokens_decoder")
        if listed is None:
            tokens = data.get("added_tokens") or []
            if not isinstance(tokens, list):
                raise ValueError(f"{name}/{TOKENIZER_JSON}: added_tokens must be a list, not {_shown(tokens)}")
            listed = {str(token.get("id")): token for token in tokens if isinstance(token, dict)}
        if not isinstance(listed, dict):
            raise ValueError(f"{name}/{TOKENIZER_CONFIG}: added_tokens_decoder must be an object, not {listed!r}")
        for key, value in listed.items():
            if not str(key).isascii() or not str(key).isdigit() or int(key) > MAX_TOKEN_ID:
                raise ValueError(f"{name}: added token {value!r} has the id {key!r}, which is not a number")
            token = AddedToken.from_json(value)
            entries[token.content] = (token, int(key))
        for token, index in sorted(entries.values(), key=lambda entry: entry[1]):
            self._register(token, index)
        self._forget()

    def save_pretrained(self, save_directory: str | os.PathLike[str]) -> tuple[str, ...]:
        """Writes the vocabulary's classic files and the three JSON files into a folder; returns their paths.

        The folder is created where it is missing. ``from_pretrained`` of it gives an equal tokenizer.
        """
        from pathlib import Path

        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        config = {**self.init_kwargs, "tokenizer_class": type(self).__name__}
        flagged = {
            self._known_id(content): token.to_json()
            for content, token in self._added.items()
            if self._known_or_none(content) is not None
        }
        # Written even when empty: a tokenizer.json that stands in the folder already is not asked then.
        config["added_tokens_decoder"] = {str(index): flagged[index] for index in sorted(flagged)}
        written = list(self.save_vocabulary(folder))
        contents = {TOKENIZER_CONFIG: config, SPECIAL_TOKENS_MAP: self.special_tokens_map}
        if self.added_tokens_encoder:
            contents[ADDED_TOKENS] = self.added_tokens_encoder
        else:
            (folder / ADDED_TOKENS).unlink(missing_ok=True)
        for name, content in contents.items():
            write_bytes(folder / name, json_bytes(content))
            written.append(str(folder / name))
        return tuple(written)

    # Pickling -------------------------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in self._remembered}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()


#: Columns of one number a token, and of one entry a row.
_COLUMNS = ("input_ids", "token_type_ids", "attention_mask", "special_tokens_mask", "offset_mapping", "length")
_COUNTS = ("overflowing_tokens", "num_truncated_tokens")
#: Keys of tokenizer_config.json that say where a tokenizer came from, or that are read elsewhere.
_FILE_BOOKKEEPING = frozenset(
    {
        "added_tokens_decoder",
        "init_inputs",
        "name_or_path",
        "special_tokens_map_file",
        "tokenizer_class",
        "tokenizer_file",
        "transformers_version",
    }
)


def _checked_limit(value: object) -> int:
    """``max_len`` as a number; published files write 1e30 for "no limit"."""
    if value is None:
        return UNLIMITED
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 1:
        raise ValueError(f"max_len={value!r} must be a number of tokens, or None for no limit")
    return UNLIMITED if value >= UNLIMITED else int(value)


def _checked_names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"model_input_names={value!r} must be a list of names")
    return tuple(value)


def _naming(name: str, error: ValueError) -> ValueError:
    """The error with the folder or repository that it is about in front of it."""
    return error if name in str(error) else ValueError(f"{name}: {error}")


def _checked_side(name: str, value: object) -> str:
    if value not in ("left", "right"):
        raise ValueError(f"{name}={value!r} must be 'left' or 'right'")
    return str(value)


def _nearest(name: str, names: Iterable[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, list(names), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _as_plain(value: Any) -> Any:
    """A number or (nested) list of what an array or tensor holds; anything else as it is."""
    if hasattr(value, "numpy") and not hasattr(value, "tolist"):
        value = value.numpy()
    return value.tolist() if hasattr(value, "tolist") else value


def _as_list(value: Any) -> list[Any]:
    """A list of a list, tuple, array or tensor."""
    return list(_as_plain(value))


def _as_ids(value: Any) -> list[int]:
    """A row of ids. ValueError if it is none."""
    ids = [_as_plain(item) for item in value] if hasattr(value, "__iter__") and not isinstance(value, str) else [value]
    for index in ids:
        if isinstance(index, list | tuple):
            raise ValueError(
                f"one row of ids is wanted, not rows of them ({_shown(value)}): batch_decode takes several"
            )
        if not isinstance(index, int):
            raise ValueError(f"ids are whole numbers, not {_shown(index)}")
    return ids


def _as_items(value: Any) -> Any:
    """A number as it is, anything else as a list."""
    return value if isinstance(value, int | float) else _as_list(value)


def _as_pairs(
    text: Any, text_pair: Any, split: bool, batched: bool | None = None
) -> tuple[list[tuple[Any, Any]], bool]:
    """What a call was given as (first, second or None) inputs, and whether it is a batch."""
    if isinstance(text, str):
        if text_pair is not None and not isinstance(text_pair, str):
            raise ValueError(f"text_pair must be a text as text is, not {_shown(text_pair)}")
        return [(text, text_pair)], False
    if not isinstance(text, list | tuple):
        raise ValueError(f"text must be a str or a list of them, not {_shown(text)} ({type(text).__name__})")
    if split and not batched and (not text or isinstance(text[0], str)):
        return [(text, text_pair)], False
    if text_pair is not None:
        if isinstance(text_pair, str) or len(text_pair) != len(text):
            found = _shown(text_pair) if isinstance(text_pair, str) else len(text_pair)
            raise ValueError(f"a batch of {len(text)} texts needs a list of as many second texts, not {found}")
        return list(zip(text, text_pair, strict=True)), True
    pairs: list[tuple[Any, Any]] = []
    for item in text:
        if isinstance(item, str):
            pairs.append((item, None))
        elif isinstance(item, list | tuple) and _is_pair(item, split):
            pairs.append((item[0], item[1]))
        elif isinstance(item, list | tuple) and (split or batched):
            pairs.append((item, None))
        else:
            raise ValueError(f"a batch holds texts or pairs of texts, not {_shown(item)}")
    return pairs, True


def _is_pair(item: Sequence[Any], split: bool) -> bool:
    """Whether an item of a batch is two inputs; with ``split`` an input is itself a list."""
    kinds: Any = (list, tuple) if split else (str, list, tuple)
    return len(item) == 2 and all(isinstance(part, kinds) for part in item)


def _slices(first: list[Any] | None, second: list[Any] | None, cut: tuple[int, int, int, int | None]) -> list[Any]:
    return (first or [])[cut[0] : cut[1]] + (second or [])[cut[2] : cut[3]]


def _spread(mask: list[int], values: list[Any], special: Any) -> list[Any]:
    """``values`` at the places where ``mask`` is 0, ``special`` where it is 1."""
    remaining = iter(values)
    return [special if masked else next(remaining) for masked in mask]
