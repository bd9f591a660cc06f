"""Windows over the contexts of SQuAD, as a model takes them.

A context that is too long is read in windows that overlap, each after the question (before it, for tokenizers that pad
on the left, as XLNet's). A token may lie in several windows; the one that has most context on both sides of it counts.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from tx_core.messages import quoted

from .tokenizing import tokenized

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from tx_tokenizers import PreTrainedTokenizer

    from .squad import SquadExample

logger = logging.getLogger(__name__)

FIRST_UNIQUE_ID = 1_000_000_000
_CHUNK = 64  # texts that a worker is given at once


@dataclass
class SquadFeatures:
    """One window. Positions are places in `input_ids`.

    Args:
        input_ids, attention_mask, token_type_ids: as a model takes them, padded.
        cls_index: the position of the token that stands for the whole, which is the answer where there is none.
        p_mask: 1 for positions that cannot be in an answer.
        example_index: the number of the example in the list that was given.
        unique_id: the window's own number, from 1,000,000,000 on; what `SquadResult`s are told by.
        paragraph_len: how many tokens of the context the window has.
        token_is_max_context: position -> whether no other window has more context around this token of the context.
        tokens: the tokens at the positions, without padding at the end.
        token_to_orig_map: position -> the number of the word of the context (`SquadExample.doc_tokens`).
        start_position, end_position: those of the answer, for training; `cls_index` if the window does not hold it.
        is_impossible: whether the window does not hold an answer.
        qas_id: that of the example.
    """

    input_ids: list[int]
    attention_mask: list[int]
    token_type_ids: list[int]
    cls_index: int
    p_mask: list[int]
    example_index: int
    unique_id: int
    paragraph_len: int
    token_is_max_context: dict[int, bool] = field(repr=False)
    tokens: list[str] = field(repr=False)
    token_to_orig_map: dict[int, int] = field(repr=False)
    start_position: int
    end_position: int
    is_impossible: bool
    qas_id: str | None = None


@dataclass(frozen=True)
class _Options:
    max_seq_length: int
    doc_stride: int
    max_query_length: int
    is_training: bool
    padding: bool


def squad_convert_examples_to_features(
    examples: Sequence[SquadExample],
    tokenizer: PreTrainedTokenizer,
    max_seq_length: int,
    doc_stride: int,
    max_query_length: int,
    is_training: bool,
    padding_strategy: str = "max_length",
    return_dataset: bool | str = False,
    threads: int = 1,
    *,
    cache_dir: str | os.PathLike[str] | None = None,
) -> Any:
    """The windows of examples, in order.

    Args:
        examples: as the processors read them.
        tokenizer: any of tx that has a `cls_token`.
        max_seq_length: tokens of a window, special tokens and question included.
        doc_stride: how many tokens further than its predecessor a window of a context begins.
        max_query_length: tokens of a question; the rest is cut off.
        is_training: look for the answer. An example whose answer is not where it should be is left out and logged.
        padding_strategy: "max_length", or "do_not_pad".
        return_dataset: "pt" for a `TensorDataset` as well, "tf" for a `tf.data.Dataset` instead.
        threads: processes that share the tokenizing.
        cache_dir: a folder where the tokens are kept, and found again by the texts and the tokenizer.

    Returns:
        A list of `SquadFeatures`; with "pt" a pair of it and the `TensorDataset` of 2019; with "tf" a `tf.data.Dataset`
        of (inputs, positions), each a dictionary.

    Raises:
        ValueError: lengths that leave no room for the context, a tokenizer without `cls_token`, an unknown option.
    """
    if padding_strategy not in ("max_length", "do_not_pad"):
        raise ValueError(f"padding_strategy={quoted(padding_strategy)} is not max_length or do_not_pad")
    if return_dataset not in (False, None, "pt", "tf"):
        raise ValueError(f"return_dataset={quoted(return_dataset)} is not False, 'pt' or 'tf'")
    if return_dataset and padding_strategy != "max_length":
        raise ValueError("a dataset needs windows of one length: padding_strategy='max_length'")
    if doc_stride <= 0 or max_query_length <= 0:
        raise ValueError(f"doc_stride={doc_stride} and max_query_length={max_query_length} must be positive")
    if tokenizer.cls_token_id is None:
        raise ValueError(f"{type(tokenizer).__name__} has no cls_token, which stands for a question without an answer")
    options = _Options(max_seq_length, doc_stride, max_query_length, is_training, padding_strategy == "max_length")
    converter = _Converter(tokenizer, options, examples, threads, cache_dir)
    features = [window for number, example in enumerate(examples) for window in converter.windows(number, example)]
    for number, window in enumerate(features):
        window.unique_id = FIRST_UNIQUE_ID + number
    if return_dataset == "pt":
        from .squad_torch import dataset_of as torch_dataset

        return features, torch_dataset(features, is_training)
    if return_dataset == "tf":
        from .squad_tf import dataset_of as tf_dataset

        return tf_dataset(features, "token_type_ids" in tokenizer.dataset_input_names)
    return features


class _Context:
    """A tokenized context: its tokens, their ids, the word of each token, and the first token of each word."""

    def __init__(self, tokenizer: PreTrainedTokenizer, ids: list[int], counts: list[int]) -> None:
        self.ids = ids
        self.tokens = tokenizer.convert_ids_to_tokens(ids)
        self.words = [word for word, count in enumerate(counts) for _ in range(count)]
        self.starts = [0, *accumulate(counts)]


class _Converter:
    """Makes the windows of examples. Their texts are tokenized at once, contexts that several have only once."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizer,
        options: _Options,
        examples: Sequence[SquadExample],
        workers: int,
        cache_dir: str | os.PathLike[str] | None,
    ) -> None:
        self.tokenizer = tokenizer
        self.options = options
        self._cls_token_id: Any = tokenizer.cls_token_id
        self.context_first = tokenizer.padding_side == "left"
        mask = tokenizer.get_special_tokens_mask([0], [0])
        first, second = (place for place, special in enumerate(mask) if not special)
        #: Special tokens before the first text, between the two, and in all.
        self.before, self.between, self.added = first, second - first - 1, sum(mask)

        # A word in the middle of a text, to tokenizers that tell it from one at the beginning.
        has_prefix = "add_prefix_space" in tokenizer.tokenize_options
        inner: dict[str, Any] = {"add_prefix_space": True} if has_prefix else {}

        def words(contexts: Sequence[list[str]]) -> list[tuple[list[int], ...]]:
            found: list[tuple[list[int], ...]] = []
            for context in contexts:
                parts = [tokenizer.tokenize(word, **inner) for word in context]
                ids = tokenizer.convert_tokens_to_ids([token for part in parts for token in part])
                found.append((ids, [len(part) for part in parts]))
            return found

        def texts(texts: Sequence[tuple[str, bool]]) -> list[tuple[list[int], ...]]:
            tokens = (tokenizer.tokenize(text, **(inner if is_inner else {})) for text, is_inner in texts)
            return [(tokenizer.convert_tokens_to_ids(each),) for each in tokens]

        contexts = {example.context_text: example.doc_tokens for example in examples}
        # Questions, and the answers to look for.
        others = dict.fromkeys((example.question_text, False) for example in examples)
        if options.is_training:
            others.update(dict.fromkeys((example.answer_text or "", True) for example in examples))
        found = tokenized("squad-contexts", tokenizer, words, [*contexts.values()], {}, workers, cache_dir, _CHUNK)
        self._contexts = dict(zip(contexts, found, strict=True))
        self._current: tuple[str, _Context] | None = None  # contexts come several times in a row
        found = tokenized("squad-texts", tokenizer, texts, [*others], {}, workers, cache_dir, _CHUNK)
        self._texts = {key: ids for key, (ids,) in zip(others, found, strict=True)}

    def _context(self, text: str) -> _Context:
        if self._current is None or self._current[0] != text:
            ids, counts = self._contexts[text]
            self._current = text, _Context(self.tokenizer, ids, counts)
        return self._current[1]

    def windows(self, index: int, example: SquadExample) -> list[SquadFeatures]:
        """The windows of the example of this number."""
        options = self.options
        trained = options.is_training and not example.is_impossible
        if trained and not example.answer_is_in_context:
            logger.warning("question %s is left out: %s is not in its context", example.qas_id, example.answer_text)
            return []
        context = self._context(example.context_text)
        size = len(context.ids)
        question = self._texts[example.question_text, False][: options.max_query_length]
        room = options.max_seq_length - len(question) - self.added
        if room <= 0:
            raise ValueError(
                f"max_seq_length={options.max_seq_length} leaves no room for the context beside the {len(question)} "
                f"tokens of question {quoted(example.qas_id)} and {self.added} special tokens; take a larger one, or a "
                "smaller max_query_length"
            )
        answer = self._answer(example, context) if trained else None
        spans = []  # the first token of each window, and the first after it
        for start in range(0, size, min(options.doc_stride, room)):
            spans.append((start, min(start + room, size)))
            if start + room >= size:
                break
        best = _fullest(spans, size)
        return [
            self._window(index, example, question, span, [best[place] == number for place in range(*span)], answer)
            for number, span in enumerate(spans)
        ]

    def _answer(self, example: SquadExample, context: _Context) -> tuple[int, int]:
        """The first and last token of the answer: those of its words that read as the answer does, else all."""
        start, end = context.starts[example.start_position], context.starts[example.end_position + 1]
        wanted = self._texts[example.answer_text or "", True]
        size = len(wanted)
        for first in range(start, end - size + 1):
            if size and context.ids[first : first + size] == wanted:
                return first, first + size - 1
        return start, end - 1

    def _window(
        self,
        index: int,
        example: SquadExample,
        question: list[int],
        span: tuple[int, int],
        is_best: list[bool],
        answer: tuple[int, int] | None,
    ) -> SquadFeatures:
        tokenizer = self.tokenizer
        context = self._context(example.context_text)
        start, end = span
        part, size = context.ids[start:end], end - start
        texts = (part, question) if self.context_first else (question, part)
        row = tokenizer.build_inputs_with_special_tokens(*texts)
        types = tokenizer.create_token_type_ids_from_sequences(*texts)
        shift = self.before if self.context_first else self.before + len(question) + self.between
        head, tail = (tokenizer.convert_ids_to_tokens(each) for each in (row[:shift], row[shift + size :]))
        tokens = head + context.tokens[start:end] + tail
        cls_index = row.index(self._cls_token_id)
        mask = [1] * len(row)
        padding = self.options.max_seq_length - len(row) if self.options.padding else 0
        if padding:
            pad = tokenizer.pad_token_id
            if pad is None:
                raise ValueError(f"{type(tokenizer).__name__} has no pad_token to pad with: set tokenizer.pad_token")
            pads, kinds, zeros = [pad] * padding, [tokenizer.pad_token_type_id] * padding, [0] * padding
            if tokenizer.padding_side == "left":
                row, types, mask = pads + row, kinds + types, zeros + mask
                tokens = [tokenizer.pad_token or ""] * padding + tokens
                shift, cls_index = shift + padding, cls_index + padding
            else:
                row, types, mask = row + pads, types + kinds, mask + zeros
        p_mask = [1] * len(row)
        p_mask[shift : shift + size] = [0] * size
        p_mask[cls_index] = 0
        first = last = cls_index if self.options.is_training else 0
        impossible = example.is_impossible
        if answer is not None:
            impossible = not (start <= answer[0] and answer[1] < end)
            if not impossible:
                first, last = (place - start + shift for place in answer)
        return SquadFeatures(
            input_ids=row,
            attention_mask=mask,
            token_type_ids=types,
            cls_index=cls_index,
            p_mask=p_mask,
            example_index=index,
            unique_id=0,  # set by the caller
            paragraph_len=size,
            token_is_max_context={shift + place: is_best[place] for place in range(size)},
            tokens=tokens,
            token_to_orig_map={shift + place: context.words[start + place] for place in range(size)},
            start_position=first,
            end_position=last,
            is_impossible=impossible,
            qas_id=example.qas_id,
        )


def _fullest(spans: Sequence[tuple[int, int]], size: int) -> list[int]:
    """For each token the number of the window, a (first token, first after it), that has most context around it.

    Of windows that have as much on the side where they have less, a longer one counts a little more, then an earlier.
    """
    best = [0] * size
    if len(spans) < 2:
        return best
    scores = [-1.0] * size
    for number, (start, end) in enumerate(spans):
        for place in range(start, end):
            score = min(place - start, end - 1 - place) + 0.01 * (end - start)
            if score > scores[place]:
                scores[place] = score
                best[place] = number
    return best
