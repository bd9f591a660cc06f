"""XLNet's task (Yang et al. 2019, arXiv:1906.08237): some tokens of a text, in a random order, by two streams.

The model begins with what tx-tiny/bert has learnt: `begin` says how.
"""

from __future__ import annotations

import argparse
import math
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from masked import DRAWS, LENGTH, Score
from text import Corpus, Document, sentences
from torch import Tensor

from tx_bert import BertForPreTraining, BertTokenizer
from tx_core.models.relative_torch import relative_encodings
from tx_xlnet import XLNetConfig, XLNetLMHeadModel, XLNetTokenizer

TEACHER = "tx-tiny/bert"
VOCABULARY = 3072
# As in the published vocabulary: <unk>, <s> and </s> come first, then these, and pieces that no text is joined across.
CONTROL = ["<cls>", "<sep>", "<pad>", "<mask>", "<eod>"]
ALONE = ["<eop>", ".", "(", ")", '"', "-", "–", "£", "€"]
# Special tokens, and the teacher's that they are like.
SPECIAL = {"<unk>": "[UNK]", "<cls>": "[CLS]", "<pad>": "[PAD]", "<mask>": "[MASK]"}
END = "[SEP]"  # what the others are like
COPIES = 5  # ways in which the text is cut into texts
TEXTS = 32  # documents in which it is seen what distances are worth to the teacher
PREDICTED = 6  # one of so many tokens is predicted
ONWARDS = 0.25  # share of the texts whose last tokens are predicted, in their order, and not some in any order
BIAS = 1.0  # of distances, at first: so large that contents count little beside it
SCALE = 8.0  # by how much word embeddings are shorter than what the teacher's first layer reads

DEFAULTS = {
    "steps": 1000,
    "batch": 16,
    "rate": 2e-3,
    "warmup": 50,
    "dropout": 0.0,
    "weight_decay": 0.05,
    "initializer_range": 0.02,
    "every": 200,
}

Ints = np.ndarray[Any, np.dtype[np.int64]]


def prepare(corpus: Corpus, settings: argparse.Namespace, folder: Path) -> Task:
    """Learn the vocabulary of the training part and write the tokenizer into `folder`."""
    import sentencepiece  # only here: the models' users have no need of it

    with (folder / "spiece.model").open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([plain(paragraph) for document in corpus.train for paragraph in document]),
            model_writer=file,
            vocab_size=VOCABULARY,
            model_type="unigram",
            character_coverage=0.9995,
            control_symbols=CONTROL,
            user_defined_symbols=ALONE,
            normalization_rule_name="identity",  # the tokenizer's own rules came before
            max_sentence_length=1 << 20,
            num_threads=1,
            minloglevel=2,
        )
    XLNetTokenizer.from_pretrained(folder, max_len=LENGTH).save_pretrained(folder)
    # Documents are longer than the texts that the model is trained on: here the tokenizer has no limit to warn of.
    return Task(corpus, settings, XLNetTokenizer.from_pretrained(folder, max_len=sys.maxsize))


def plain(text: str) -> str:
    """A text without accents, as XLNet's tokenizer reads it."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))


class Task:
    """Tokens of a corpus, some predicted from the others and from each other."""

    def __init__(self, corpus: Corpus, settings: argparse.Namespace, tokenizer: XLNetTokenizer) -> None:
        self.tokenizer = tokenizer
        self.settings = settings
        self.teacher = BertForPreTraining.from_pretrained(TEACHER)
        self.teachers = BertTokenizer.from_pretrained(TEACHER, max_len=sys.maxsize)
        generator = np.random.default_rng([settings.seed, 1])
        self.train = [text for _ in range(COPIES) for text in self.texts(corpus.train, generator)]
        self.teachers_texts = self.read_by_teacher(corpus.train)
        documents = {"dev": corpus.dev, "test": corpus.test}
        self.held_out = {part: list(self.texts(found, generator)) for part, found in documents.items()}
        self.streams = {part: [self.ids("\n".join(d)) for d in found] for part, found in documents.items()}
        self.words = {part: sum(len(p.split()) for d in found for p in d) for part, found in documents.items()}
        self.bytes = {part: sum(len(p.encode()) + 1 for d in found for p in d) for part, found in documents.items()}
        self.description = {
            "vocabulary": len(tokenizer),
            "texts": len(self.train),
            "tokens": {
                "train": sum(map(len, self.train)) // COPIES,
                **{part: sum(map(len, found)) for part, found in self.streams.items()},
            },
            "unknown": {
                part: sum(index == tokenizer.unk_token_id for stream in found for index in stream)
                for part, found in self.streams.items()
            },
            "words": self.words,
            "bytes": self.bytes,
            "parameters": self.model().num_parameters(),
        }

    def ids(self, text: str) -> list[int]:
        found: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return found

    def texts(self, documents: list[Document], generator: np.random.Generator) -> Iterator[list[int]]:
        """Whole sentences of one document, as many as there is room for; a sentence too long is cut."""
        room = LENGTH - 2
        for document in documents:
            chunk: list[int] = []
            wanted = 0
            for sentence in (self.ids(s) for paragraph in document for s in sentences(paragraph)):
                if chunk and len(chunk) + len(sentence) > wanted:
                    yield chunk[:room]
                    chunk = []
                if not chunk:
                    # One in ten is shorter, since those that use the model come with short texts too.
                    wanted = room if generator.random() > 0.1 else int(generator.integers(8, room))
                chunk = chunk + sentence
            if chunk:
                yield chunk[:room]

    def model(self) -> XLNetLMHeadModel:
        """A model that begins as the teacher."""
        taught = self.teacher.config
        model = XLNetLMHeadModel(
            XLNetConfig(
                vocab_size=len(self.tokenizer),
                d_model=taught.hidden_size,
                n_layer=taught.num_hidden_layers,
                n_head=taught.num_attention_heads,
                d_inner=taught.intermediate_size,
                ff_activation=taught.hidden_act,
                layer_norm_eps=taught.layer_norm_eps,
                dropout=self.settings.dropout,
                summary_last_dropout=self.settings.dropout,
                initializer_range=self.settings.initializer_range,
                bos_token_id=self.tokenizer.bos_token_id,
                eos_token_id=self.tokenizer.eos_token_id,
                pad_token_id=self.tokenizer.pad_token_id,
            )
        )
        tokens = self.tokenizer.convert_ids_to_tokens(range(len(self.tokenizer)))
        pieces = [self.pieces_of(token) for token in tokens]
        begin(model, self.teacher, pieces, self.teachers.mask_token_id, self.teachers_texts)
        return model

    def pieces_of(self, token: str) -> list[int]:
        """The teacher's pieces that a token of the model is written with; a token without a space goes on a word."""
        if token in self.tokenizer.all_special_tokens:
            return [self.teachers.convert_tokens_to_ids(SPECIAL.get(token, END))]
        pieces = self.teachers.tokenize(token.replace("\u2581", " "))
        if pieces and not token.startswith("\u2581") and f"##{pieces[0]}" in self.teachers.vocab:
            pieces[0] = f"##{pieces[0]}"
        return self.teachers.convert_tokens_to_ids(pieces or [self.teachers.unk_token])

    def read_by_teacher(self, documents: list[Document]) -> Tensor:
        """The beginnings of some documents in the teacher's tokens, (B, S)."""
        options = {"truncation": True, "max_length": LENGTH}
        found = [self.teachers.encode(" ".join(document), **options) for document in documents]
        return torch.tensor([ids for ids in found if len(ids) == LENGTH][:TEXTS])

    def batch(self, generator: np.random.Generator) -> dict[str, Tensor]:
        rows = generator.integers(len(self.train), size=self.settings.batch)
        return self.rows([self.train[row] for row in rows], generator, ONWARDS)

    def rows(self, texts: list[list[int]], generator: np.random.Generator, onwards: float) -> dict[str, Tensor]:
        """The model's arguments for some texts, padded on the left.

        One of six tokens is predicted, from all those that are not and from those before it in a random order. Of some
        texts (the share `onwards`) they are successive ones, in their order, and there is nothing after them.
        """
        tokenizer, count = self.tokenizer, len(texts)
        ids = np.full((count, LENGTH), tokenizer.pad_token_id)
        segments = np.full_like(ids, tokenizer.pad_token_type_id)
        order = np.zeros_like(ids)  # of what is predicted, from 1 on
        for row, text in enumerate(texts):
            number = max(1, len(text) // PREDICTED)
            if generator.random() < onwards:
                end = int(generator.integers(min(number + 1, len(text)), len(text) + 1))
                sequence, last = text[:end], []
                places = np.arange(end - number, end)
            else:
                sequence, last = text, [tokenizer.sep_token_id, tokenizer.cls_token_id]
                places = generator.permutation(len(text))[:number]
            first = LENGTH - len(sequence) - len(last)
            ids[row, first:] = [*sequence, *last]
            segments[row, first:] = 0
            if last:
                segments[row, -1] = 2
            order[row, first + places] = np.arange(1, number + 1)
        return arguments(ids, segments, order, tokenizer.pad_token_id)

    def loss(self, model: XLNetLMHeadModel, batch: dict[str, Tensor]) -> Tensor:
        loss: Tensor = model(**batch)[0]
        return loss

    @torch.no_grad()
    def evaluate(self, model: XLNetLMHeadModel, part: str) -> dict[str, float]:
        """Loss and perplexity of a token in a random order, how many are found, and `onwards`'s, held out."""
        generator = np.random.default_rng(0)  # always the same tokens, in the same order
        score = Score()
        for _ in range(DRAWS):
            for rows in np.array_split(np.arange(len(self.held_out[part])), math.ceil(len(self.held_out[part]) / 64)):
                batch = self.rows([self.held_out[part][row] for row in rows], generator, 0.0)
                batch = {name: tensor.to(model.device) for name, tensor in batch.items()}
                labels = batch.pop("labels")
                score.add(model(**batch).logits[labels != -100], labels[labels != -100])
        return {**score.result(), **self.onwards(model, part)}

    @torch.no_grad()
    def onwards(self, model: XLNetLMHeadModel, part: str) -> dict[str, float]:
        """Perplexities of tokens predicted in their order: per token, per word (between white space); bits per byte.

        Each document is read in windows that overlap by half; of each but the first, the second half counts.
        """
        half = LENGTH // 2
        first, others = [], []
        for stream in self.streams[part]:
            first.append(stream[:LENGTH])
            others += [stream[start : start + LENGTH] for start in range(half, len(stream) - half, half)]
        score = Score()
        for windows, known in ((first, 1), (others, half)):
            for number in range(0, len(windows), 16):
                few = windows[number : number + 16]
                ids = np.full((len(few), LENGTH), self.tokenizer.pad_token_id)
                order = np.zeros_like(ids)
                for row, window in enumerate(few):
                    ids[row, LENGTH - len(window) :] = window
                    order[row, LENGTH - len(window) + known :] = np.arange(1, len(window) - known + 1)
                batch = arguments(ids, np.zeros_like(ids), order, self.tokenizer.pad_token_id)
                batch = {name: tensor.to(model.device) for name, tensor in batch.items()}
                labels = batch.pop("labels")
                score.add(model(**batch).logits[labels != -100], labels[labels != -100])
        return {
            "onwards_perplexity": score.result()["perplexity"],
            "onwards_word_perplexity": round(math.exp(score.loss / self.words[part]), 1),
            "onwards_bits_per_byte": round(score.loss / self.bytes[part] / math.log(2), 4),
        }


def arguments(ids: Ints, segments: Ints, order: Ints, pad: int) -> dict[str, Tensor]:
    """The model's arguments, of ids, segments and the order in which tokens are predicted, 0 for the others: (B, S).

    A token is seen by all if it is not predicted, or else by those after it in the order.
    """
    predicted = order > 0
    hidden = predicted[:, None] & (order[:, :, None] <= order[:, None])
    count = int(predicted.sum(1).max())
    mapping = np.zeros((len(ids), count, ids.shape[1]), dtype=np.float32)
    labels = np.full((len(ids), count), -100)
    row, place = np.nonzero(predicted)
    mapping[row, order[row, place] - 1, place] = 1
    labels[row, order[row, place] - 1] = ids[row, place]
    arrays = {
        "input_ids": ids,
        "attention_mask": (ids != pad).astype(np.int64),
        "token_type_ids": segments,
        "perm_mask": hidden.astype(np.float32),
        "target_mapping": mapping,
        "labels": labels,
    }
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


@torch.no_grad()
def begin(
    model: XLNetLMHeadModel, teacher: BertForPreTraining, pieces: list[list[int]], mask: int, texts: Tensor
) -> None:
    """Give a model a teacher's weights: it then computes the same but for positions, and for the head's first layer.

    Args:
        model: as many layers, of the same sizes.
        teacher: a BERT.
        pieces: the teacher's pieces of each token: the mean of their embeddings becomes the token's.
        mask: the teacher's token that stands for what is to be predicted.
        texts: (B, S), in the teacher's tokens, from which it is seen what distances are worth to it; see `place`.
    """
    parts, layers = teacher.bert.embeddings, list(zip(model.transformer.layer, teacher.bert.encoder.layer, strict=True))
    heads = model.config.n_head
    # XLNet has no biases of values and of the projection after them. What they add is added to what the layer reads,
    # with what comes of it: x + c + v(x + c) for x + v(x) + bias.
    added = []
    for ours, theirs in layers:
        own, output = theirs.attention.self, theirs.attention.output.dense
        through = torch.eye(model.config.d_model) + output.weight @ own.value.weight
        added.append(torch.linalg.solve(through, output.weight @ own.value.bias + output.bias))
        ours.ff.layer_norm.load_state_dict(theirs.output.LayerNorm.state_dict())
    for (before, _), more in zip(layers, added[1:], strict=False):
        before.ff.layer_norm.bias += more
    for number, (ours, theirs) in enumerate(layers):
        own, output, to = theirs.attention.self, theirs.attention.output, ours.rel_attn
        scale = 1.0 if number else SCALE
        for weight, linear in ((to.q, own.query), (to.k, own.key), (to.v, own.value)):
            weight.copy_((scale * linear.weight.T).unflatten(1, (heads, -1)))
        to.o.copy_((output.dense.weight / scale).unflatten(1, (heads, -1)))
        # What a key's bias adds is the same for all keys of a query, and so is nothing.
        to.r_w_bias.copy_((own.query.bias - own.query.weight @ added[number]).unflatten(0, (heads, -1)))
        to.layer_norm.load_state_dict(output.LayerNorm.state_dict())
        ours.ff.layer_1.load_state_dict(theirs.intermediate.dense.state_dict())
        ours.ff.layer_2.load_state_dict(theirs.output.dense.state_dict())

    def embedded(words: Tensor) -> Tensor:
        """What the first layer reads of embeddings: everywhere with the mean of all positions, in the first segment."""
        positions = parts.position_embeddings.weight.mean(0)
        read: Tensor = parts.LayerNorm(words + positions + parts.token_type_embeddings.weight[0])
        return (read + added[0]) / SCALE

    table, bias = parts.word_embeddings.weight, teacher.cls.predictions.bias
    model.transformer.word_embedding.weight.copy_(embedded(torch.stack([table[each].mean(0) for each in pieces])))
    model.transformer.mask_emb.copy_(embedded(table[mask]))
    model.lm_loss.bias.copy_(torch.stack([bias[each].mean() for each in pieces]))
    place(model, teacher, texts, embedded(table[texts]))


@torch.no_grad()
def place(model: XLNetLMHeadModel, teacher: BertForPreTraining, texts: Tensor, embedded: Tensor) -> None:
    """Give the distances of a model's layers what they are worth to the teacher, which has positions instead.

    That is the difference of the mean scores of attention at each distance, from the first layer to the last.

    Args:
        texts: (B, S), in the teacher's tokens.
        embedded: (B, S, H), the same as the model's first layer reads them.
    """
    heads, length = model.config.n_head, texts.shape[1]
    encodings = relative_encodings(length - 1, -length, model.config.d_model, torch.float32, texts.device)
    encodings = encodings[: 2 * length - 1]  # of distances from length - 1 down
    numbers = (length - 1 - torch.arange(length)[:, None] + torch.arange(length)).flatten()  # of each pair's encoding
    pairs = numbers.bincount()

    def scores(query: Tensor, key: Tensor) -> Tensor:
        """The mean scores at each distance, (N, 2 S - 1), less each query's own mean."""
        query, key = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key))  # (B, N, S, D)
        products = query @ key.transpose(-1, -2)
        products = (products - products.mean(-1, keepdim=True)).mean(0).flatten(1)  # (N, S · S)
        return products.new_zeros(heads, len(pairs)).index_add(1, numbers, products) / pairs

    for layer in model.transformer.layer:
        layer.rel_attn.r.zero_()
        layer.rel_attn.r_r_bias.fill_(BIAS)
    wanted = teacher.bert(texts, output_hidden_states=True).hidden_states
    weights = (pairs / length)[:, None] * encodings  # (2 S - 1, H): frequent distances count most
    for number, (ours, theirs) in enumerate(zip(model.transformer.layer, teacher.bert.encoder.layer, strict=True)):
        to, own = ours.rel_attn, theirs.attention.self
        states = model.transformer(inputs_embeds=embedded, output_hidden_states=True).hidden_states[number]
        missing = scores(own.query(wanted[number]), own.key(wanted[number]))
        missing -= scores(states @ to.q.flatten(1) + to.r_w_bias.flatten(), states @ to.k.flatten(1))
        # Least squares; the identity keeps numbers small where others do nearly as well.
        found = torch.linalg.solve(weights.T @ encodings + 0.1 * torch.eye(len(weights.T)), weights.T @ missing.T)
        # (H, N): the sum over a head's width is what the distance's encoding gives with the bias.
        to.r.copy_(found[:, :, None].expand_as(to.r) / (BIAS * to.r.shape[2]))
