"""BERT's two tasks (Devlin et al. 2018, section 3.1): hidden words, and whether one text follows another."""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from text import Corpus, sentences
from torch import Tensor
from vocabulary import wordpiece

from tx_bert import BasicTokenizer, BertConfig, BertForPreTraining, BertTokenizer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = 3072
RAREST_LETTER = 10  # a letter that occurs less often is unknown
LENGTH = 128  # tokens of the longest sequence
COPIES = 10  # ways in which the text is cut into pairs
MASKED = 0.15
DRAWS = 4  # of hidden words, when the held-out text is measured

DEFAULTS = {
    "steps": 30000,
    "batch": 64,
    "rate": 1e-3,
    "warmup": 1000,
    "dropout": 0.1,
    "weight_decay": 0.05,
    "initializer_range": 0.02,
    "every": 1000,
}

Ints = np.ndarray[Any, np.dtype[np.int64]]
Pair = tuple[list[int], list[int], bool]  # a text, another one, whether that is a random one


@dataclass
class Score:
    """What a model makes of hidden words, added up over batches."""

    loss: float = 0.0
    count: int = 0
    found: int = 0

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Count some words: scores of the whole vocabulary (words, vocabulary), and which it was (words,)."""
        self.loss += torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item()
        self.count += len(labels)
        self.found += int((logits.argmax(-1) == labels).sum())

    def result(self) -> dict[str, float]:
        """Loss and perplexity of a word, and the share of words that were found."""
        loss = self.loss / self.count
        return {
            "loss": round(loss, 4),
            "perplexity": round(math.exp(loss), 2),
            "accuracy": round(self.found / self.count, 4),
        }


@dataclass
class Pairs:
    """Sequences [CLS] A [SEP] B [SEP], padded: ids and segments (rows, LENGTH); whether B is a random text (rows,)."""

    ids: Ints
    segments: Ints
    random: Ints


def prepare(corpus: Corpus, settings: argparse.Namespace, folder: Path) -> Task:
    """Learn the vocabulary of the training part and write the tokenizer into `folder`."""
    basic = BasicTokenizer(do_lower_case=True)
    words = Counter(word for document in corpus.train for text in document for word in basic.tokenize(text))
    vocabulary = wordpiece(words, VOCABULARY, SPECIAL, RAREST_LETTER)
    (folder / "vocab.txt").write_text("".join(f"{entry}\n" for entry in vocabulary), encoding="utf-8")
    BertTokenizer.from_pretrained(folder, do_lower_case=True, max_len=LENGTH).save_pretrained(folder)
    # The text is longer than what the model reads at once: here the tokenizer has no limit to warn of.
    return Task(corpus, settings, BertTokenizer.from_pretrained(folder, max_len=sys.maxsize))


class Task:
    """Masked words and next sentences over a corpus."""

    def __init__(self, corpus: Corpus, settings: argparse.Namespace, tokenizer: BertTokenizer) -> None:
        self.tokenizer = tokenizer
        self.settings = settings
        tokens = {
            part: [[tokenizer.encode(s, add_special_tokens=False) for text in document for s in sentences(text)]
                   for document in documents]
            for part, documents in (("train", corpus.train), ("dev", corpus.dev), ("test", corpus.test))
        }  # fmt: skip
        generator = np.random.default_rng([settings.seed, 1])
        self.train = pack([pair for _ in range(COPIES) for pair in pairs(tokens["train"], generator)], tokenizer)
        self.held_out = {part: pack(list(pairs(tokens[part], generator)), tokenizer) for part in ("dev", "test")}
        self.description = {
            "vocabulary": tokenizer.vocab_size,
            "tokens": {part: sum(len(s) for document in tokens[part] for s in document) for part in tokens},
            "parameters": self.model().num_parameters(),
        }

    def model(self) -> BertForPreTraining:
        return BertForPreTraining(
            BertConfig(
                vocab_size=self.tokenizer.vocab_size,
                hidden_size=160,
                num_hidden_layers=4,
                num_attention_heads=5,
                intermediate_size=640,
                max_position_embeddings=LENGTH,
                hidden_dropout_prob=self.settings.dropout,
                attention_probs_dropout_prob=self.settings.dropout,
                initializer_range=self.settings.initializer_range,
            )
        )

    def batch(self, generator: np.random.Generator) -> dict[str, Tensor]:
        rows = generator.integers(len(self.train.ids), size=self.settings.batch)
        return self.hide(self.train, rows, generator)

    def hide(self, data: Pairs, rows: Ints, generator: np.random.Generator) -> dict[str, Tensor]:
        """The model's arguments for some rows. Of the words to predict 80% become [MASK], 10% another one, 10% stay."""
        ids = data.ids[rows]
        chance = generator.random(ids.shape)
        chosen = (generator.random(ids.shape) < MASKED) & (ids >= len(SPECIAL))
        hidden = np.where(chosen & (chance < 0.8), SPECIAL.index("[MASK]"), ids)
        other = generator.integers(len(SPECIAL), self.tokenizer.vocab_size, size=ids.shape)
        hidden = np.where(chosen & (chance >= 0.9), other, hidden)
        arrays = {
            "input_ids": hidden,
            "attention_mask": (ids != self.tokenizer.pad_token_id).astype(np.int64),
            "token_type_ids": data.segments[rows],
            "masked_lm_labels": np.where(chosen, ids, -100),
            "next_sentence_label": data.random[rows],
        }
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def loss(self, model: BertForPreTraining, batch: dict[str, Tensor]) -> Tensor:
        return model(**batch)[0]

    def held_out_batches(self, part: str, device: torch.device) -> Iterator[dict[str, Tensor]]:
        """Rows of a part that was not trained on; always the same words are hidden."""
        data = self.held_out[part]
        generator = np.random.default_rng(0)
        for _ in range(DRAWS):
            for rows in np.array_split(np.arange(len(data.ids)), math.ceil(len(data.ids) / 64)):
                yield {name: x.to(device) for name, x in self.hide(data, rows, generator).items()}

    @torch.no_grad()
    def evaluate(self, model: BertForPreTraining, part: str) -> dict[str, float]:
        """Loss and perplexity of a hidden word, how many are found, and how many pairs are told apart, held out."""
        score, right = Score(), 0
        for batch in self.held_out_batches(part, model.device):
            labels, follows = batch.pop("masked_lm_labels"), batch.pop("next_sentence_label")
            words, relation = model(**batch)[:2]
            chosen = labels != -100
            score.add(words[chosen], labels[chosen])
            right += int((relation.argmax(-1) == follows).sum())
        return {
            **score.result(),
            "next_sentence_accuracy": round(right / (DRAWS * len(self.held_out[part].ids)), 4),
        }


def pairs(documents: list[list[list[int]]], generator: np.random.Generator) -> Iterator[Pair]:
    """Cut the documents, lists of sentences of token ids, into pairs of texts: half of the second ones go on from the
    first, half come from another document."""
    room = LENGTH - 3
    for number, document in enumerate(documents):
        position = 0
        while position < len(document):
            chunk: list[list[int]] = []
            # One in ten is shorter, since those that use the model come with short texts too.
            wanted = room if generator.random() > 0.1 else int(generator.integers(8, room))
            while position < len(document) and sum(map(len, chunk)) < wanted:
                chunk.append(document[position])
                position += 1
            cut = int(generator.integers(1, len(chunk))) if len(chunk) > 1 else 1
            first = [token for sentence in chunk[:cut] for token in sentence]
            random = len(chunk) == 1 or bool(generator.random() < 0.5)
            if random:
                position -= len(chunk) - cut  # what was not used comes next
                elsewhere = [other for index, other in enumerate(documents) if index != number]
                other = elsewhere[int(generator.integers(len(elsewhere)))]
                start = int(generator.integers(len(other)))
                second = [token for sentence in other[start : start + 10] for token in sentence]
                second = second[: max(1, wanted - len(first))]
            else:
                second = [token for sentence in chunk[cut:] for token in sentence]
            while len(first) + len(second) > room:
                (first if len(first) > len(second) else second).pop()
            if first and second:
                yield first, second, random


def pack(found: list[Pair], tokenizer: BertTokenizer) -> Pairs:
    """The pairs as arrays, with special tokens and padding."""
    ids = np.full((len(found), LENGTH), tokenizer.pad_token_id, dtype=np.int64)
    segments = np.zeros_like(ids)
    for row, (first, second, _) in enumerate(found):
        sequence = tokenizer.build_inputs_with_special_tokens(first, second)
        ids[row, : len(sequence)] = sequence
        segments[row, len(first) + 2 : len(sequence)] = 1
    return Pairs(ids, segments, np.array([random for _, _, random in found], dtype=np.int64))
