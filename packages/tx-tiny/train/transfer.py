"""RoBERTa's task (Liu et al. 2019, arXiv:1907.11692): words hidden anew each time, here with a BERT of another
vocabulary as the teacher.

The student begins with the teacher's layers, and with the embeddings of the teacher's pieces that have the letters of
its tokens. While it learns to find hidden words, its last states are drawn to the teacher's wherever a token of the one
is a token of the other.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from alignment import align
from masked import DRAWS, LENGTH, MASKED, Score
from text import Corpus, Document, sentences
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from tx_bert import BertForPreTraining, BertTokenizer
from tx_roberta import RobertaConfig, RobertaForMaskedLM, RobertaTokenizer
from tx_tiny import MODELS

TEACHER = "tx-tiny/bert"
FIRST = ["<s>", "<pad>", "</s>", "<unk>"]  # entries of the vocabulary before the pieces of words
# A special token, and the teacher's that it is like.
SPECIAL = {"<s>": "[CLS]", "<pad>": "[PAD]", "</s>": "[SEP]", "<unk>": "[UNK]", "<mask>": "[MASK]"}
OFFSET = len(FIRST)
COPIES = 5  # ways in which the text is cut into texts
STATES = 2.0  # weight of the states' loss, beside that of the hidden words

DEFAULTS = {
    "steps": 640,
    "batch": 32,
    "rate": 1e-3,
    "warmup": 50,
    "dropout": 0.0,
    "weight_decay": 0.05,
    "initializer_range": 0.02,
    "every": 160,
}

Ints = np.ndarray[Any, np.dtype[np.int64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass
class Texts:
    """Texts in both vocabularies, padded, and how they belong together; each (rows, LENGTH). See alignment.py."""

    ids: Ints
    teachers: Ints
    same: Ints  # by the student's places
    begin: Ints  # by the teacher's places
    end: Ints


def prepare(corpus: Corpus, settings: argparse.Namespace, folder: Path) -> Task:
    """Write a tokenizer with the merges of tx-tiny/gpt2 into `folder`, its vocabulary in the order of RoBERTa's."""
    pieces = json.loads((MODELS / "gpt2" / "vocab.json").read_text(encoding="utf-8"))
    entries = [*FIRST, *(piece for piece in pieces if piece != "<|endoftext|>"), "<mask>"]
    vocabulary = {entry: index for index, entry in enumerate(entries)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    shutil.copyfile(MODELS / "gpt2" / "merges.txt", folder / "merges.txt")
    RobertaTokenizer.from_pretrained(folder, max_len=LENGTH).save_pretrained(folder)
    # The text is longer than what the model reads at once: here the tokenizer has no limit to warn of.
    return Task(corpus, settings, RobertaTokenizer.from_pretrained(folder, max_len=sys.maxsize))


class Task:
    """Masked words of a corpus, and the states of a teacher that reads the same texts."""

    def __init__(self, corpus: Corpus, settings: argparse.Namespace, tokenizer: RobertaTokenizer) -> None:
        self.tokenizer = tokenizer
        self.settings = settings
        self.teacher = BertForPreTraining.from_pretrained(TEACHER).to(settings.device)
        self.teachers = BertTokenizer.from_pretrained(TEACHER, max_len=sys.maxsize)
        self.pieces = [self.pieces_of(token) for token in tokenizer.convert_ids_to_tokens(range(len(tokenizer)))]
        generator = np.random.default_rng([settings.seed, 1])
        found = [text for _ in range(COPIES) for text in self.texts(corpus.train, generator)]
        self.train = self.read(found)
        self.held_out = {
            part: self.read(list(self.texts(documents, generator)))
            for part, documents in (("dev", corpus.dev), ("test", corpus.test))
        }
        # Words of the student that are one piece of the teacher's too: those on which the two can be compared.
        self.spelling = torch.full((len(tokenizer),), -1)
        for index, token in enumerate(tokenizer.convert_ids_to_tokens(range(len(tokenizer)))):
            if token.startswith("Ġ") and len(self.pieces[index]) == 1:
                self.spelling[index] = self.pieces[index][0]
        held_out = {part: self.compare(None, part) for part in self.held_out}
        self.description = {
            "vocabulary": len(tokenizer),
            "texts": len(found),
            "tokens": {part: int((data.ids != tokenizer.pad_token_id).sum()) for part, data in self.held_out.items()},
            "same": round(float((self.train.same >= 0).sum() / (self.train.ids >= OFFSET).sum()), 4),
            "parameters": self.model().num_parameters(),
            "teacher": held_out,
        }

    def pieces_of(self, token: str) -> list[int]:
        """The teacher's pieces that a token of the student is written with; a token without a space goes on a word."""
        if token in SPECIAL:
            return [self.teachers.convert_tokens_to_ids(SPECIAL[token])]
        text = self.tokenizer.convert_tokens_to_string([token])
        pieces = self.teachers.tokenize(text)
        if pieces and not text.startswith(" ") and f"##{pieces[0]}" in self.teachers.vocab:
            pieces[0] = f"##{pieces[0]}"
        return self.teachers.convert_tokens_to_ids(pieces or [self.teachers.unk_token])

    def texts(self, documents: list[Document], generator: np.random.Generator) -> Iterator[str]:
        """Whole sentences of one document, as many as both models read at once; a sentence too long is one alone."""
        for document in documents:
            chunk: list[str] = []
            used, wanted = 0, 0
            for sentence in (s for paragraph in document for s in sentences(paragraph)):
                # Each tokenizer alone counts about what it does inside a text.
                needed = max(
                    len(self.tokenizer.encode(f" {sentence}", add_special_tokens=False)),
                    len(self.teachers.encode(sentence, add_special_tokens=False)),
                )
                if chunk and used + needed > wanted:
                    yield " ".join(chunk)
                    chunk, used = [], 0
                if not chunk:
                    # One in ten is shorter, since those that use the model come with short texts too.
                    wanted = LENGTH - 2 if generator.random() > 0.1 else int(generator.integers(8, LENGTH - 2))
                chunk.append(sentence)
                used += needed
            if chunk:
                yield " ".join(chunk)

    def read(self, texts: list[str]) -> Texts:
        """The texts in both vocabularies; what does not fit is cut off."""
        ids = np.full((len(texts), LENGTH), self.tokenizer.pad_token_id)
        teachers = np.full_like(ids, self.teachers.pad_token_id)
        same, begin, end = np.full_like(ids, -1), np.zeros_like(ids), np.zeros_like(ids)
        options = {"truncation": True, "max_length": LENGTH, "return_offsets_mapping": True}
        for row, text in enumerate(texts):
            ours, theirs = self.tokenizer(text, **options), self.teachers(text, **options)
            ids[row, : len(ours["input_ids"])] = ours["input_ids"]
            teachers[row, : len(theirs["input_ids"])] = theirs["input_ids"]
            found = align(ours["offset_mapping"], theirs["offset_mapping"])
            same[row, : len(found.same)] = found.same
            begin[row, : len(found.begin)], end[row, : len(found.end)] = found.begin, found.end
        return Texts(ids, teachers, same, begin, end)

    def model(self) -> RobertaForMaskedLM:
        """A student with the teacher's layers and, for each token, the mean of its pieces' embeddings."""
        taught = self.teacher.config
        model = RobertaForMaskedLM(
            RobertaConfig(
                vocab_size=len(self.tokenizer),
                hidden_size=taught.hidden_size,
                num_hidden_layers=taught.num_hidden_layers,
                num_attention_heads=taught.num_attention_heads,
                intermediate_size=taught.intermediate_size,
                # Positions are counted from the one after the padding's.
                max_position_embeddings=LENGTH + self.tokenizer.pad_token_id + 1,
                type_vocab_size=1,
                hidden_dropout_prob=self.settings.dropout,
                attention_probs_dropout_prob=self.settings.dropout,
                initializer_range=self.settings.initializer_range,
                layer_norm_eps=taught.layer_norm_eps,
            )
        )
        known = self.teacher.state_dict()
        words, bias = known["bert.embeddings.word_embeddings.weight"], known["cls.predictions.bias"]
        segments = known["bert.embeddings.token_type_embeddings.weight"]
        words = torch.stack([words[pieces].mean(0) for pieces in self.pieces])
        positions = known["bert.embeddings.position_embeddings.weight"]
        unused = torch.zeros(self.tokenizer.pad_token_id + 1, taught.hidden_size, device=positions.device)
        made = {
            "roberta.embeddings.word_embeddings.weight": words,
            "roberta.embeddings.position_embeddings.weight": torch.cat([unused, positions]),
            "roberta.embeddings.token_type_embeddings.weight": segments[:1],
            "lm_head.decoder.weight": words,
            "lm_head.bias": torch.stack([bias[pieces].mean() for pieces in self.pieces]),
        }
        made["lm_head.decoder.bias"] = made["lm_head.bias"]
        model.load_state_dict({name: made.get(name, known.get(teachers_name(name))) for name in model.state_dict()})
        return model

    def batch(self, generator: np.random.Generator) -> dict[str, Tensor]:
        """Some texts. Of the words to predict 80% become <mask>, 10% another one, 10% stay; the teacher does not see
        the first nor the second."""
        data = self.train
        rows = generator.integers(len(data.ids), size=self.settings.batch)
        hidden, labels = self.hide(data.ids[rows], generator)
        changed = hidden != data.ids[rows]
        arrays = {
            "input_ids": hidden,
            "labels": labels,
            "teachers": self.hide_from_teacher(data, rows, changed),
            "same": data.same[rows],
        }
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def hide(self, ids: Ints, generator: np.random.Generator) -> tuple[Ints, Ints]:
        """Ids with some words hidden, and the labels: the words that were chosen, -100 elsewhere."""
        chance = generator.random(ids.shape)
        chosen = (generator.random(ids.shape) < MASKED) & (ids >= OFFSET)
        hidden = np.where(chosen & (chance < 0.8), self.tokenizer.mask_token_id, ids)
        other = generator.integers(OFFSET, self.tokenizer.mask_token_id, size=ids.shape)
        return np.where(chosen & (chance >= 0.9), other, hidden), np.where(chosen, ids, -100)

    def hide_from_teacher(self, data: Texts, rows: Ints, hidden: Bools) -> Ints:
        """The teacher's ids of some rows, with [MASK] for all that shares a character with what is hidden."""
        before = np.concatenate([np.zeros((len(rows), 1), dtype=np.int64), hidden.cumsum(1)], axis=1)
        touched = np.take_along_axis(before, data.end[rows], 1) > np.take_along_axis(before, data.begin[rows], 1)
        return np.where(touched, self.teachers.mask_token_id, data.teachers[rows])

    def loss(self, model: RobertaForMaskedLM, batch: dict[str, Tensor]) -> Tensor:
        ids, labels, teachers, same = batch["input_ids"], batch["labels"], batch["teachers"], batch["same"]
        with torch.no_grad():
            states = self.teacher.bert(teachers, (teachers != self.teachers.pad_token_id).long())[0]  # (B, S, H)
        found = model.roberta(ids, (ids != self.tokenizer.pad_token_id).long())[0]
        chosen, shared = labels != -100, same >= 0
        row = torch.arange(len(ids), device=ids.device)[:, None].expand_as(ids)
        wanted = states[row[shared], same[shared]]
        words = cross_entropy(model.logits((found[chosen],), None), labels[chosen])
        return words + STATES * mse_loss(found[shared], wanted)

    @torch.no_grad()
    def evaluate(self, model: RobertaForMaskedLM, part: str) -> dict[str, float]:
        """Loss and perplexity of a hidden token, and how many are found, held out; and `compare`'s."""
        data = self.held_out[part]
        generator = np.random.default_rng(0)  # always the same words are hidden
        score = Score()
        for _ in range(DRAWS):
            for rows in batches(len(data.ids)):
                ids, labels = (torch.from_numpy(x).to(model.device) for x in self.hide(data.ids[rows], generator))
                logits = model(ids, (ids != self.tokenizer.pad_token_id).long()).logits
                chosen = labels != -100
                score.add(logits[chosen], labels[chosen])
        return {**score.result(), **self.compare(model, part)}

    @torch.no_grad()
    def compare(self, model: RobertaForMaskedLM | None, part: str) -> dict[str, float]:
        """Perplexity of hidden words that both vocabularies have, and how many are found, by the student.

        Without a model it is the teacher that is asked, for the same words. Its vocabulary has no capital letters: all
        spellings of the student's count together.
        """
        data = self.held_out[part]
        generator = np.random.default_rng(0)
        score = Score()
        spelling = self.spelling.to(self.teacher.device)
        known = spelling >= 0
        for _ in range(DRAWS):
            for rows in batches(len(data.ids)):
                ids, same = data.ids[rows], data.same[rows]
                word = (same >= 0) & (self.spelling.numpy()[ids] >= 0)
                hidden = word & (generator.random(ids.shape) < MASKED)
                labels = torch.from_numpy(self.spelling.numpy()[ids[hidden]]).to(self.teacher.device)
                if model is None:
                    read = torch.from_numpy(self.hide_from_teacher(data, rows, hidden)).to(self.teacher.device)
                    states = self.teacher.bert(read, (read != self.teachers.pad_token_id).long())[0]
                    row = torch.from_numpy(np.nonzero(hidden)[0])
                    scores = self.teacher.cls.predictions(states[row, torch.from_numpy(same[hidden])])
                else:
                    read = torch.from_numpy(np.where(hidden, self.tokenizer.mask_token_id, ids)).to(model.device)
                    states = model.roberta(read, (read != self.tokenizer.pad_token_id).long())[0]
                    found = model.logits((states[torch.from_numpy(hidden).to(model.device)],), None)
                    chances = found.softmax(-1)[:, known]
                    scores = torch.zeros(len(found), self.teacher.config.vocab_size, device=found.device)
                    scores = scores.index_add(1, spelling[known], chances).clamp_min(1e-30).log()
                score.add(scores, labels)
        result = score.result()
        return {"word_perplexity": result["perplexity"], "word_accuracy": result["accuracy"]}


def batches(count: int) -> list[Ints]:
    """The numbers of all rows, 64 or fewer at a time."""
    return np.array_split(np.arange(count), math.ceil(count / 64))


def teachers_name(name: str) -> str:
    """The teacher's name of a parameter of the student."""
    name = name.replace("roberta.", "bert.").replace("lm_head.", "cls.predictions.transform.")
    return name.replace("transform.layer_norm", "transform.LayerNorm")
