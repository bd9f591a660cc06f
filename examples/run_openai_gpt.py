#!/usr/bin/env python3
"""Fine-tunes OpenAI GPT to end stories as ROCStories' cloze test has it, and measures it (Radford et al. 2018, §3.3).

    python examples/run_openai_gpt.py --model_name openai-gpt --do_train --do_eval \\
        --train_dataset "$ROC_STORIES_DIR/cloze_test_val__spring2016 - cloze_test_ALL_val.csv" \\
        --eval_dataset "$ROC_STORIES_DIR/cloze_test_test__spring2016 - cloze_test_ALL_test.csv" \\
        --output_dir stories --train_batch_size 16

A row has a story of four sentences and two ends, one of them right. The model reads each end after the story. It learns
to tell the right one and, --lm_coef as much, to predict the next token. The folder of --output_dir gets the model,
eval_results.txt, results.json and a plot, results.svg. Without --do_train the model that is there is measured.
In several processes: torchrun --nproc_per_node 2 examples/run_openai_gpt.py …

Shapes: 2 ends, S tokens of the longest row.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tx_data import accuracy_scores, multiple_choice_processors
from tx_openai_gpt import OpenAIGPTDoubleHeadsModel, OpenAIGPTTokenizer
from tx_training import (
    Evaluation,
    Processes,
    get_constant_schedule_with_warmup,
    get_cosine_schedule_with_warmup,
    get_linear_schedule_with_warmup,
    set_seed,
)
from tx_training.arguments import (
    add_arguments_of_2019,
    add_training_arguments,
    check_training_arguments,
    measured_model,
)
from tx_training.scripts_torch import train_and_measure

TOKENS = ("_start_", "_delimiter_", "_classify_")
SCHEDULES = ("warmup_linear", "warmup_cosine", "warmup_constant")
Row = dict[str, Tensor]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--model_name", dest="model_name_or_path", default="openai-gpt", metavar="MODEL",
        help="a folder, or a name on the hub (openai-gpt)")  # fmt: skip
    add("--train_dataset", type=Path, metavar="FILE", help="comma-separated values; for --do_train")
    add("--eval_dataset", type=Path, metavar="FILE", help="the same; for --do_eval")
    add("--lm_coef", type=float, default=0.9, metavar="NUMBER", help="weight of predicting tokens (0.9)")
    add("--lr_schedule", default=SCHEDULES[0], choices=SCHEDULES, help="of the learning rate (warmup_linear)")
    add("--train_batch_size", dest="per_gpu_train_batch_size", type=int, default=8, metavar="N",
        help="rows a process reads at a time (8)")  # fmt: skip
    add("--eval_batch_size", dest="per_gpu_eval_batch_size", type=int, default=16, metavar="N",
        help="the same when measuring (16)")  # fmt: skip
    add("--n_valid", type=int, default=374, metavar="N", help="changes nothing: --eval_dataset is measured whole")
    add_training_arguments(parser, without=("per_gpu_train_batch_size", "per_gpu_eval_batch_size"))
    add_arguments_of_2019(parser)
    parser.set_defaults(learning_rate=6.25e-5, weight_decay=0.01)  # those of 2019
    options = parser.parse_args(arguments)
    check_training_arguments(parser, options)
    for needed, name in ((options.do_train, "train_dataset"), (options.do_eval, "eval_dataset")):
        path = getattr(options, name)
        if needed and path is None:
            parser.error(f"--{name} is needed")
        if needed and not path.is_file():
            parser.error(f"--{name}: there is no file {str(path)!r}")
    if options.lm_coef < 0:
        parser.error(f"--lm_coef must be at least 0, not {options.lm_coef:g}")
    return options


def rows(file: Path, tokenizer: Any, longest: int) -> list[Row]:
    """What the model takes of each story: ids, mask and labels (2, S), and the number of the right end.

    Args:
        longest: tokens that the model reads. A story and an end get half of them each, without the tokens between.

    Raises:
        ValueError: a row that is no story, with file and line; or one without the number of the right end.
    """
    start, delimiter, classify = tokenizer.convert_tokens_to_ids([*TOKENS])
    half = longest // 2 - 2
    read = []
    for example in multiple_choice_processors["rocstories"]().read(file, "story"):
        if example.label is None:
            raise ValueError(f"{file}: story {example.example_id} has no number of the right end")
        story, *ends = (
            tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text)[:half])
            for text in (example.contexts[0], *example.endings)
        )
        read.append(([[start, *story, delimiter, *end, classify] for end in ends], example.label))
    if not read:
        raise ValueError(f"{file} has no stories")
    size = max(len(each) for ends, _ in read for each in ends)
    found = []
    for ends, label in read:
        lengths = torch.tensor([len(each) for each in ends])
        ids = torch.tensor([[*each, *[0] * (size - len(each))] for each in ends])
        mask = (torch.arange(size) < lengths[:, None]).long()
        labels = ids.masked_fill(mask == 0, -100)
        found.append({"input_ids": ids, "attention_mask": mask, "lm_labels": labels, "mc_labels": torch.tensor(label)})
    return found


def both_losses(model: nn.Module, batch: Mapping[str, Any], weight: float) -> Tensor:
    """The mean loss of the choices, and `weight` times that of the tokens."""
    outputs = model(**batch)
    loss: Tensor = outputs.mc_loss + weight * outputs.loss
    return loss


def choice_loss(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
    """The mean loss of the choices."""
    loss: Tensor = model(**batch).mc_loss
    return loss


def stories(model: nn.Module, batch: Mapping[str, Any]) -> int:
    """How many stories a loss is the mean of."""
    return len(batch["mc_labels"])


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Trains, measures, and returns the measures of the best model."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    processes = Processes.start("cpu" if options.no_cuda else None)
    set_seed(options.seed)  # a new head, and new tokens, are drawn at random
    name = options.model_name_or_path if options.do_train else measured_model(options)
    tokenizer = OpenAIGPTTokenizer.from_pretrained(name)
    tokenizer.add_tokens([*TOKENS])
    model = OpenAIGPTDoubleHeadsModel.from_pretrained(name)
    model.resize_token_embeddings(len(tokenizer))
    evaluation = None
    if options.do_eval:
        measured = rows(options.eval_dataset, tokenizer, model.config.n_positions)
        answers = [int(row["mc_labels"]) for row in measured]
        evaluation = Evaluation(
            measured,
            options.per_gpu_eval_batch_size,
            metrics=lambda logits, _: accuracy_scores(logits, answers),
            fields=("mc_logits",),
            loss=choice_loss,
            count=stories,
        )
    make: dict[str, Any] = {
        "warmup_linear": partial(get_linear_schedule_with_warmup, num_warmup_steps=options.warmup_steps),
        "warmup_cosine": partial(get_cosine_schedule_with_warmup, num_warmup_steps=options.warmup_steps),
        "warmup_constant": partial(get_constant_schedule_with_warmup, num_warmup_steps=options.warmup_steps),
    }

    def schedule(optimizer: Any, steps: int) -> Any:
        chosen = make[options.lr_schedule]
        constant = options.lr_schedule == "warmup_constant"
        return chosen(optimizer) if constant else chosen(optimizer, num_training_steps=steps)

    found = train_and_measure(
        options,
        model,
        tokenizer,
        rows(options.train_dataset, tokenizer, model.config.n_positions) if options.do_train else None,
        evaluation,
        metric="acc",
        processes=processes,
        loss=partial(both_losses, weight=options.lm_coef),
        count=stories,
        schedule=schedule,
    )
    processes.stop()
    return found


if __name__ == "__main__":
    main()
