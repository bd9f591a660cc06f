"""GPT-2's task (Radford et al. 2019): the next token."""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from text import Corpus, Document
from torch import Tensor
from vocabulary import learn_merges

from tx_gpt2 import GPT2Config, GPT2LMHeadModel, GPT2Tokenizer
from tx_gpt2.tokenizer import bytes_to_unicode

END = "<|endoftext|>"
VOCABULARY = 3072
LENGTH = 256  # tokens of the longest sequence
# Words with the space before them, numbers and punctuation, as the tokenizer cuts a text before it joins bytes.
WORD = re.compile(r"'(?:s|t|re|ve|m|ll|d)| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")

DEFAULTS = {
    "steps": 3000,
    "batch": 32,
    "rate": 1e-3,
    "warmup": 200,
    "dropout": 0.2,
    "weight_decay": 0.1,
    "initializer_range": 0.02,
    "every": 100,
}

Ints = np.ndarray[Any, np.dtype[np.int64]]


def prepare(corpus: Corpus, settings: argparse.Namespace, folder: Path) -> Task:
    """Learn the vocabulary of the training part and write the tokenizer into `folder`."""
    alphabet = bytes_to_unicode()
    words = Counter(word for document in corpus.train for word in WORD.findall(joined(document)))
    pieces = {tuple(alphabet[byte] for byte in word.encode()): count for word, count in words.items()}
    merges = learn_merges(pieces, VOCABULARY - len(alphabet) - 1, str.__add__)
    entries = dict.fromkeys([*alphabet.values(), *("".join(pair) for pair in merges), END])
    vocabulary = {entry: index for index, entry in enumerate(entries)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    GPT2Tokenizer.from_pretrained(folder, max_len=LENGTH).save_pretrained(folder)
    # The text is longer than what the model reads at once: here the tokenizer has no limit to warn of.
    return Task(corpus, settings, GPT2Tokenizer.from_pretrained(folder, max_len=sys.maxsize))


def joined(document: Document) -> str:
    """A document as one text, a paragraph a line."""
    return "".join(f"{paragraph}\n" for paragraph in document)


class Task:
    """Next tokens of a corpus: one stream for each part, in which END comes before each document."""

    def __init__(self, corpus: Corpus, settings: argparse.Namespace, tokenizer: GPT2Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.settings = settings
        self.streams: dict[str, Ints] = {}
        self.words: dict[str, int] = {}
        self.bytes: dict[str, int] = {}
        for part, documents in (("train", corpus.train), ("dev", corpus.dev), ("test", corpus.test)):
            ids = [i for d in documents for i in (tokenizer.eos_token_id, *tokenizer.encode(joined(d)))]
            self.streams[part] = np.array(ids, dtype=np.int64)
            self.words[part] = sum(len(joined(document).split()) for document in documents)
            self.bytes[part] = sum(len(joined(document).encode()) for document in documents)
        self.description = {
            "vocabulary": tokenizer.vocab_size,
            "tokens": {part: len(stream) for part, stream in self.streams.items()},
            "words": self.words,
            "bytes": self.bytes,
            "parameters": self.model().num_parameters(),
        }

    def model(self) -> GPT2LMHeadModel:
        return GPT2LMHeadModel(
            GPT2Config(
                vocab_size=self.tokenizer.vocab_size,
                n_positions=LENGTH,
                n_ctx=LENGTH,
                n_embd=160,
                n_layer=4,
                n_head=5,
                resid_pdrop=self.settings.dropout,
                embd_pdrop=self.settings.dropout,
                attn_pdrop=self.settings.dropout,
                initializer_range=self.settings.initializer_range,
                bos_token_id=self.tokenizer.bos_token_id,
                eos_token_id=self.tokenizer.eos_token_id,
            )
        )

    def batch(self, generator: np.random.Generator) -> dict[str, Tensor]:
        stream = self.streams["train"]
        starts = generator.integers(len(stream) - LENGTH + 1, size=(self.settings.batch, 1))
        ids = torch.from_numpy(stream[starts + np.arange(LENGTH)])
        return {"input_ids": ids, "labels": ids}

    def loss(self, model: GPT2LMHeadModel, batch: dict[str, Tensor]) -> Tensor:
        return model(**batch)[0]

    @torch.no_grad()
    def evaluate(self, model: GPT2LMHeadModel, part: str) -> dict[str, float]:
        """Loss of a token held out, and perplexities: per token, per word (between white space) and bits per byte.

        The part is read in windows that overlap by half; of each but the first, the second half counts.
        """
        stream = self.streams[part]
        total, count, seen = 0.0, 0, 1
        for start in range(0, len(stream) - LENGTH // 2, LENGTH // 2):
            window = torch.from_numpy(stream[start : start + LENGTH])[None].to(model.device)  # (1, S)
            first = seen - start  # the first token of the window that no earlier window has predicted
            logits = model(window).logits[0, first - 1 : -1]
            total += torch.nn.functional.cross_entropy(logits, window[0, first:], reduction="sum").item()
            count += len(window[0]) - first
            seen = start + len(window[0])
        return {
            "loss": round(total / count, 4),
            "perplexity": round(math.exp(total / count), 2),
            "word_perplexity": round(math.exp(total / self.words[part]), 1),
            "bits_per_byte": round(total / self.bytes[part] / math.log(2), 4),
        }
