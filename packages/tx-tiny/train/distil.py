"""DistilBERT's task (Sanh et al. 2019, arXiv:1910.01108): half of BERT's layers, taught by what BERT predicts."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import masked
import torch
from text import Corpus
from torch import Tensor
from torch.nn.functional import cosine_similarity, cross_entropy, kl_div, log_softmax

from tx_bert import BertForPreTraining, BertTokenizer
from tx_distilbert import DistilBertConfig, DistilBertForMaskedLM, DistilBertTokenizer

TEACHER = "tx-tiny/bert"
# The teacher's layers with which the student begins: every second one. With (0, 2) it knows less at first, and after 40
# steps still has more than twice the perplexity.
LAYERS = (1, 3)
TEMPERATURE = 2.0
# Shares of the loss, as published: the teacher's predictions, the hidden words, the direction of the hidden states.
SOFT, HARD, DIRECTION = 5.0, 2.0, 1.0

DEFAULTS = {
    "steps": 400,
    "batch": 32,
    "rate": 1e-3,
    "warmup": 40,
    "dropout": 0.0,
    "weight_decay": 0.05,
    "initializer_range": 0.02,
    "every": 100,
}

# What the student's parameters are called in the teacher.
NAMES = {
    "distilbert.": "bert.",
    "transformer.": "encoder.",
    "attention.q_lin": "attention.self.query",
    "attention.k_lin": "attention.self.key",
    "attention.v_lin": "attention.self.value",
    "attention.out_lin": "attention.output.dense",
    "sa_layer_norm": "attention.output.LayerNorm",
    "ffn.lin1": "intermediate.dense",
    "ffn.lin2": "output.dense",
    "output_layer_norm": "output.LayerNorm",
    "vocab_transform": "cls.predictions.transform.dense",
    "vocab_layer_norm": "cls.predictions.transform.LayerNorm",
    "vocab_projector.weight": "bert.embeddings.word_embeddings.weight",
    "vocab_projector.bias": "cls.predictions.bias",
}


def prepare(corpus: Corpus, settings: argparse.Namespace, folder: Path) -> Task:
    """Write the teacher's vocabulary into `folder`."""
    DistilBertTokenizer.from_pretrained(TEACHER).save_pretrained(folder)
    # The text is longer than what the model reads at once: here the tokenizer has no limit to warn of.
    return Task(corpus, settings, BertTokenizer.from_pretrained(TEACHER, max_len=sys.maxsize))


class Task(masked.Task):
    """The teacher's own masked words, predicted as the teacher does."""

    def __init__(self, corpus: Corpus, settings: argparse.Namespace, tokenizer: BertTokenizer) -> None:
        self.teacher = BertForPreTraining.from_pretrained(TEACHER).to(settings.device)
        super().__init__(corpus, settings, tokenizer)
        ask = super().evaluate
        self.description["teacher"] = {part: ask(self.teacher, part) for part in ("dev", "test")}

    def model(self) -> DistilBertForMaskedLM:
        """A student that begins with some of the teacher's layers, and with its embeddings and head."""
        taught = self.teacher.config
        model = DistilBertForMaskedLM(
            DistilBertConfig(
                vocab_size=taught.vocab_size,
                dim=taught.hidden_size,
                n_layers=len(LAYERS),
                n_heads=taught.num_attention_heads,
                hidden_dim=taught.intermediate_size,
                max_position_embeddings=taught.max_position_embeddings,
                dropout=self.settings.dropout,
                attention_dropout=self.settings.dropout,
                initializer_range=self.settings.initializer_range,
            )
        )
        known = self.teacher.state_dict()
        weights = {name: known[teachers_name(name)] for name in model.state_dict()}
        # The student has no segments: every position is one of the first.
        segments = known["bert.embeddings.token_type_embeddings.weight"]
        weights["distilbert.embeddings.position_embeddings.weight"] = (
            known["bert.embeddings.position_embeddings.weight"] + segments[0]
        )
        model.load_state_dict(weights)
        return model

    def loss(self, model: DistilBertForMaskedLM, batch: dict[str, Tensor]) -> Tensor:
        ids, mask, labels = batch["input_ids"], batch["attention_mask"], batch["masked_lm_labels"]
        chosen = labels != -100
        with torch.no_grad():
            states = self.teacher.bert(ids, mask, batch["token_type_ids"])[0]  # (B, S, H)
            wanted = self.teacher.cls.predictions(states[chosen])  # (words, vocabulary)
        found = model.distilbert(ids, mask)[0]
        logits = model.logits((found[chosen],), None)
        soft = kl_div(
            log_softmax(logits / TEMPERATURE, -1),
            log_softmax(wanted / TEMPERATURE, -1),
            reduction="batchmean",
            log_target=True,
        )
        hard = cross_entropy(logits, labels[chosen])
        direction = 1 - cosine_similarity(found[mask == 1], states[mask == 1], dim=-1).mean()
        return SOFT * TEMPERATURE**2 * soft + HARD * hard + DIRECTION * direction

    @torch.no_grad()
    def evaluate(self, model: DistilBertForMaskedLM, part: str) -> dict[str, float]:
        """Loss and perplexity of a hidden word, and how many are found, held out: those that the teacher is asked."""
        score = masked.Score()
        for batch in self.held_out_batches(part, model.device):
            labels = batch["masked_lm_labels"]
            chosen = labels != -100
            score.add(model(batch["input_ids"], batch["attention_mask"]).logits[chosen], labels[chosen])
        return score.result()


def teachers_name(name: str) -> str:
    """The teacher's name of a parameter of the student."""
    for ours, theirs in NAMES.items():
        name = name.replace(ours, theirs)
    return re.sub(r"layer\.(\d+)", lambda match: f"layer.{LAYERS[int(match[1])]}", name)
