"""The texts that a distillation trains on: a file with one of them a line, as rows of tokens of their own lengths."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tx_data import mask_tokens
from tx_data.text_files import read_text
from tx_data.tokenizing import tokenized_columns
from tx_training import hide_tokens

IGNORED = -100
# Shorter ones, special tokens included, are left out: there is little to learn from.
SHORTEST = 12


class Sequences:
    """The lines of a text in UTF-8, each between its special tokens; what is too long is several.

    A text that is read from left to right stands between the tokens that begin and end one, GPT-2's <|endoftext|>.

    Args:
        path: the file.
        tokenizer: of the models.
        longest: tokens of a row, special ones included.
        ahead: whether the models predict next tokens.
        workers: processes that share the tokenizing.
        cache_dir: where the tokens are kept, and found again by the text and the tokenizer; None to keep nothing.

    Raises:
        FileNotFoundError, ValueError: there is no such file, or no line that is long enough.
    """

    def __init__(
        self,
        path: Path,
        tokenizer: Any,
        longest: int,
        *,
        ahead: bool,
        workers: int = 1,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        lines = [line for line in read_text(path).split("\n") if line.strip()]

        def work(lines: Sequence[str]) -> list[tuple[list[int], ...]]:
            return [(tokenizer.convert_tokens_to_ids(tokenizer.tokenize(line)),) for line in lines]

        columns = tokenized_columns("lines", tokenizer, work, lines, {}, workers, cache_dir, 1024) if lines else []
        values, counts = columns[0] if columns else (np.zeros(0, np.int32), np.zeros(0, np.int64))
        around = [tokenizer.bos_token_id, -1, tokenizer.eos_token_id]
        if not ahead:
            around = tokenizer.build_inputs_with_special_tokens([-1])
        at = around.index(-1)
        self._before, self._after = (np.array(part, np.int32) for part in (around[:at], around[at + 1 :]))
        room, ends = longest - len(around) + 1, counts.cumsum()
        self._parts = [
            values[start : min(start + room, end)]
            for end, count in zip(ends, counts, strict=True)
            for start in range(end - count, end, room)
        ]
        self._parts = [part for part in self._parts if len(part) + len(around) - 1 >= SHORTEST]
        if not self._parts:
            raise ValueError(f"{path}: no line has {SHORTEST} tokens; a text with one sequence a line is wanted")
        self.lengths = [len(part) + len(around) - 1 for part in self._parts]

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, number: int) -> Tensor:
        """The ids (tokens,) of a row."""
        return torch.from_numpy(np.concatenate([self._before, self._parts[number], self._after])).long()

    def counts(self, size: int) -> Tensor:
        """How often each token of a vocabulary of that size is in the text, (size,)."""
        return torch.from_numpy(np.bincount(np.concatenate(self._parts), minlength=size))


class Batches:
    """Makes batches of rows of several lengths, of a model's inputs and labels."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        pad = tokenizer.pad_token_id
        self._pad: int = tokenizer.eos_token_id if pad is None else pad

    def padded(self, rows: Sequence[Tensor], value: int | None = None) -> Tensor:
        """Rows (tokens,) each as one tensor (rows, tokens)."""
        value = self._pad if value is None else value
        return torch.nn.utils.rnn.pad_sequence([*rows], batch_first=True, padding_value=value)

    def inputs(self, rows: Sequence[Tensor]) -> dict[str, Tensor]:
        """The ids, and which of them are no padding."""
        return {
            "input_ids": self.padded(rows),
            "attention_mask": self.padded([torch.ones_like(row) for row in rows], 0),
        }

    def next_tokens(self, rows: Sequence[Tensor]) -> dict[str, Tensor]:
        """For a model that predicts the next token."""
        return {**self.inputs(rows), "labels": self.padded(rows, IGNORED)}

    def hidden_tokens(self, rows: Sequence[Tensor], weights: Tensor, **options: Any) -> dict[str, Tensor]:
        """For a model that finds hidden tokens, drawn by their weights; the rest is as of `hide_tokens`."""
        batch = self.inputs(rows)
        ids, mask = batch["input_ids"], batch["attention_mask"]
        batch["input_ids"], batch["labels"] = hide_tokens(
            ids, weights, self._tokenizer.mask_token_id, attention_mask=mask, **options
        )
        return batch

    def measured(self, rows: Sequence[Tensor], seed: int | None, proportion: float) -> list[tuple[Tensor, Tensor]]:
        """Ids and labels of rows to measure by: next tokens, or with a seed always the same hidden ones, as BERT's."""
        if seed is None:
            return [(row, row) for row in rows]
        found = []
        for number, row in enumerate(rows):
            hidden = mask_tokens(row[None].numpy(), self._tokenizer, proportion, [seed, number])
            found.append((torch.from_numpy(hidden[0][0]), torch.from_numpy(hidden[1][0])))
        return found

    def together(self, rows: Sequence[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        """Rows to measure by as a batch."""
        ids, labels = zip(*rows, strict=True)
        return {**self.inputs(ids), "labels": self.padded(labels, IGNORED)}
