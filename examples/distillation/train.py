#!/usr/bin/env python3
"""Distils a language model: trains a small student to predict what its teacher does (DistilBERT, DistilGPT-2).

    python examples/distillation/extract.py --model_name bert-base-uncased --vocab_transform --dump_checkpoint begun
    python examples/distillation/train.py --student_type distilbert --student_pretrained_weights begun \\
        --teacher_type bert --teacher_name bert-base-uncased --mlm --alpha_ce 5 --alpha_mlm 2 --alpha_cos 1 \\
        --freeze_pos_embs --data_file text.txt --dump_path distilbert

    python examples/distillation/extract.py --model_name gpt2 --dump_checkpoint begun
    python examples/distillation/train.py --student_type gpt2 --student_pretrained_weights begun --teacher_type gpt2 \\
        --teacher_name gpt2 --alpha_ce 5 --alpha_clm 2 --alpha_cos 1 --data_file text.txt --dump_path distilgpt2

A student without --student_pretrained_weights is new, of --student_config. --data_file is a text in UTF-8 with one
sequence a line, such as a paragraph. With --mlm tokens are hidden, rare ones more often (--mlm_smoothing).
The loss is the sum of: --alpha_ce times how far the student's softened predictions are from the teacher's; --alpha_mlm
or --alpha_clm times the cross-entropy of the text; --alpha_mse times the squared distance of the logits; --alpha_cos
times 1 - cosine of the last hidden states. The folder of --dump_path gets the student, parameters.json, results.json
and a plot, results.svg. With --eval_data_file the loss of tokens is measured each epoch, and the best student is kept.
In several processes: torchrun --nproc_per_node 4 examples/distillation/train.py --n_gpu 4 …
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sequences import SHORTEST, Batches, Sequences

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where run_lm_finetuning.py is

from run_lm_finetuning import Perplexity

from tx_core.architecture import Task, find, load
from tx_core.files import atomic_write
from tx_training import (
    Distillation,
    Processes,
    TrainingLoop,
    TrainingOptions,
    get_linear_schedule_with_warmup,
    hiding_weights,
    set_seed,
)

TYPES = ("bert", "distilbert", "roberta", "gpt2")
ALPHAS = ("alpha_ce", "alpha_mlm", "alpha_clm", "alpha_mse", "alpha_cos")
WORDS = ("word_mask", "word_keep", "word_rand")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; its names, and what is taken where one is left out, are those of 2019."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    number: dict[str, Any] = {"type": float, "metavar": "X"}
    count: dict[str, Any] = {"type": int, "metavar": "N"}
    group = parser.add_argument_group("models")
    add = group.add_argument
    add("--student_type", required=True, choices=TYPES)
    add("--student_config", metavar="FILE", help="its configuration; by default that of its weights")
    add("--student_pretrained_weights", metavar="MODEL", help="what it begins with, as extract.py makes it")
    add("--teacher_type", required=True, choices=TYPES)
    add("--teacher_name", required=True, metavar="MODEL", help="a folder, or a name on the hub; its tokenizer is used")
    add("--initializer_range", **number, help="standard deviation of new weights (the configuration's)")
    add("--freeze_pos_embs", action="store_true", help="leave the student's embeddings of positions as they are")
    add("--freeze_token_type_embds", action="store_true", help="the same of segments, where it has any")
    group = parser.add_argument_group("losses")
    add = group.add_argument
    add("--temperature", default=2.0, **number, help="softens predictions (2)")
    add("--alpha_ce", default=0.5, **number, help="weight of soft predictions (0.5)")
    add("--alpha_mlm", default=0.0, **number, help="weight of hidden tokens, with --mlm (0)")
    add("--alpha_clm", **number, help="weight of next tokens, without --mlm (0.5)")
    add("--alpha_mse", default=0.0, **number, help="weight of the logits' squared distance (0)")
    add("--alpha_cos", default=0.0, **number, help="weight of the last hidden states' directions (0)")
    add("--restrict_ce_to_mask", action="store_true", help="compare predictions of hidden tokens alone")
    group = parser.add_argument_group("data")
    add = group.add_argument
    add("--data_file", type=Path, required=True, metavar="FILE", help="a text in UTF-8, one sequence a line")
    add("--eval_data_file", type=Path, metavar="FILE", help="another one, to measure by")
    add("--data_cache", metavar="FOLDER", help="where tokens are kept for the next time (nowhere)")
    add("--threads", default=1, **count, help="processes that share the tokenizing (1)")
    add("--max_seq_length", **count, help="tokens of a row, special ones included (as many as both models take)")
    add("--mlm", action="store_true", help="hide tokens, and find them; else predict the next ones")
    add("--mlm_mask_prop", default=0.15, **number, help="how many tokens are to be found (0.15)")
    add("--word_mask", default=0.8, **number, help="how many of these are hidden (0.8)")
    add("--word_keep", default=0.1, **number, help="how many stay (0.1)")
    add("--word_rand", default=0.1, **number, help="how many become another token (0.1)")
    add("--mlm_smoothing", default=0.7, **number, help="0 hides all alike, more hides rare ones more often (0.7)")
    add("--token_counts", type=Path, metavar="FILE", help="how often each token is, .npy (counted in --data_file)")
    add("--group_by_size", action=argparse.BooleanOptionalAction, default=True, help="batches of similar lengths")
    group = parser.add_argument_group("training")
    add = group.add_argument
    add("--dump_path", type=Path, required=True, metavar="FOLDER", help="for the student and its results")
    add("--force", action="store_true", help="train into a folder that is there, without its checkpoints")
    add("--resume", action="store_true", help="go on from the newest checkpoint in --dump_path")
    add("--n_epoch", type=float, default=3, metavar="N", help="times through the text (3)")
    add("--batch_size", default=5, **count, help="rows a process reads at a time (5)")
    add("--gradient_accumulation_steps", default=50, **count, help="batches of one step (50)")
    add("--warmup_prop", default=0.05, **number, help="part of the steps in which the rate rises (0.05)")
    add("--weight_decay", default=0.0, **number, help="not of biases and norms (0)")
    add("--learning_rate", default=5e-4, **number, help="at its highest (5e-4)")
    add("--adam_epsilon", default=1e-6, **number, help="Adam's (1e-6)")
    add("--max_grad_norm", default=5.0, **number, help="longest gradient (5)")
    add("--fp16", action="store_true", help="mixed precision with float16")
    add("--n_gpu", **count, help="GPUs in all: 0 for none, several with torchrun (those that are there)")
    add("--seed", default=56, **count, help="of all that is drawn (56)")
    add("--log_interval", default=500, **count, help="steps between reports (500)")
    add("--checkpoint_interval", default=4000, **count, help="steps between checkpoints (4000)")
    options = parser.parse_args(arguments)
    try:
        check(options)
    except ValueError as error:
        parser.error(str(error))
    return options


def check(options: argparse.Namespace) -> None:
    """Look for what cannot work, before anything is loaded. Raises ValueError."""
    student, teacher = options.student_type, options.teacher_type
    if student != teacher and (student, teacher) != ("distilbert", "bert"):
        raise ValueError(f"--teacher_type {teacher}: the student of a {teacher} is another, or of a bert a distilbert")
    if options.mlm == (student == "gpt2"):
        raise ValueError("a gpt2 predicts next tokens: leave --mlm out" if options.mlm else f"a {student} needs --mlm")
    if options.alpha_clm is None:
        options.alpha_clm = 0.0 if options.mlm else 0.5
    if options.alpha_clm if options.mlm else options.alpha_mlm:
        raise ValueError("--alpha_mlm goes with --mlm, --alpha_clm with next tokens: leave the other out")
    for name in (*ALPHAS, *WORDS, "mlm_smoothing", "weight_decay", "initializer_range"):
        if getattr(options, name) is not None and not getattr(options, name) >= 0:
            raise ValueError(f"--{name} must be at least 0, not {getattr(options, name)}")
    if not any(getattr(options, name) for name in ALPHAS):
        raise ValueError(f"one of --{', --'.join(ALPHAS)} must be above 0")
    for name in ("temperature", "max_grad_norm", "n_epoch", "learning_rate"):
        if not getattr(options, name) > 0:
            raise ValueError(f"--{name} must be above 0, not {getattr(options, name)}")
    if not math.isclose(sum(getattr(options, name) for name in WORDS), 1.0, abs_tol=1e-6):
        raise ValueError(f"--{', --'.join(WORDS)} are shares: together they must be 1")
    for name in ("mlm_mask_prop", "warmup_prop"):
        if not 0 <= getattr(options, name) <= 1:
            raise ValueError(f"--{name} must be from 0 to 1, not {getattr(options, name)}")
    for name in ("batch_size", "gradient_accumulation_steps", "log_interval", "checkpoint_interval", "threads"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} must be at least 1, not {getattr(options, name)}")
    if options.restrict_ce_to_mask and not options.mlm:
        raise ValueError("--restrict_ce_to_mask goes with --mlm: nothing is hidden without it")
    if options.student_config is None and options.student_pretrained_weights is None:
        raise ValueError("the student needs --student_config, --student_pretrained_weights, or both")
    for name in ("data_file", "eval_data_file", "token_counts"):
        if getattr(options, name) is not None and not getattr(options, name).is_file():
            raise ValueError(f"--{name}: there is no file {str(getattr(options, name))!r}")
    for flag, inputs in (("freeze_pos_embs", "position_ids"), ("freeze_token_type_embds", "token_type_ids")):
        if getattr(options, flag) and table_of(load(find(student).torch[Task.BASE]), inputs) is None:
            raise ValueError(f"--{flag}: a {student} has no such embeddings")
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if options.n_gpu and options.n_gpu != started:
        raise ValueError(f"--n_gpu {options.n_gpu}: start as many processes, torchrun --nproc_per_node {options.n_gpu}")
    if options.n_gpu and not torch.cuda.is_available():
        raise ValueError(f"--n_gpu {options.n_gpu}: PyTorch sees no GPU; --n_gpu 0 trains on the processor")
    folder = options.dump_path
    if folder.exists() and not (options.force or options.resume):
        raise ValueError(f"--dump_path: {folder} is there already: give --force, --resume, or another folder")


def table_of(bare: Any, inputs: str) -> str | None:
    """Where a bare model has the embeddings of some of its inputs; None where it has none, or takes words for them."""
    table: str | None = bare.tables_at.get(inputs)
    return None if table == bare.words_at else table


def read_models(options: argparse.Namespace) -> tuple[Any, Any, Any]:
    """The student, the teacher and the tokenizer of both.

    Raises:
        ValueError: their vocabularies differ, or where hidden states are compared their widths.
    """
    task = Task.MASKED_LM if options.mlm else Task.CAUSAL_LM
    own, other = find(options.student_type), find(options.teacher_type)
    student_class: Any = load(own.torch[task])
    teacher_class: Any = load(other.torch[task])
    config_class: Any = load(own.config)
    tokenizer_class: Any = load(own.tokenizer)
    begun = options.student_pretrained_weights
    config = config_class.from_pretrained(options.student_config or begun)
    if options.initializer_range is not None:
        config.initializer_range = options.initializer_range
    student = student_class(config) if begun is None else student_class.from_pretrained(begun, config=config)
    teacher = teacher_class.from_pretrained(options.teacher_name)
    tokenizer = tokenizer_class.from_pretrained(options.teacher_name)
    for name in ("vocab_size", *(["hidden_size"] if options.alpha_cos else [])):
        pair = [getattr(each.config, name) for each in (student, teacher)]
        if pair[0] != pair[1]:
            raise ValueError(f"the student's {name} is {pair[0]}, and the teacher's {pair[1]}: they are compared")
    for flag, inputs in (("freeze_pos_embs", "position_ids"), ("freeze_token_type_embds", "token_type_ids")):
        if getattr(options, flag):
            student.base_model.get_submodule(table_of(student.base_model, inputs)).requires_grad_(False)
    return student, teacher, tokenizer


def token_counts(options: argparse.Namespace, text: Sequences, size: int) -> torch.Tensor:
    """How often each token of the vocabulary is, (size,). Raises ValueError if --token_counts has others."""
    if options.token_counts is None:
        return text.counts(size)
    counts = np.load(options.token_counts, allow_pickle=False)
    if counts.shape != (size,):
        raise ValueError(f"--token_counts {options.token_counts}: {counts.shape}, and the vocabulary has {size} tokens")
    return torch.from_numpy(counts)


def training_options(options: argparse.Namespace, metric: str) -> TrainingOptions:
    """What the loop is told by the command line."""
    return TrainingOptions(
        epochs=options.n_epoch,
        batch_size=options.batch_size,
        accumulation_steps=options.gradient_accumulation_steps,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        adam_betas=(0.9, 0.98),  # as DistilBERT was trained
        adam_epsilon=options.adam_epsilon,
        max_grad_norm=options.max_grad_norm,
        precision="float16" if options.fp16 else "float32",
        seed=options.seed,
        log_every=options.log_interval,
        save_every=options.checkpoint_interval,
        metric=metric,
    )


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Trains, and returns the measures of the best student; none without --eval_data_file."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    processes = Processes.start("cpu" if options.n_gpu == 0 else None)
    set_seed(options.seed)  # a new student is drawn at random
    student, teacher, tokenizer = read_models(options)
    limit = min(tokenizer.max_len, *(each.config.longest_sequence for each in (student, teacher)))
    longest = limit if options.max_seq_length is None else options.max_seq_length
    if not SHORTEST <= longest <= limit:
        raise ValueError(f"--max_seq_length must be from {SHORTEST} to {limit}, which the models take, not {longest}")
    kept: dict[str, Any] = {"ahead": not options.mlm, "workers": options.threads, "cache_dir": options.data_cache}
    with processes.main_first():
        text = Sequences(options.data_file, tokenizer, longest, **kept)
    batches = Batches(tokenizer)
    collate: Any = batches.next_tokens
    if options.mlm:
        counts = token_counts(options, text, student.config.vocab_size)
        shares = tuple(getattr(options, name) for name in WORDS)
        weights = hiding_weights(counts, options.mlm_smoothing, tokenizer.all_special_ids)
        collate = partial(batches.hidden_tokens, weights=weights, proportion=options.mlm_mask_prop, shares=shares)
    evaluation = None
    if options.eval_data_file is not None:
        rows = Sequences(options.eval_data_file, tokenizer, longest, **kept)
        seed = options.seed if options.mlm else None
        measured = batches.measured([rows[each] for each in range(len(rows))], seed, options.mlm_mask_prop)
        evaluation = Perplexity(measured, options.batch_size, batches.together)
        known = evaluation(teacher.to(processes.device), processes)
        logging.info("the teacher: loss %.4f, perplexity %.2f", known["loss"], known["perplexity"])
    distillation = Distillation(
        teacher,
        temperature=options.temperature,
        alpha_task=options.alpha_mlm if options.mlm else options.alpha_clm,
        restrict_ce_to_mask=options.restrict_ce_to_mask,
        **{name: getattr(options, name) for name in ("alpha_ce", "alpha_mse", "alpha_cos")},
    )
    if processes.is_main:
        options.dump_path.mkdir(parents=True, exist_ok=True)
        with atomic_write(options.dump_path / "parameters.json") as temporary:
            temporary.write_text(json.dumps(vars(options), indent=2, default=str) + "\n", encoding="utf-8")
    found = (
        TrainingLoop(
            student,
            text,
            options.dump_path,
            training_options(options, "perplexity" if evaluation is not None else "loss"),
            evaluation=evaluation,
            collate=collate,
            tokenizer=tokenizer,
            schedule=lambda optimizer, steps: get_linear_schedule_with_warmup(
                optimizer, math.ceil(steps * options.warmup_prop), steps
            ),
            loss=distillation,
            count=distillation.count,
            lengths=text.lengths if options.group_by_size else None,
            processes=processes,
        )
        .run(resume=options.resume, overwrite=options.force)
        .metrics
    )
    if processes.is_main:
        print("".join(f"{name} = {value:.4f}\n" for name, value in sorted(found.items())), end="")
    processes.stop()
    return found


if __name__ == "__main__":
    main()
