"""Building rows: inputs are tokenized, cut to length, given their special tokens, and padded."""

from __future__ import annotations

from tx_core.messages import quoted

from .encoding import BatchEncoding
from .padding import checked_padding, pad_columns, warn
from .pretrained import UNLIMITED
from .truncation import TRUNCATION_STRATEGIES, check_strategy, kept_part, kept_windows, overflow
from .values import TOKEN_COLUMNS, as_plain, as_rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from .alignment import Encoding
    from .base import PreTrainedTokenizer, Span, Text

    Pair = tuple[Any, Any]

_COUNTS = ("overflowing_tokens", "num_truncated_tokens")
#: Columns that rows may have, in the order in which results list them.
_COLUMNS = (
    *("input_ids", "token_type_ids", "attention_mask", "special_tokens_mask", "offset_mapping", "length"),
    *_COUNTS,
)


# What a call was given ------------------------------------------------------------------------------------------------


def as_pairs(text: Any, text_pair: Any, split: bool, batched: bool = False) -> tuple[list[Pair], bool]:
    """What a call was given as (first, second or None) inputs, and whether it is a batch.

    A batch is a list, or a column of another library: an array, a Series, whatever has a length and places.

    Args:
        text, text_pair: as the call got them.
        split: inputs are lists of words.
        batched: ``text`` is a batch, and one of tokens or ids may be in it.

    Raises ValueError if it is neither an input nor a batch of them, or if a row has no value; the message has its
    number.
    """
    if isinstance(text, str) and text_pair is None and not batched:
        return [(text, None)], False
    text, text_pair = as_rows(text), as_rows(text_pair)
    if isinstance(text, str) and not batched:
        if text_pair is not None and not isinstance(text_pair, str):
            raise ValueError(f"text_pair must be a text as text is, not {quoted(text_pair)}")
        return [(text, text_pair)], False
    if not isinstance(text, list | tuple):
        raise ValueError(f"text must be a str or a list of them, not {quoted(text)} ({type(text).__name__})")
    if split and not batched and (not text or isinstance(text[0], str)):
        return [(text, text_pair)], False
    if text_pair is not None:
        if isinstance(text_pair, str) or len(text_pair) != len(text):
            found = quoted(text_pair) if isinstance(text_pair, str) else len(text_pair)
            raise ValueError(f"a batch of {len(text)} texts needs a list of as many second texts, not {found}")
        firsts = [_row(item, number, "text") for number, item in enumerate(text)]
        return list(zip(firsts, [_row(item, n, "text_pair") for n, item in enumerate(text_pair)], strict=True)), True
    pairs: list[Pair] = []
    for number, given in enumerate(text):
        if isinstance(given, str):
            pairs.append((given, None))
            continue
        item = _row(given, number, "text")
        if isinstance(item, list | tuple) and _is_pair(item, split):
            pairs.append((item[0], item[1]))
        elif isinstance(item, list | tuple) and (split or batched):
            pairs.append((item, None))
        else:
            raise ValueError(f"a batch holds texts or pairs of texts, not {quoted(item)} (row {number})")
    return pairs, True


def _row(item: Any, number: int, name: str) -> Any:
    """One row of a column; ValueError with its number if it has no value (None, NaN, pandas' NA and NaT)."""
    if isinstance(item, str):
        return item
    if item is None or (isinstance(item, float) and item != item) or type(item).__name__ in ("NAType", "NaTType"):
        raise ValueError(f"row {number} of {name} has no text but {quoted(item)}: drop the row, or fill it in")
    return as_rows(item)


def _is_pair(item: Sequence[Any], split: bool) -> bool:
    """Whether an item of a batch is two inputs; with ``split`` an input is itself a list."""
    kinds: Any = (list, tuple) if split else (str, list, tuple)
    return len(item) == 2 and all(isinstance(part, kinds) for part in item)


def _truncation(
    truncation: bool | str | None, padding: bool | str, max_length: int | None, longest: int
) -> tuple[str, int | None]:
    """The strategy of a call and the length to truncate to (None: rows stay as they are)."""
    if truncation is None:
        truncation = max_length is not None and padding in (False, "do_not_pad")
    if truncation is False or truncation == "do_not_truncate":
        return "do_not_truncate", None
    strategy = "longest_first" if truncation is True else truncation
    if strategy not in TRUNCATION_STRATEGIES:
        raise ValueError(
            f"truncation={quoted(truncation)} is not True, False or one of {', '.join(TRUNCATION_STRATEGIES)}"
        )
    if max_length is None:
        if longest >= UNLIMITED:
            warn("truncation without max_length= has no effect: the model's longest is not known")
            return strategy, None
        max_length = longest
    return strategy, max_length


# No dataclass: importing ``dataclasses`` takes longer than importing this package.
class Request:
    """What a call asks for, checked. Where its keywords leave a choice, the tokenizer's own settings decide.

    The arguments are the keywords of ``PreTrainedTokenizer.__call__``; ``options`` are those of ``tokenize``. Raises
    TypeError and ValueError as a call does.

    Attributes:
        add_special_tokens: whether special tokens are put around the sequences.
        strategy: how rows are truncated, one of ``TRUNCATION_STRATEGIES``.
        max_length: the longest row, special tokens included; None leaves rows as they are.
        stride: tokens that neighbouring windows share.
        overflow_rows: a sequence that is too long becomes several rows.
        split: inputs are lists of words.
        padding: "longest", "max_length" or "do_not_pad".
        pad_length, multiple, side: see ``pad_columns``.
        truncation_side: the side that truncation takes tokens from.
        tensors: "pt", "tf", "np" or None.
        wanted: names of the columns that become keys of the result.
        extra: names of the columns that the result answers without having them among its keys.
        options: keywords of ``tokenize``.
    """

    __slots__ = (
        *("add_special_tokens", "extra", "max_length", "multiple", "options", "overflow_rows", "pad_length"),
        *("padding", "side", "split", "strategy", "stride", "tensors", "truncation_side", "wanted"),
    )

    def __init__(
        self,
        tokenizer: PreTrainedTokenizer,
        /,
        *,
        add_special_tokens: bool,
        max_length: int | None,
        stride: int,
        return_tensors: str | None,
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
    ) -> None:
        tokenizer._check_options(options)
        self.options = options
        self.add_special_tokens = add_special_tokens
        self.strategy, self.max_length = _truncation(truncation, padding, max_length, tokenizer.max_len)
        self.stride = stride
        self.overflow_rows = return_overflowing_tokens
        self.split = is_split_into_words
        self.padding = checked_padding(padding)
        self.pad_length = max_length
        self.multiple = pad_to_multiple_of
        self.side = padding_side or tokenizer.padding_side
        self.truncation_side = tokenizer.truncation_side
        self.tensors = return_tensors
        self.extra: list[str] = []
        self.wanted = wanted = {"input_ids"}
        inputs = tokenizer.model_input_names
        for name, answer in (
            ("token_type_ids", return_token_type_ids),
            ("attention_mask", return_attention_mask),
            ("special_tokens_mask", return_special_tokens_mask),
            ("offset_mapping", return_offsets_mapping),
            ("length", return_length),
        ):
            if answer or (answer is None and name in inputs):
                wanted.add(name)

    @classmethod
    def of_2019(
        cls,
        tokenizer: PreTrainedTokenizer,
        /,
        *,
        add_special_tokens: bool,
        max_length: int | None,
        truncation_strategy: str,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        pad_to_max_length: bool = False,
        return_token_type_ids: bool | None = None,
        return_overflowing_tokens: bool = False,
        **keywords: Any,
    ) -> Request:
        """What ``encode_plus`` asks for: ``max_length`` alone truncates, and results answer more than their keys."""
        check_strategy(truncation_strategy)
        if pad_to_max_length and padding is False:
            padding = "max_length"
        request = cls(
            tokenizer,
            add_special_tokens=add_special_tokens,
            max_length=max_length,
            padding=padding,
            truncation=False if truncation is None else truncation,
            return_token_type_ids=return_token_type_ids,
            **keywords,
        )
        if truncation is None:
            request.strategy, request.max_length = truncation_strategy, max_length
            if max_length is None and padding == "max_length" and truncation_strategy != "do_not_truncate":
                request.max_length = tokenizer.max_len if tokenizer.max_len < UNLIMITED else None
        wanted = request.wanted
        if return_overflowing_tokens:
            wanted.update(_COUNTS)
        else:
            request.extra += _COUNTS
        if return_token_type_ids is None and "token_type_ids" not in wanted:
            request.extra.append("token_type_ids")
        if add_special_tokens and "special_tokens_mask" not in wanted:
            request.extra.append("special_tokens_mask")
        return request


# Rows -----------------------------------------------------------------------------------------------------------------


class Tokenized:
    """One tokenized input: ids and, where asked for, the span and the word each came from."""

    __slots__ = ("ids", "spans", "words")

    def __init__(
        self, ids: list[int], spans: list[Span] | None = None, words: Sequence[int | None] | None = None
    ) -> None:
        self.ids = ids
        self.spans = spans
        self.words = words

    def part(self, start: int, end: int | None) -> Tokenized:
        """The tokens from ``start`` to ``end``."""
        if not start and end == len(self.ids):
            return self
        part = Tokenized(self.ids[start:end])
        if self.spans is not None:
            part.spans = self.spans[start:end]
        if self.words is not None:
            part.words = self.words[start:end]
        return part


def tokenized(
    tokenizer: PreTrainedTokenizer, text: Text, options: Mapping[str, Any], split: bool, spans: bool, words: bool
) -> Tokenized:
    """One input tokenized. With ``split`` it is a list of words. Otherwise it is a text, or a list of tokens or ids.

    ``words`` asks for the words and spans of tokens. Tokens and ids have none.
    """
    if isinstance(text, str):
        if split:
            raise ValueError(f"is_split_into_words=True wants a list of words, not the text {quoted(text)}")
        if words:
            numbers: list[int] = []
            return Tokenized(*tokenizer._text_spans(text, options, numbers), numbers)
        if spans:
            return Tokenized(*tokenizer._text_spans(text, options))
        return Tokenized(tokenizer._text_ids(text, options))
    if split:
        return _tokenized_words(tokenizer, text, options, spans)
    if spans and not words:
        raise ValueError("return_offsets_mapping=True needs text: tokens and ids have no place in one")
    if hasattr(text, "__iter__") and not isinstance(text, bytes | bytearray):
        items = [as_plain(item) for item in as_plain(text)]
        if all(isinstance(item, str) for item in items):
            items = [tokenizer._known_id(item) for item in items]
        if all(isinstance(item, int) for item in items):
            return Tokenized(items, [(0, 0)] * len(items), [None] * len(items)) if words else Tokenized(items)
    raise ValueError(f"an input is a text, a list of tokens or a list of ids, not {quoted(text)}")


def _tokenized_words(
    tokenizer: PreTrainedTokenizer, text: Iterable[Any], options: Mapping[str, Any], spans: bool
) -> Tokenized:
    """A list of words tokenized, with the number of the word that each token is of."""
    ids: list[int] = []
    places: list[Span] | None = [] if spans else None
    words: list[int] = []
    for number, word in enumerate(text):
        if not isinstance(word, str):
            raise ValueError(f"is_split_into_words=True wants words (str), not {quoted(word)}")
        part = tokenized(tokenizer, word, tokenizer._word_options(number, options), False, spans, False)
        ids += part.ids
        if places is not None and part.spans is not None:
            places += part.spans
        words += [number] * len(part.ids)
    return Tokenized(ids, places, words)


class _Rows:
    """The rows of a call, as columns that grow row by row.

    ``sequence_ids`` and ``word_ids`` are what the result's methods of these names answer; None if they are not kept.
    With ``aligned`` they are kept, and all that an ``Encoding`` has.
    """

    __slots__ = ("aligned", "columns", "mask_wanted", "request", "sequence_ids", "tokenizer", "word_ids")

    def __init__(self, tokenizer: PreTrainedTokenizer, request: Request, aligned: bool = False) -> None:
        self.tokenizer = tokenizer
        self.request = request
        self.aligned = aligned
        wanted, extra = request.wanted, request.extra
        self.columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS if name in wanted or name in extra}
        if aligned:
            self.columns = {name: [] for name in (*TOKEN_COLUMNS, *_COUNTS)}
        kept = aligned or "offset_mapping" in wanted or request.overflow_rows or request.split
        self.sequence_ids: list[list[int | None]] | None = [] if kept else None
        self.word_ids: list[list[int | None]] | None = [] if aligned or request.split else None
        self.mask_wanted = kept or "special_tokens_mask" in self.columns

    def fill(self, pairs: Iterable[Pair]) -> None:
        """Adds the rows of each of the (first, second or None) inputs."""
        tokenizer, request, columns = self.tokenizer, self.request, self.columns
        options, split, max_length = request.options, request.split, request.max_length
        spans, words = "offset_mapping" in columns, self.aligned
        origin: list[int] = []
        longest = 0
        for number, (text, text_pair) in enumerate(pairs):
            first = tokenized(tokenizer, text, options, split, spans, words)
            second = None if text_pair is None else tokenized(tokenizer, text_pair, options, split, spans, words)
            total = len(first.ids) if second is None else len(first.ids) + len(second.ids)
            if request.add_special_tokens:
                total += tokenizer.num_added_tokens(second is not None)
            surplus = 0 if max_length is None else max(total - max_length, 0)
            longest = max(longest, total - surplus)
            if surplus:
                self._add_cut(first, second, surplus)
            else:
                self._add(first, second)
            if request.overflow_rows:
                origin += [number] * (len(columns["input_ids"]) - len(origin))
            if "overflowing_tokens" in columns:
                pair = None if second is None else second.ids
                columns["overflowing_tokens"].append(
                    overflow(first.ids, pair, surplus, request.strategy, request.stride, request.truncation_side)
                )
                columns["num_truncated_tokens"].append(surplus)
        unlimited = request.strategy == "do_not_truncate" and request.padding != "max_length"
        if unlimited and longest > tokenizer.max_len and not self.aligned:
            warn_of_length(tokenizer, longest)
        if request.overflow_rows:
            columns["overflow_to_sample_mapping"] = origin

    def _add_cut(self, first: Tokenized, second: Tokenized | None, surplus: int) -> None:
        """Adds the row, or the rows, of an input that has ``surplus`` tokens too many."""
        strategy = self.request.strategy
        size, pair_size = len(first.ids), None if second is None else len(second.ids)
        if self.request.overflow_rows:
            cuts = kept_windows(size, pair_size, surplus, strategy, self.request.stride)
        else:
            cuts = (kept_part(size, pair_size, surplus, strategy, self.request.truncation_side),)
        for start, end, pair_start, pair_end in cuts:
            self._add(first.part(start, end), None if second is None else second.part(pair_start, pair_end))

    def _add(self, first: Tokenized, second: Tokenized | None) -> None:
        """Adds one row."""
        tokenizer, columns = self.tokenizer, self.columns
        special = self.request.add_special_tokens
        row, pair = first.ids, None if second is None else second.ids
        ids = tokenizer.build_inputs_with_special_tokens(row, pair) if special else row + (pair or [])
        columns["input_ids"].append(ids)
        if "token_type_ids" in columns:
            if special:
                types = tokenizer.create_token_type_ids_from_sequences(row, pair)
            else:
                types = [0] * len(row) + [1] * len(pair or ())
            columns["token_type_ids"].append(types)
        if "attention_mask" in columns:
            columns["attention_mask"].append([1] * len(ids))
        if "length" in columns:
            columns["length"].append(len(ids))
        if self.mask_wanted:
            mask = tokenizer.get_special_tokens_mask(row, pair) if special else [0] * len(ids)
            if "special_tokens_mask" in columns:
                columns["special_tokens_mask"].append(mask)
            if self.sequence_ids is not None:
                self._add_origins(first, second, mask)

    def _add_origins(self, first: Tokenized, second: Tokenized | None, mask: list[int]) -> None:
        """Adds to each token of a row the sequence, the word and the span it is from; special tokens have none."""
        ids, spans, words = first.ids, first.spans or [], [*(first.words or ())]
        numbers = [0] * len(ids)
        if second is not None:
            numbers += [1] * len(second.ids)
            spans = spans + (second.spans or [])
            words += second.words or ()
        if self.sequence_ids is not None:
            self.sequence_ids.append(_spread(mask, numbers, None))
        if self.word_ids is not None:
            self.word_ids.append(_spread(mask, words, None))
        if "offset_mapping" in self.columns:
            self.columns["offset_mapping"].append(_spread(mask, spans, (0, 0)))

    def pad(self) -> None:
        """Pads all columns as the request asks."""
        request = self.request
        if request.padding != "do_not_pad":
            kept = {"_sequence_ids": self.sequence_ids, "_word_ids": self.word_ids}
            columns = {**self.columns, **{name: rows for name, rows in kept.items() if rows is not None}}
            pad_columns(self.tokenizer, columns, request.padding, request.pad_length, request.multiple, request.side)

    def result(self, batched: bool, alignment: Alignment) -> BatchEncoding:
        """The encoding; unless it is ``batched``, its one row without the axis of the batch."""
        columns, wanted = self.columns, self.request.wanted
        if not any(columns.get("num_truncated_tokens", ())):
            for name in _COUNTS:
                if name not in wanted:
                    columns.pop(name, None)
        shaped: dict[str, Any] = columns if batched else {name: column[0] for name, column in columns.items()}
        extras = {name: shaped.pop(name) for name in self.request.extra if name in shaped}
        encoding = BatchEncoding(shaped, extras, self.sequence_ids, self.word_ids, alignment)
        return encoding.convert_to_tensors(self.request.tensors, prepend_batch_axis=not batched)


def encoded(tokenizer: PreTrainedTokenizer, pairs: Sequence[Pair], request: Request, batched: bool) -> BatchEncoding:
    """The encoding of (first, second or None) inputs: a batch, or one row if it is not ``batched``."""
    if request.max_length is not None and request.max_length <= 0:
        raise ValueError(f"max_length={request.max_length} must be positive")
    if request.stride < 0:
        raise ValueError(f"stride={request.stride} must not be negative")
    rows = _Rows(tokenizer, request)
    rows.fill(pairs)
    rows.pad()
    return rows.result(batched, Alignment(tokenizer, pairs, request, rows.columns["input_ids"]))


class Alignment:
    """Where the tokens of an encoding are from. It is worked out when it is asked for: most encodings are not asked.

    Args:
        tokenizer, pairs, request: what the encoding was made of, by ``encoded``.
        ids: the rows that it has.
    """

    __slots__ = ("_ids", "_pairs", "_request", "_tokenizer")

    def __init__(
        self, tokenizer: PreTrainedTokenizer, pairs: Sequence[Pair], request: Request, ids: list[list[int]]
    ) -> None:
        self._tokenizer = tokenizer
        self._pairs = pairs
        self._request = request
        self._ids = ids

    @property
    def n_sequences(self) -> int | None:
        """How many texts a row is made of; None without rows."""
        return 2 - (self._pairs[0][1] is None) if self._pairs else None

    def encodings(self) -> list[Encoding]:
        """The rows with their alignment.

        Raises ValueError if the tokenizer does not give the same ids any more.
        """
        rows = _Rows(self._tokenizer, self._request, aligned=True)
        rows.fill(self._pairs)
        rows.pad()
        if rows.columns["input_ids"] != self._ids:
            raise ValueError(
                "the words and characters of this encoding are not known, since the tokenizer or the text has changed: "
                "encode the text again"
            )
        found = self._rows(rows)
        if self._request.overflow_rows:
            groups: dict[int, list[Encoding]] = {}
            for sample, row in zip(rows.columns["overflow_to_sample_mapping"], found, strict=True):
                groups.setdefault(sample, []).append(row)
            for first, *others in groups.values():
                first.overflowing = others
        else:
            for pair, row, cut in zip(self._pairs, found, rows.columns["num_truncated_tokens"], strict=True):
                if cut and self._request.truncation_side == "right":
                    row.overflowing = self._further_rows(pair)
        return found

    def _further_rows(self, pair: Pair) -> list[Encoding]:
        """The rows of what is cut off; none if it is cut from both texts of a pair."""
        from copy import copy

        request = copy(self._request)
        request.overflow_rows = True
        rows = _Rows(self._tokenizer, request, aligned=True)
        try:
            rows.fill([pair])
        except ValueError:
            return []
        return self._rows(rows)[1:]

    def _rows(self, rows: _Rows) -> list[Encoding]:
        from .alignment import Encoding

        texts = self.n_sequences or 1
        names = ("input_ids", "token_type_ids", "offset_mapping", "attention_mask", "special_tokens_mask")
        ids, types, spans, attention, masks = (rows.columns[name] for name in names)
        tokens = [[*map(self._tokenizer._token_or_empty, row)] for row in ids]
        words, sequences = rows.word_ids or [], rows.sequence_ids or []
        counts = [texts] * len(ids)
        return [*map(Encoding, ids, types, tokens, spans, attention, masks, words, sequences, counts)]


def _spread(mask: list[int], values: list[Any], special: Any) -> list[Any]:
    """``values`` at the places where ``mask`` is 0, ``special`` where it is 1."""
    remaining = iter(values)
    return [special if masked else next(remaining) for masked in mask]


def warn_of_length(tokenizer: PreTrainedTokenizer, length: int) -> None:
    warn("a sequence of %d tokens is longer than the model's longest (%d)", length, tokenizer.max_len)
