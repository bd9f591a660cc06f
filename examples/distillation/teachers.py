"""The teacher of a student that is fine-tuned on a task: its arguments, how it is loaded, what is learnt from it."""

from __future__ import annotations

import argparse
from typing import Any

from tx_core import AutoConfig, AutoTokenizer
from tx_core.architecture import find, load
from tx_training import Distillation


def add_teacher_arguments(parser: argparse.ArgumentParser, labels: str) -> None:
    """Add what says who teaches, and what.

    Args:
        parser: of the script.
        labels: the name of the weight of the student's own loss.
    """
    group = parser.add_argument_group("teacher")
    group.add_argument("--teacher_name_or_path", metavar="MODEL", help="a model that was fine-tuned on the same task")
    group.add_argument("--teacher_type", metavar="TYPE", help="bert, xlnet, …; by default what its files say")
    group.add_argument("--temperature", type=float, default=2.0, metavar="T", help="softens predictions (2)")
    group.add_argument("--alpha_ce", type=float, default=0.5, metavar="A", help="weight of soft predictions (0.5)")
    group.add_argument("--alpha_mse", type=float, default=0.0, metavar="A", help="weight of the logits' distance (0)")
    group.add_argument(f"--{labels}", type=float, default=0.5, metavar="A", help="weight of the labels (0.5)")


def check_teacher_arguments(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End the program where they contradict each other; nothing is loaded before."""
    taught = options.alpha_ce > 0 or options.alpha_mse > 0
    if options.do_train and taught and options.teacher_name_or_path is None:
        parser.error("--teacher_name_or_path is needed, or without a teacher --alpha_ce 0")
    if not taught and options.teacher_name_or_path is not None:
        parser.error("--teacher_name_or_path: nothing is learnt from it where --alpha_ce and --alpha_mse are 0")
    weights = [name for name in vars(options) if name.startswith("alpha_")]
    for name in weights:
        if not getattr(options, name) >= 0:
            parser.error(f"--{name} must be at least 0, not {getattr(options, name)}")
    if not any(getattr(options, name) for name in weights):
        parser.error(f"one of --{', --'.join(weights)} must be above 0")
    if not options.temperature > 0:
        parser.error(f"--temperature must be above 0, not {options.temperature}")


def load_teacher(options: argparse.Namespace, model_class: Any, student: Any, vocabulary: Any) -> tuple[Any, Any]:
    """The teacher and its tokenizer.

    Raises:
        ValueError: it reads or answers otherwise than the student.
    """
    name = options.teacher_name_or_path
    lower = {"do_lower_case": True} if options.do_lower_case else {}
    where = {"cache_dir": options.cache_dir}
    config_class: Any = load(find(options.teacher_type).config) if options.teacher_type else AutoConfig
    tokenizer_class: Any = load(find(options.teacher_type).tokenizer) if options.teacher_type else AutoTokenizer
    tokenizer = tokenizer_class.from_pretrained(name, **lower, **where)
    if tokenizer.get_vocab() != vocabulary.get_vocab():
        raise ValueError(f"--teacher_name_or_path {name}: its vocabulary is another than the student's")
    teacher = model_class.from_pretrained(name, config=config_class.from_pretrained(name, **where), **where)
    if teacher.config.num_labels != student.config.num_labels:
        count = f"{teacher.config.num_labels} labels, and the student {student.config.num_labels}"
        raise ValueError(f"--teacher_name_or_path {name} has {count}: fine-tune it on the same task first")
    return teacher, tokenizer


def distillation(options: argparse.Namespace, teacher: Any, labels: float, **others: Any) -> Distillation:
    """The loss that the arguments stand for.

    Args:
        options: of a parser that `add_teacher_arguments` was given.
        teacher: as `load_teacher` returns it.
        labels: the weight of the student's own loss.
        others: further arguments of :class:`tx_training.Distillation`, ``fields``.
    """
    weights = {name: getattr(options, name) for name in ("temperature", "alpha_ce", "alpha_mse")}
    return Distillation(teacher, alpha_task=labels, **weights, **others)
