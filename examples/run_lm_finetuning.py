#!/usr/bin/env python3
"""Fine-tunes a language model on a text, and measures its perplexity.

    python examples/run_lm_finetuning.py --model_name_or_path gpt2 --train_data_file wiki.train.raw \\
        --eval_data_file wiki.test.raw --do_train --do_eval --output_dir wiki
    python examples/run_lm_finetuning.py --model_name_or_path roberta-base --mlm --train_data_file wiki.train.raw \\
        --eval_data_file wiki.test.raw --do_train --do_eval --output_dir wiki

GPT, GPT-2 and CTRL predict the next token. BERT, RoBERTa and DistilBERT find hidden ones: with --mlm, and with
--whole_words to hide whole words alone. Other words are hidden each time a row is trained on, and always the same ones
when measuring. A text is read in rows of --block_size tokens, special ones
included; what is left at its end is dropped.

The folder of --output_dir gets the model, eval_results.txt with its perplexity, results.json and a plot, results.svg.
Without --do_train the model that is there is measured. In several processes:
torchrun --nproc_per_node 2 examples/run_lm_finetuning.py …
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tx_core import AutoModelForCausalLM, AutoModelForMaskedLM
from tx_core.architecture import Task, find, load
from tx_core.models.heads_torch import CausalLM, MaskedLM
from tx_data import file_blocks, mask_tokens
from tx_training import Evaluation, Processes, set_seed
from tx_training.arguments import (
    add_arguments_of_2019,
    add_model_arguments,
    add_training_arguments,
    check_training_arguments,
    measured_model,
    model_classes,
)
from tx_training.scripts_torch import load_model, train_and_measure


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    group = parser.add_argument_group("data")
    group.add_argument("--train_data_file", type=Path, metavar="FILE", help="a text in UTF-8, for --do_train")
    group.add_argument("--eval_data_file", type=Path, metavar="FILE", help="another one, for --do_eval")
    group.add_argument(
        "--block_size", type=int, default=-1, metavar="N", help="tokens of a row (as many as the model takes)"
    )
    group.add_argument("--mlm", action="store_true", help="hide words, and learn to find them")
    group.add_argument(
        "--mlm_probability", type=float, default=0.15, metavar="P", help="how much of the text is hidden (0.15)"
    )
    group.add_argument("--whole_words", action="store_true", help="hide all tokens of a word or none, with --mlm")
    add_model_arguments(parser)
    add_training_arguments(parser)
    add_arguments_of_2019(parser)
    parser.set_defaults(per_gpu_train_batch_size=4, per_gpu_eval_batch_size=4, num_train_epochs=1.0)  # those of 2019
    options = parser.parse_args(arguments)
    check_training_arguments(parser, options)
    for deed, name in (("do_train", "train_data_file"), ("do_eval", "eval_data_file")):
        file = getattr(options, name)
        if getattr(options, deed) and file is None:
            parser.error(f"--{deed} reads a text: give --{name}")
        if file is not None and not file.is_file():
            parser.error(f"--{name}: there is no file {str(file)!r}")
    if options.block_size != -1 and options.block_size < 2:
        parser.error(f"--block_size must be at least 2, or -1 for as many as the model takes, not {options.block_size}")
    if not 0 < options.mlm_probability < 1:
        parser.error(f"--mlm_probability must be between 0 and 1, not {options.mlm_probability}")
    if options.whole_words and not options.mlm:
        parser.error("--whole_words says how --mlm hides words: give --mlm as well")
    try:
        check_model(options)
    except ValueError as error:
        parser.error(str(error))
    return options


def check_model(options: argparse.Namespace) -> None:
    """Read of the model's configuration what it is.

    Raises:
        ValueError: it cannot be trained with --mlm, or without.
    """
    name = options.model_type
    if name is None:
        source = options.model_name_or_path if options.do_train else measured_model(options)
        config_class, _ = model_classes(options)
        name = config_class.from_pretrained(options.config_name or source, cache_dir=options.cache_dir).model_type
    record = find(name)
    kinds: set[Any] = {load(model) for task, model in record.torch.items() if task in (Task.CAUSAL_LM, Task.MASKED_LM)}
    masked = any(issubclass(kind, MaskedLM) for kind in kinds)
    if not masked and not any(issubclass(kind, CausalLM) for kind in kinds):
        raise ValueError(f"--model_name_or_path: {name} neither predicts the next token alone nor hidden ones alone")
    if masked and not options.mlm:
        raise ValueError(f"{name} does not predict the next token, but finds hidden ones: give --mlm")
    if options.mlm and not masked:
        raise ValueError(f"{name} predicts the next token, and finds no hidden ones: leave --mlm out")


def blocks(options: argparse.Namespace, model: Any, tokenizer: Any, file: Path) -> Tensor:
    """A text in rows (rows, --block_size).

    Raises:
        ValueError: the model does not take rows of that length.
    """
    longest = min(filter(None, (tokenizer.max_len, model.config.longest_sequence)))
    size = longest if options.block_size == -1 else options.block_size
    if size > longest:
        raise ValueError(f"--block_size {size} is too long: {options.model_name_or_path} takes {longest} tokens")
    return torch.from_numpy(file_blocks(tokenizer, file, size)).long()


class Hiding:
    """Makes batches for a model that finds hidden words, and hides other ones in each.

    What is hidden is drawn from PyTorch's random numbers, which a checkpoint keeps.
    """

    def __init__(self, options: argparse.Namespace, tokenizer: Any) -> None:
        self.tokenizer, self.probability, self.whole_words = tokenizer, options.mlm_probability, options.whole_words

    def __call__(self, examples: list[Tensor], seed: int | None = None) -> dict[str, Tensor]:
        """Rows (tokens,) each as a batch (rows, tokens); what is hidden depends on the seed alone, if there is one."""
        seed = int(torch.randint(1 << 62, ())) if seed is None else seed
        rows = torch.stack([*examples]).numpy()
        hidden = mask_tokens(rows, self.tokenizer, self.probability, seed, self.whole_words)
        return dict(zip(("input_ids", "labels"), map(torch.from_numpy, hidden), strict=True))


def next_tokens(examples: list[Tensor]) -> dict[str, Tensor]:
    """Rows (tokens,) each as a batch (rows, tokens), for a model that predicts the next token."""
    ids = torch.stack([*examples])
    return {"input_ids": ids, "labels": ids}


class Perplexity(Evaluation):
    """The mean loss of a token, and what it means: among how many equally likely ones the model chooses."""

    def __call__(self, model: nn.Module, processes: Processes | None = None) -> dict[str, float]:
        found = super().__call__(model, processes)
        return {**found, "perplexity": float(np.exp(found["loss"]))}


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Trains, measures, and returns the measures of the best model."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    processes = Processes.start("cpu" if options.no_cuda else None)
    set_seed(options.seed)
    model, tokenizer = load_model(options, AutoModelForMaskedLM if options.mlm else AutoModelForCausalLM)
    hide = Hiding(options, tokenizer)
    evaluation = None
    if options.do_eval:
        text = blocks(options, model, tokenizer, options.eval_data_file)
        whole = hide([*text], options.seed) if options.mlm else next_tokens([*text])
        rows = [{name: values[number] for name, values in whole.items()} for number in range(len(text))]
        evaluation = Perplexity(rows, options.per_gpu_eval_batch_size)
    found = train_and_measure(
        options,
        model,
        tokenizer,
        blocks(options, model, tokenizer, options.train_data_file) if options.do_train else None,
        evaluation,
        metric="perplexity",
        processes=processes,
        collate=hide if options.mlm else next_tokens,
    )
    processes.stop()
    return found


if __name__ == "__main__":
    main()
