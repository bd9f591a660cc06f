"""Sentences of labelled words as a model for tokens takes them, and back to labels of words.

The first token of a word has its label; the others have -100, which losses ignore. A sentence that is too long is
divided between words, so that every word is labelled exactly once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tx_core.messages import quoted

from .tokenizing import tokenized

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from tx_tokenizers import PreTrainedTokenizer

    from .ner import TokenExample

IGNORED = -100
_CHUNK = 128  # sentences that a worker is given at once


@dataclass
class TokenFeatures:
    """A sentence, or a part of a long one, padded.

    Args:
        input_ids, attention_mask, token_type_ids: as a model takes them.
        label_ids: the number of the label of each word at its first token, else -100; None without labels.
        example_index: the number of the sentence.
        words: position of a first token -> the number of its word in the sentence.
    """

    input_ids: list[int]
    attention_mask: list[int]
    token_type_ids: list[int]
    label_ids: list[int] | None
    example_index: int
    words: dict[int, int]


def ner_convert_examples_to_features(
    examples: Sequence[TokenExample],
    tokenizer: PreTrainedTokenizer,
    max_length: int = 128,
    label_list: Sequence[str] | None = None,
    *,
    workers: int = 1,
    cache_dir: str | os.PathLike[str] | None = None,
) -> list[TokenFeatures]:
    """The features of sentences, padded as the tokenizer pads.

    Args:
        examples: sentences of words.
        tokenizer: any of tx that has a `pad_token`.
        max_length: tokens of a row, special tokens included. What is longer goes on in another row.
        label_list: the labels, in the order of the classes; None for sentences without labels.
        workers: processes that share the tokenizing.
        cache_dir: a folder where the tokens are kept, and found again by the words and the tokenizer.

    Raises:
        ValueError: a label that is not in `label_list`, with the `guid` of its sentence; a length that has no room for
            words; a tokenizer without `pad_token`.
    """
    if tokenizer.pad_token_id is None:
        raise ValueError(f"{type(tokenizer).__name__} has no pad_token to pad with: set tokenizer.pad_token")
    converter = _Converter(tokenizer, max_length, label_list)
    sentences = [example.words for example in examples]
    tokens = tokenized("words", tokenizer, converter.tokens, sentences, {}, workers, cache_dir, _CHUNK)
    features: list[TokenFeatures] = []
    for number, (example, (ids, counts)) in enumerate(zip(examples, tokens, strict=True)):
        features += converter.rows(number, example, ids, counts)
    return features


def ner_labels_of_words(
    preds: Any, features: Sequence[TokenFeatures], examples: Sequence[TokenExample], label_list: Sequence[str]
) -> list[list[str]]:
    """The label of each word of each sentence that a model predicts.

    Args:
        preds: the numbers of labels (rows, tokens), an array, tensor on the CPU or lists; of logits take the argmax.
        features: the rows.
        examples: the sentences.
        label_list: the labels, in the order of the classes.

    Raises:
        ValueError: `preds` has another shape.
    """
    import numpy as np

    numbers = np.asarray(preds)
    if numbers.ndim != 2 or len(numbers) != len(features):
        raise ValueError(f"predictions of the shape ({len(features)}, tokens) are wanted, not {numbers.shape}")
    labels = [["O"] * len(example.words) for example in examples]
    for row, feature in zip(numbers.tolist(), features, strict=True):
        for position, word in feature.words.items():
            labels[feature.example_index][word] = label_list[row[position]]
    return labels


class _Converter:
    """Makes the rows of sentences with one tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizer, max_length: int, labels: Sequence[str] | None) -> None:
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.numbers = None if labels is None else {label: number for number, label in enumerate(labels)}
        mask = tokenizer.get_special_tokens_mask([0])
        self.before = mask.index(0)
        self.room = max_length - len(mask) + 1
        if self.room < 1:
            raise ValueError(f"max_length={max_length} leaves no room for words beside {len(mask) - 1} special tokens")

    def tokens(self, sentences: Sequence[list[str]]) -> list[tuple[list[int], ...]]:
        """The ids of the words of each sentence, and how many each word has: one, that of the unknown token, if the
        tokenizer leaves nothing of it."""
        tokenizer = self.tokenizer
        unknown = tokenizer.pad_token_id if tokenizer.unk_token_id is None else tokenizer.unk_token_id
        found: list[tuple[list[int], ...]] = []
        for sentence in sentences:
            words: list[list[int]] = [[] for _ in sentence]
            if sentence:
                encoding = tokenizer(sentence, is_split_into_words=True, add_special_tokens=False, truncation=False)
                for token, word in zip(encoding["input_ids"], encoding.word_ids(), strict=True):
                    if word is not None:  # as it is for special tokens
                        words[word].append(token)
            words = [ids or [unknown or 0] for ids in words]
            found.append(([token for ids in words for token in ids], [len(ids) for ids in words]))
        return found

    def rows(self, index: int, example: TokenExample, ids: list[int], counts: list[int]) -> list[TokenFeatures]:
        """The rows of one sentence: words until there is no more room."""
        rows: list[TokenFeatures] = []
        row: list[int] = []
        starts: dict[int, int] = {}
        labels = self._labels(example)
        end = 0
        for number, count in enumerate(counts):
            start, end = end, end + count
            if row and len(row) + count > self.room:
                rows.append(self._row(index, row, starts, labels))
                row, starts = [], {}
            starts[len(row)] = number
            row += ids[start : min(end, start + self.room)]
        if starts:
            rows.append(self._row(index, row, starts, labels))
        return rows

    def _labels(self, example: TokenExample) -> list[int] | None:
        if self.numbers is None:
            return None
        if example.labels is None or len(example.labels) != len(example.words):
            count = "no" if example.labels is None else len(example.labels)
            raise ValueError(f"sentence {example.guid} has {len(example.words)} words and {count} labels")
        for label in example.labels:
            if label not in self.numbers:
                known = ", ".join(self.numbers)
                raise ValueError(f"sentence {example.guid}: the label {quoted(label)} is none of {known}")
        return [self.numbers[label] for label in example.labels]

    def _row(self, index: int, ids: list[int], starts: dict[int, int], labels: list[int] | None) -> TokenFeatures:
        tokenizer = self.tokenizer
        row = tokenizer.build_inputs_with_special_tokens(ids)
        types = tokenizer.create_token_type_ids_from_sequences(ids)
        padding = self.max_length - len(row)
        left = padding if tokenizer.padding_side == "left" else 0
        pad: int = tokenizer.pad_token_id or 0

        def padded(values: list[int], value: int) -> list[int]:
            return [value] * left + values + [value] * (padding - left)

        words = {left + self.before + place: word for place, word in starts.items()}
        label_ids = None
        if labels is not None:
            label_ids = [IGNORED] * self.max_length
            for position, word in words.items():
                label_ids[position] = labels[word]
        return TokenFeatures(
            input_ids=padded(row, pad),
            attention_mask=padded([1] * len(row), 0),
            token_type_ids=padded(types, tokenizer.pad_token_type_id),
            label_ids=label_ids,
            example_index=index,
            words=words,
        )
