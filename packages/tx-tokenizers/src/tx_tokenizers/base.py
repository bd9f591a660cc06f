"""``PreTrainedTokenizer``: what all tokenizers share, and what a caller sees.

A concrete tokenizer gives

- its vocabulary: ``vocab_size``, ``_token_to_id``, ``_id_to_token``, ``get_vocab`` and ``save_vocabulary``;
- its splitting of a text without added tokens: ``_tokenize``, ``_encode`` and ``_encode_with_offsets``;
- ``convert_tokens_to_string``;
- the places of its special tokens: ``single_layout`` and ``pair_layout``.

``WordsTokenizer`` in ``words`` gives most of this to tokenizers that divide a text into words first.
"""

from __future__ import annotations

from tx_core.messages import nearest, quoted

from .encoding import BatchEncoding
from .padding import padded
from .pretrained import BASE_OPTIONS, PretrainedFiles, checked_limit, checked_names, checked_side
from .rows import Request, as_pairs, encoded, warn_of_length
from .special_tokens import SPECIAL_TOKENS_ATTRIBUTES
from .splitter import fold_case
from .surrogates import join_pairs, pair_places, replace_lone
from .truncation import kept_part, overflow
from .values import as_batch, as_ids, as_list, as_plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from typing import Any, ClassVar, Self, overload

    from .special_tokens import AddedToken

    Text = str | Sequence[str] | Sequence[int]
    Span = tuple[int, int]


def _whole(text: str) -> list[tuple[int, int, AddedToken | None]]:
    """The one piece of a text in which no added token stands."""
    return [(0, len(text), None)] if text else []


class PreTrainedTokenizer(PretrainedFiles):
    """Turns text into ids and back. The module's description says what a subclass gives.

    Args:
        max_len: the longest sequence the model takes; ``None`` for no limit. ``model_max_length`` is the same.
        settings: the subclass's own options, written to ``tokenizer_config.json``.
        options: special tokens by name (``cls_token="[CLS]"``, …, ``additional_special_tokens=[...]``),
            ``padding_side`` and ``truncation_side`` ("left" or "right"), ``clean_up_tokenization_spaces`` (the default
            of ``decode``; True in WordPiece and False in others), ``model_input_names`` (what a call returns),
            ``do_lower_case`` (lower-case the text first, except special tokens), ``split_special_tokens`` (read special
            tokens that stand in a text as text: for text of strangers).

    Raises:
        TypeError: an option that the tokenizer does not have.
        ValueError: an impossible value.
    """

    pad_token_type_id: int = 0
    #: Encodings know the words and characters of their tokens, as those of compiled tokenizers do.
    is_fast: ClassVar[bool] = True
    #: Keywords of ``tokenize`` and of the calls that reach ``prepare_for_tokenization``.
    tokenize_options: ClassVar[frozenset[str]] = frozenset()
    #: What stands between an added token and its neighbours in decoded text.
    added_token_space: ClassVar[str] = " "
    #: Whether the offsets of a token leave out the white space that it begins or ends with.
    trim_offsets: ClassVar[bool] = False

    def __init__(
        self, max_len: int | None = None, *, settings: Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        unknown = sorted(set(options) - BASE_OPTIONS)
        if unknown:
            raise TypeError(
                f"{type(self).__name__} has no option {quoted(unknown[0])}{nearest(unknown[0], self._parameters())}"
            )
        limit = options.pop("model_max_length", None) if max_len is None else max_len
        self.max_len = checked_limit(limit)
        self.init_inputs = ()
        self._settings = dict(settings or {})
        lowers = options.pop("do_lower_case", None)
        self._lowers = bool(lowers)
        if lowers is not None:
            self._settings["do_lower_case"] = self._lowers
        self._kept_settings = {}
        self.padding_side = checked_side("padding_side", options.pop("padding_side", self.padding_side))
        self.truncation_side = checked_side("truncation_side", options.pop("truncation_side", self.truncation_side))
        if options.pop("split_special_tokens", False):
            self.split_special_tokens = True
        clean_up = options.pop("clean_up_tokenization_spaces", None)
        if clean_up is not None:
            self.clean_up_tokenization_spaces = bool(clean_up)
        self.model_input_names = checked_names(options.pop("model_input_names", self.model_input_names))
        super().__init__()
        for name in SPECIAL_TOKENS_ATTRIBUTES:
            if options.get(name) is not None:
                setattr(self, name, options[name])

    # What a subclass gives ------------------------------------------------------------------------------------------

    def _tokenize(self, text: str) -> list[str]:
        """Tokens of a text that holds no added tokens."""
        raise NotImplementedError

    def _encode(self, text: str) -> list[int]:
        """Ids of a text that holds no added tokens."""
        return [self._known_id(token) for token in self._tokenize(text)]

    def _encode_with_offsets(self, text: str) -> tuple[list[int], list[Span]]:
        """Ids of a text that holds no added tokens, and the span of characters of ``text`` behind each."""
        raise NotImplementedError

    def _encode_with_words(self, text: str) -> tuple[list[int], list[Span], list[int]]:
        """The same, and the number of the word that each token is of, from 0. Here white space divides words."""
        from .alignment import numbered_by_space

        ids, spans = self._encode_with_offsets(text)
        return ids, spans, numbered_by_space(text, spans)

    def prepare_for_tokenization(self, text: str, **options: Any) -> str:
        """What is tokenized in place of a text without added tokens: the text, or a prefix and the text."""
        return text

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """Joins tokens into text."""
        return " ".join(tokens)

    def _tokens_alone(self) -> Collection[str]:
        """Tokens that are a part of decoded text by themselves; those between them are made a text together."""
        return self.added_tokens_encoder

    def _word_options(self, number: int, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Options of ``prepare_for_tokenization`` for the word at place ``number`` of a list of words."""
        return options

    def _for_call(self, options: Mapping[str, Any]) -> Self:
        """What splits the texts of a call with options: this tokenizer, or one like it that splits otherwise."""
        return self

    def _folds_case(self) -> bool:
        return bool(self._settings.get("do_lower_case"))

    # Sizes ----------------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        special = self.special_tokens_map
        return f"{type(self).__name__}(vocab_size={self.vocab_size}, max_len={self.max_len}, special={special})"

    @property
    def model_max_length(self) -> int:
        """The same as ``max_len``."""
        return self.max_len

    @model_max_length.setter
    def model_max_length(self, value: int | None) -> None:
        self.max_len = checked_limit(value)

    @property
    def dataset_input_names(self) -> list[str]:
        """What datasets of rows give a model: ``model_input_names``, but for what it would misread."""
        return [*self.model_input_names]

    @property
    def max_len_single_sentence(self) -> int:
        """Longest sequence that fits beside the special tokens."""
        return self.max_len - self.num_added_tokens(pair=False)

    @property
    def max_len_sentences_pair(self) -> int:
        """Longest pair of sequences, taken together, that fits beside the special tokens."""
        return self.max_len - self.num_added_tokens(pair=True)

    # Tokens and ids -------------------------------------------------------------------------------------------------

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
        ids = as_plain(ids)
        if isinstance(ids, int):
            return self._known_token(ids)
        skipped = self._skipped_ids() if skip_special_tokens else ()
        return [self._known_token(index) for index in as_ids(ids) if index not in skipped]

    def _prepared(self, text: str, options: Mapping[str, Any]) -> str:
        """``prepare_for_tokenization``, after lower-casing where that is asked for."""
        if not text.isascii():
            text = self._without_lone_surrogates(text)
        return self.prepare_for_tokenization(fold_case(text) if self._lowers else text, **options)

    def _without_lone_surrogates(self, text: str) -> str:
        """The text with U+FFFD for what is no character; a tokenizer that can give it back keeps it."""
        return replace_lone(text)

    def _check_options(self, options: Mapping[str, Any]) -> None:
        for name in options:
            if name not in self.tokenize_options and name != "split_special_tokens":
                raise TypeError(f"{type(self).__name__} has no option {quoted(name)} to tokenize with")

    def tokenize(self, text: str, **options: Any) -> list[str]:
        """Splits text into tokens; special and added tokens inside it stay whole.

        With ``split_special_tokens=True`` special tokens are text like any other. Other added tokens stay whole.
        """
        self._check_options(options)
        if not isinstance(text, str):
            raise ValueError(f"a text (str) is wanted, not {quoted(text)}")
        text = join_pairs(text)
        splits, others = self._special_option(options)
        tokens: list[str] = []
        for start, end, token in self._get_splitter(splits).split(text) or _whole(text):
            if token is None:
                found = self._for_call(others)._tokenize(self._prepared(text[start:end], others))
                tokens += self._unspecial(found) if splits else found
            else:
                tokens.append(token.content)
        return tokens

    def _special_option(self, options: Mapping[str, Any]) -> tuple[bool, Mapping[str, Any]]:
        """Whether special tokens are text, and the other options of ``tokenize``."""
        if "split_special_tokens" not in options:
            return self.split_special_tokens, options
        others = dict(options)
        return bool(others.pop("split_special_tokens")), others

    def _unspecial(self, tokens: list[str]) -> list[str]:
        """Tokens of a text in which special tokens are text, in as many places: none may be a special token itself."""
        return tokens

    def _unspecial_ids(self, ids: list[int]) -> list[int]:
        """The same of ids."""
        return ids

    def _text_ids(self, text: str, options: Mapping[str, Any]) -> list[int]:
        if not text.isascii():
            text = join_pairs(text)
        splits = self.split_special_tokens
        if options:
            splits, options = self._special_option(options)
        worker = self._for_call(options)
        pieces = ((None if splits else self._splitter) or self._get_splitter(splits)).split(text)
        if pieces is None and not splits:
            return worker._encode(self._prepared(text, options)) if text else []
        ids: list[int] = []
        for start, end, token in pieces or _whole(text):
            if token is None:
                found = worker._encode(self._prepared(text[start:end], options))
                ids += self._unspecial_ids(found) if splits else found
            else:
                ids.append(self._known_id(token.content))
        return ids

    def _text_spans(
        self, text: str, options: Mapping[str, Any], words: list[int] | None = None
    ) -> tuple[list[int], list[Span]]:
        """Ids of a text and their spans. A list of ``words`` is given the number of each token's word."""
        places = pair_places(text)
        if places is not None:
            ids, spans = self._text_spans(join_pairs(text), options, words)
            return ids, [(places[start], places[end]) for start, end in spans]
        ids, spans = [], []
        splits, options = self._special_option(options)
        worker = self._for_call(options)
        count = 0  # of words so far
        for start, end, token in self._get_splitter(splits).split(text) or _whole(text):
            if token is not None:
                ids.append(self._known_id(token.content))
                if self.trim_offsets:  # the space that its lstrip or rstrip claims
                    piece = text[start:end]
                    start += len(piece) - len(piece.lstrip())
                    end -= len(piece) - len(piece.rstrip())
                spans.append((start, end))
                if words is not None:
                    words.append(count)
                    count += 1
                continue
            prepared = self._prepared(text[start:end], options)
            if words is None:
                more, found = worker._encode_with_offsets(prepared)
            else:
                more, found, numbers = worker._encode_with_words(prepared)
                words += [count + number for number in numbers]
                count += max(numbers, default=-1) + 1
            shift = end - start - len(prepared)  # minus the length of the prefix, which the text does not have
            if shift:
                # A token that lies in the prefix is given the first character.
                found = [(max(first + shift, 0), max(last + shift, 1)) for first, last in found]
            ids += self._unspecial_ids(more) if splits else more
            spans += [(start + first, start + last) for first, last in found] if start else found
        return ids, spans

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
            text: a text, a list of texts, or a list of pairs. With ``is_split_into_words`` a text is a list of words.
                A list may be a column of another library: a NumPy array, a pandas Series, a column of ``datasets``.
            text_pair: the second text, or the list of second texts.
            padding: True or "longest" (to the longest of the batch), "max_length", False or "do_not_pad".
            truncation: True or "longest_first", "only_first", "only_second", False or "do_not_truncate". None truncates
                longest first if ``max_length`` is given without padding.
            max_length: longest row, special tokens included; the model's own (``max_len``) if None.
            stride: tokens shared by neighbouring rows of ``return_overflowing_tokens``.
            pad_to_multiple_of: rounds padded lengths up.
            return_tensors: "pt", "tf", "np" or None for lists.
            return_overflowing_tokens: makes more rows of a text that is too long. ``overflow_to_sample_mapping`` is
                the number of the text that each row is from.
            return_offsets_mapping: ``offset_mapping``, the (start, end) characters of the text behind each token, or
                of the word if words are given. It is (0, 0) for special tokens.

        Raises:
            ValueError: inputs of other kinds, rows without a value, impossible lengths, rows of several lengths asked
                for as a tensor, padding without a ``pad_token``.
            TypeError: an option that the tokenizer does not have.
        """
        pairs, batched = as_pairs(text, text_pair, is_split_into_words)
        request = Request(
            self,
            add_special_tokens=add_special_tokens,
            padding=padding,
            truncation=truncation,
            max_length=max_length,
            stride=stride,
            is_split_into_words=is_split_into_words,
            pad_to_multiple_of=pad_to_multiple_of,
            padding_side=padding_side,
            return_tensors=return_tensors,
            return_token_type_ids=return_token_type_ids,
            return_attention_mask=return_attention_mask,
            return_overflowing_tokens=return_overflowing_tokens,
            return_special_tokens_mask=return_special_tokens_mask,
            return_offsets_mapping=return_offsets_mapping,
            return_length=return_length,
            **options,
        )
        return encoded(self, pairs, request, batched or return_overflowing_tokens)

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

        ``max_length`` alone truncates by ``truncation_strategy``; ``pad_to_max_length=True`` pads. ``padding=``,
        ``truncation=`` and the other keywords of a call are taken too.

        The result also answers ``["token_type_ids"]`` and ``["special_tokens_mask"]``. If something was cut off, it
        answers ``["overflowing_tokens"]`` (after ``stride`` tokens that were kept) and ``["num_truncated_tokens"]``.
        They are among its keys only if they are asked for (``return_special_tokens_mask=True``, …), so that
        ``model(**encoding)`` works.

        Raises ValueError as a call does, and for an input that is too long with ``'do_not_truncate'``.
        """
        request = Request.of_2019(
            self,
            add_special_tokens=add_special_tokens,
            max_length=max_length,
            stride=stride,
            truncation_strategy=truncation_strategy,
            return_tensors=return_tensors,
            **kwargs,
        )
        return encoded(self, [(text, text_pair)], request, batched=False)

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
        split = bool(kwargs.get("is_split_into_words", False))
        pairs, _ = as_pairs(as_batch(batch_text_or_text_pairs), None, split, batched=True)
        request = Request.of_2019(
            self,
            add_special_tokens=add_special_tokens,
            max_length=max_length,
            stride=stride,
            truncation_strategy=truncation_strategy,
            return_tensors=return_tensors,
            **kwargs,
        )
        return encoded(self, pairs, request, batched=True)

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
        usual = text_pair is None and max_length is None and return_tensors is None and not kwargs
        if usual and isinstance(text, str) and not stride and truncation_strategy == "longest_first":
            ids = self._text_ids(text, kwargs)
            ids = self.build_inputs_with_special_tokens(ids) if add_special_tokens else ids
            if len(ids) > self.max_len:
                warn_of_length(self, len(ids))
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

    def truncate_sequences(
        self,
        ids: list[int],
        pair_ids: list[int] | None = None,
        num_tokens_to_remove: int = 0,
        truncation_strategy: str = "longest_first",
        stride: int = 0,
    ) -> tuple[list[int], list[int] | None, list[int]]:
        """Removes tokens from one sequence or a pair.

        Returns the two sequences and what was removed, with ``stride`` kept tokens next to it. If both sequences were
        shortened, the third list is of the first sequence. Raises ValueError as ``kept_lengths`` does.
        """
        size, pair_size = len(ids), None if pair_ids is None else len(pair_ids)
        start, end, pair_start, pair_end = kept_part(
            size, pair_size, num_tokens_to_remove, truncation_strategy, self.truncation_side
        )
        removed = overflow(ids, pair_ids, num_tokens_to_remove, truncation_strategy, stride, self.truncation_side)
        return ids[start:end], None if pair_ids is None else pair_ids[pair_start:pair_end], removed

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

        A missing ``attention_mask`` is made if the model takes one. Columns that are not of tokens, such as labels,
        keep their values and types: whole numbers, floats, booleans, texts, or (lists of) arrays and tensors.

        Raises ValueError if ``input_ids`` is missing, if rows have different keys, if there is no ``pad_token`` to pad
        with, or if a column makes no tensor.
        """
        return padded(
            self,
            encoded_inputs,
            padding,
            max_length,
            pad_to_multiple_of,
            padding_side,
            return_attention_mask,
            return_tensors,
        )

    # Decoding -------------------------------------------------------------------------------------------------------

    def decode(
        self,
        token_ids: int | Iterable[int],
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
    ) -> str:
        """Text of ids (a list or a tensor of one dimension, or a single number).

        ``clean_up_tokenization_spaces`` removes the spaces before punctuation and English contractions. None takes the
        tokenizer's own setting. Raises ValueError for an id that no token has.
        """
        ids = as_plain(token_ids)
        tokens = self.convert_ids_to_tokens(
            [ids] if isinstance(ids, int) else ids, skip_special_tokens=skip_special_tokens
        )
        alone = self._tokens_alone()
        parts: list[str] = []
        run: list[str] = []
        for token in tokens:
            if token in alone:
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
        return [self.decode(row, skip_special_tokens, clean_up_tokenization_spaces) for row in as_list(sequences)]

    @staticmethod
    def clean_up_tokenization(text: str) -> str:
        """Removes the spaces before punctuation and English contractions."""
        for spaced in (" .", " ?", " !", " ,"):
            text = text.replace(spaced, spaced[1:])
        text = text.replace(" ' ", "'")
        for spaced in (" n't", " 'm", " 's", " 've", " 're"):
            text = text.replace(spaced, spaced[1:])
        return text

    # Pickling -------------------------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in self._remembered}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()
