"""Transformer-XL's task (Dai et al. 2019, arXiv:1901.02860): the next word, with a memory of the segments before."""

from __future__ import annotations

import argparse
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from text import Corpus, Document
from torch import Tensor

from tx_gpt2 import GPT2LMHeadModel, GPT2Tokenizer
from tx_transfo_xl import TransfoXLConfig, TransfoXLLMHeadModel, TransfoXLTokenizer

# As in WikiText-103, rarer words are unknown.
RAREST_WORD = 3
LENGTH = 64  # words of a segment
MEMORY = 128  # words that each word sees, itself among them
# The most frequent words, those after them, and the rest: the vectors of each group have a quarter of the last one's
# numbers.
CUTOFFS = (2000, 5000)
# The vectors of words begin as this model's, which was trained on the same text. After 120 steps of a trial the dev
# perplexity is 206 with them, and with new ones 303.
TEACHER = "tx-tiny/gpt2"
SPREAD = 0.05  # standard deviation of their numbers

DEFAULTS = {
    "steps": 2000,
    "batch": 16,
    "rate": 2e-3,
    "warmup": 100,
    "dropout": 0.25,
    "weight_decay": 0.05,
    "initializer_range": 0.02,
    "every": 200,
}

Ints = np.ndarray[Any, np.dtype[np.int64]]


def prepare(corpus: Corpus, settings: argparse.Namespace, folder: Path) -> Task:
    """Take the words of the training part and write the tokenizer into `folder`."""
    words = TransfoXLTokenizer(special=["<eos>", "<unk>"], min_freq=RAREST_WORD)
    words.count_sents(words.tokenize(paragraph) for document in corpus.train for paragraph in document)
    words.build_vocab()
    words.save_pretrained(folder)
    return Task(corpus, settings, TransfoXLTokenizer.from_pretrained(folder))


class Task:
    """Next words of a corpus, a paragraph a line, as WikiText has them: <eos> comes after each."""

    def __init__(self, corpus: Corpus, settings: argparse.Namespace, tokenizer: TransfoXLTokenizer) -> None:
        self.tokenizer = tokenizer
        self.settings = settings
        #: What one step leaves for the next: how many there were, and the memory (layers, M, B, H).
        self.carried: dict[str, Tensor] = {"steps": torch.tensor(0)}
        documents = {"train": corpus.train, "dev": corpus.dev, "test": corpus.test}
        self.documents = {part: [self.ids(document) for document in found] for part, found in documents.items()}
        self.stretches = {part: sum(len(p.split()) for d in documents[part] for p in d) for part in documents}
        every = {part: np.concatenate(found) for part, found in self.documents.items()}
        self.description = {
            "vocabulary": tokenizer.vocab_size,
            "tokens": {part: len(ids) for part, ids in every.items()},
            "unknown": {part: round(float((ids == tokenizer.unk_token_id).mean()), 4) for part, ids in every.items()},
            "words": self.stretches,
            "parameters": self.model().num_parameters(),
        }

    def ids(self, document: Document) -> Ints:
        ids = [index for paragraph in document for index in self.tokenizer.encode(paragraph, add_eos=True)]
        return np.array(ids, dtype=np.int64)

    def model(self) -> TransfoXLLMHeadModel:
        """A model whose words begin as the teacher's."""
        model = TransfoXLLMHeadModel(
            TransfoXLConfig(
                vocab_size=self.tokenizer.vocab_size,
                cutoffs=[cutoff for cutoff in CUTOFFS if cutoff < self.tokenizer.vocab_size],
                d_model=160,
                d_embed=160,
                n_head=5,
                d_head=32,
                d_inner=640,
                div_val=4,
                n_layer=3,
                tgt_len=LENGTH,
                mem_len=MEMORY,
                clamp_len=-1,
                same_length=True,
                dropout=self.settings.dropout,
                dropatt=self.settings.dropout,
                init_std=self.settings.initializer_range,
                proj_init_std=self.settings.initializer_range,
                eos_token_id=self.tokenizer.eos_token_id,
            )
        )
        begin(model, self.vectors())
        return model

    def vectors(self) -> Tensor:
        """A vector of each word: the mean of those of the teacher's pieces, less the mean of all; 0 for <unk>."""
        table = GPT2LMHeadModel.from_pretrained(TEACHER).transformer.wte.weight.detach()
        pieces = GPT2Tokenizer.from_pretrained(TEACHER)
        texts = {"<eos>": "\n", "@-@": "-", "@,@": ",", "@.@": "."}
        found = []
        for word in self.tokenizer.idx2sym:
            text = texts.get(word, f" {word}" if word[0].isalnum() else word)
            found.append(table[pieces.encode(text)].mean(0))
        vectors = torch.stack(found)
        vectors = SPREAD * (vectors - vectors.mean(0)) / vectors.std()
        vectors[self.tokenizer.unk_token_id] = 0
        return vectors

    def batch(self, generator: np.random.Generator) -> dict[str, Tensor]:
        """The next segment of each row. All rows together are the documents, in another order each time."""
        rows = self.settings.batch
        length = sum(map(len, self.documents["train"])) // rows
        segments = (length - 1) // LENGTH
        round_, segment = divmod(int(self.carried["steps"]), segments)
        if segment == 0:
            self.carried.pop("mems", None)
        order = np.random.default_rng([self.settings.seed, 1, round_]).permutation(len(self.documents["train"]))
        stream = np.concatenate([self.documents["train"][i] for i in order])[: rows * length].reshape(rows, length)
        ids = torch.from_numpy(stream[:, segment * LENGTH : (segment + 1) * LENGTH + 1])
        return {"input_ids": ids[:, :-1].contiguous(), "labels": ids[:, 1:].contiguous()}

    def loss(self, model: TransfoXLLMHeadModel, batch: dict[str, Tensor]) -> Tensor:
        mems = self.carried.get("mems")
        losses, _, mems = model(batch["input_ids"], None if mems is None else tuple(mems), labels=batch["labels"])[:3]
        self.carried = {"steps": self.carried["steps"] + 1, "mems": torch.stack(mems)}
        return losses.mean()

    @torch.no_grad()
    def evaluate(self, model: TransfoXLLMHeadModel, part: str) -> dict[str, float]:
        """Loss and perplexity of a word held out, unknown ones as <unk>; of the known ones; per stretch of the text.

        Each document is read by itself, from an empty memory on, after an <eos>. Since every word sees the same number
        of places, where segments end makes no difference.
        """
        found, wanted = [], []
        for document in self.documents[part]:
            ids = torch.from_numpy(np.concatenate([[self.tokenizer.eos_token_id], document])).to(model.device)[None]
            mems = None
            for start, end in pairwise([*range(0, ids.shape[1] - 1, LENGTH), ids.shape[1] - 1]):
                losses, _, mems = model(ids[:, start:end], mems, labels=ids[:, start + 1 : end + 1])[:3]
                found.append(losses[0].double().cpu())
            wanted.append(ids[0, 1:].cpu())
        losses, known = torch.cat(found), torch.cat(wanted) != self.tokenizer.unk_token_id
        return {
            "loss": round(losses.mean().item(), 4),
            "perplexity": round(math.exp(losses.mean().item()), 2),
            "known_perplexity": round(math.exp(losses[known].mean().item()), 2),
            "word_perplexity": round(math.exp(losses.sum().item() / self.stretches[part]), 1),
        }


@torch.no_grad()
def begin(model: TransfoXLLMHeadModel, vectors: Tensor) -> None:
    """Let a model's words begin with vectors (V, H), as far as the narrower ones of rare words can hold them."""
    words, softmax = model.transformer.word_emb, model.crit
    for number, (start, end) in enumerate(pairwise((0, *words.cutoffs))):
        table, projection = words.emb_layers[number].weight, words.emb_projs[number]
        if number == 0:
            left, right = vectors[start:end], torch.eye(len(projection))
            softmax.out_projs[0].copy_(right)
        else:
            left, sizes, right = torch.linalg.svd(vectors[start:end], full_matrices=False)
            width = min(table.shape[1], len(sizes))
            left, right = left[:, :width] * sizes[:width], right[:width].T
        larger = SPREAD / left.std()
        table[:, : left.shape[1]] = left * larger
        projection.zero_()[:, : right.shape[1]] = right / larger
