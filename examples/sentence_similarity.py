#!/usr/bin/env python3
"""How similar are sentences? Encodes them with a BERT that was trained for it and compares the vectors.

    python examples/sentence_similarity.py --model FOLDER "The weather is lovely today." "It's so sunny outside!"

FOLDER holds config.json, vocab.txt and the weights of a sentence encoder such as all-MiniLM-L6-v2. A sentence's vector
is the mean of its tokens' last hidden states, scaled to length 1 (Reimers & Gurevych 2019, arXiv:1908.10084), and the
similarity of two sentences is the cosine between their vectors.

Letters in the shapes: B sentences of a batch, S tokens of the longest of them, D width of the model.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import combinations

import numpy as np

SENTENCES = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
MAX_LENGTH = 256  # tokens of a sentence that count; all-MiniLM-L6-v2 was trained with no more

Encoder = Callable[[list[str]], tuple[np.ndarray, np.ndarray]]


def torch_encoder(folder: str) -> Encoder:
    """Reads tokenizer and model; what it returns turns sentences into hidden states (B, S, D) and a mask (B, S)."""
    import torch

    from tx_bert import BertModel, BertTokenizer

    tokenizer = BertTokenizer.from_pretrained(folder)
    model = BertModel.from_pretrained(folder)

    def encode(sentences: list[str]) -> tuple[np.ndarray, np.ndarray]:
        batch = tokenizer(sentences, padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="pt")
        with torch.inference_mode():
            hidden = model(**batch).last_hidden_state
        return hidden.numpy(), batch["attention_mask"].numpy()

    return encode


def tf_encoder(folder: str) -> Encoder:
    """As `torch_encoder`, with TensorFlow."""
    from tx_bert import BertTokenizer, TFBertModel

    tokenizer = BertTokenizer.from_pretrained(folder)
    model = TFBertModel.from_pretrained(folder)

    def encode(sentences: list[str]) -> tuple[np.ndarray, np.ndarray]:
        batch = tokenizer(sentences, padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="tf")
        hidden = model(batch).last_hidden_state
        return hidden.numpy(), batch["attention_mask"].numpy()

    return encode


def sentence_vectors(sentences: list[str], encode: Encoder, batch_size: int) -> np.ndarray:
    """One row of length 1 for each sentence: (len(sentences), D)."""
    from tqdm import tqdm

    rows = []
    starts = range(0, len(sentences), batch_size)
    for start in tqdm(starts, desc="encoding", unit="batch", disable=len(starts) == 1):
        hidden, mask = encode(sentences[start : start + batch_size])
        weights = mask[:, :, None].astype(np.float32)  # (B, S, 1)
        mean = (hidden * weights).sum(axis=1) / weights.sum(axis=1)  # (B, D)
        rows.append(mean / np.linalg.norm(mean, axis=1, keepdims=True))
    return np.concatenate(rows)


def show(sentences: list[str], similarity: np.ndarray, nearest: int) -> None:
    print("\nSimilarity (cosine)\n")
    print(" " * 4 + "".join(f"{column:>8}" for column in range(1, len(sentences) + 1)))
    for row, sentence in enumerate(sentences):
        print(f"{row + 1:>4}" + "".join(f"{value:8.4f}" for value in similarity[row]) + f"  {sentence}")
    print("\nNearest pairs\n")
    pairs = sorted(combinations(range(len(sentences)), 2), key=lambda pair: -similarity[pair])
    for first, second in pairs[:nearest]:
        print(f"  {similarity[first, second]:.4f}  {sentences[first]}  |  {sentences[second]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sentences", nargs="*", metavar="SENTENCE", help="two or more (default: a built-in few)")
    parser.add_argument("--model", required=True, metavar="FOLDER")
    parser.add_argument("--framework", choices=["torch", "tf"], default="torch")
    parser.add_argument("--batch-size", type=int, default=32, help="sentences encoded at once (default: 32)")
    parser.add_argument("--nearest", type=int, default=5, help="pairs listed, most similar first (default: 5)")
    arguments = parser.parse_args()
    sentences = arguments.sentences or SENTENCES
    if len(sentences) < 2:
        parser.error("one sentence has nothing to be compared with: give two or more")
    if arguments.batch_size < 1:
        parser.error(f"--batch-size must be at least 1, not {arguments.batch_size}")
    encode = {"torch": torch_encoder, "tf": tf_encoder}[arguments.framework](arguments.model)
    vectors = sentence_vectors(sentences, encode, arguments.batch_size)
    show(sentences, vectors @ vectors.T, arguments.nearest)


if __name__ == "__main__":
    main()
