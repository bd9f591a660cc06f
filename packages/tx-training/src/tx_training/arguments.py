"""The arguments that the example scripts share, with the names and meanings of 2019.

parser = argparse.ArgumentParser()
add_model_arguments(parser)
add_training_arguments(parser)
arguments = parser.parse_args()
check_training_arguments(parser, arguments)      # wrong combinations, before anything is loaded
options = training_options(arguments, metric="acc")
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from .options import TrainingOptions

logger = logging.getLogger(__name__)

#: What `TrainingLoop` does, and `TFTrainingLoop` does not.
NOT_IN_KERAS = ("fsdp", "local_rank")


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says which model is trained: ``--model_name_or_path`` and what overrides parts of it."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model_name_or_path", required=True, metavar="MODEL", help="a folder, or a name on the hub: bert-base-uncased"
    )
    group.add_argument(
        "--model_type", metavar="TYPE", help="bert, xlnet, …; needed only where the model's files do not tell it"
    )
    group.add_argument("--config_name", default="", metavar="MODEL", help="the configuration of another model")
    group.add_argument("--tokenizer_name", default="", metavar="MODEL", help="the tokenizer of another model")
    group.add_argument("--cache_dir", metavar="FOLDER", help="where downloads are kept")
    group.add_argument(
        "--do_lower_case", action="store_true", help="put texts into lower case, as uncased models want it"
    )


def add_task_argument(parser: argparse.ArgumentParser, tasks: Iterable[str]) -> None:
    """Add ``--task_name``, in capitals or not.

    Args:
        parser: of the script.
        tasks: what there are, in lower case.
    """
    names = [*tasks]
    parser.add_argument(
        "--task_name", required=True, type=str.lower, choices=names, metavar="TASK", help=", ".join(names)
    )


def add_data_arguments(parser: argparse.ArgumentParser, files: str) -> None:
    """Add ``--data_dir`` and ``--max_seq_length``.

    Args:
        parser: of the script.
        files: what the folder has, for the help.
    """
    group = parser.add_argument_group("data")
    group.add_argument("--data_dir", type=Path, required=True, metavar="FOLDER", help=files)
    group.add_argument(
        "--max_seq_length", type=int, default=128, metavar="N", help="tokens of a row, special ones included (128)"
    )


def add_predicting_argument(parser: argparse.ArgumentParser, *others: str) -> None:
    """Add ``--do_predict``, for scripts that write down what a model says of the test set.

    Args:
        parser: of the script.
        others: what the script of 2019 called it, ``--do_test``.
    """
    parser.add_argument(
        "--do_predict",
        *others,
        action="store_true",
        help="write what the trained model, or that in --output_dir, predicts",
    )


def add_training_arguments(parser: argparse.ArgumentParser, without: Sequence[str] = ()) -> None:
    """Add what says how a model is trained, and where to.

    Args:
        parser: of the script.
        without: names that the script has no use for; `NOT_IN_KERAS` in one of Keras.
    """
    group = parser.add_argument_group("training")

    def add(flag: str, *others: str, **options: Any) -> None:
        if flag.removeprefix("--") not in without:
            group.add_argument(flag, *others, **options)

    add("--output_dir", type=Path, required=True, metavar="FOLDER", help="for the model and its results")
    add("--do_train", action="store_true", help="train")
    add("--do_eval", action="store_true", help="measure the trained model, or that in --output_dir")
    add("--evaluate_during_training", action="store_true", help="measure every --logging_steps too")
    add(
        "--per_gpu_train_batch_size",
        type=int,
        default=8,
        metavar="N",
        help="rows a process or GPU reads at a time (%(default)s)",
    )
    add("--per_gpu_eval_batch_size", type=int, default=8, metavar="N", help="the same when measuring (%(default)s)")
    add("--gradient_accumulation_steps", type=int, default=1, metavar="N", help="batches of one step (1)")
    add("--learning_rate", type=float, default=5e-5, metavar="RATE", help="at its highest (5e-5)")
    add("--weight_decay", type=float, default=0.0, metavar="RATE", help="not of biases and norms (0)")
    add("--adam_epsilon", type=float, default=1e-8, metavar="NUMBER", help="Adam's (1e-8)")
    add("--max_grad_norm", type=float, default=1.0, metavar="NUMBER", help="longest gradient (1)")
    add("--num_train_epochs", type=float, default=3.0, metavar="N", help="times through the examples (%(default)g)")
    add("--max_steps", type=int, default=-1, metavar="N", help="steps in all, whatever the epochs")
    add("--warmup_steps", type=int, default=0, metavar="N", help="steps in which the rate rises (0)")
    add("--logging_steps", type=int, default=50, metavar="N", help="steps between reports (50)")
    add("--save_steps", type=int, default=-1, metavar="N", help="steps between checkpoints (none)")
    add("--save_total_limit", type=int, metavar="N", help="checkpoints that are kept (all)")
    add("--patience", type=int, metavar="N", help="measurements without a better one that end it (none)")
    add("--resume", action="store_true", help="go on from the newest checkpoint in --output_dir")
    add("--overwrite_output_dir", action="store_true", help="train where a model is, and remove its checkpoints")
    add("--seed", type=int, default=42, metavar="N", help="of all that is drawn (42)")
    add("--fp16", action="store_true", help="mixed precision with float16")
    add("--bf16", action="store_true", help="mixed precision with bfloat16")
    add("--fsdp", action="store_true", help="spread the model over the processes of torchrun")
    add("--no_cuda", action="store_true", help="use no GPU")
    add(
        "--local_rank", "--local-rank", type=int, default=-1, metavar="N",
        help="this process's number; torch.distributed.launch gives it, torchrun needs none",
    )  # fmt: skip


def add_arguments_of_2019(parser: argparse.ArgumentParser) -> None:
    """Add flags of 2019 that do something else now, or nothing: :func:`check_training_arguments` refuses what is gone.

    Args:
        parser: of a script that was given :func:`add_training_arguments`.
    """
    group = parser.add_argument_group("as in 2019")
    add = group.add_argument
    add("--eval_all_checkpoints", action="store_true", help="measure every checkpoint in --output_dir too")
    add("--overwrite_cache", action="store_true", help="changes nothing: no tokenized texts are kept between runs")
    add("--fp16_opt_level", type=str.upper, default="O1", choices=["O0", "O1", "O2", "O3"], metavar="LEVEL",
        help="apex's; --fp16 keeps parameters in float32, which is O1, and others are refused")  # fmt: skip
    add("--loss_scale", type=float, default=0.0, metavar="NUMBER",
        help="0: --fp16 finds the scale of losses by itself, and others are refused")  # fmt: skip
    add("--server_ip", default="", metavar="IP", help="refused: start the script with python -m debugpy to debug it")
    add("--server_port", default="", metavar="PORT", help="as --server_ip")


def add_squad_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says which questions are read, and how they are cut and answered."""
    group = parser.add_argument_group("data")
    add = group.add_argument
    add("--train_file", type=Path, metavar="FILE", help="train-v1.1.json; for --do_train")
    add("--predict_file", type=Path, metavar="FILE", help="dev-v1.1.json; for --do_eval")
    add("--version_2_with_negative", action="store_true", help="SQuAD 2.0, where questions may have no answer")
    add("--null_score_diff_threshold", type=float, default=0.0, metavar="NUMBER",
        help="a question gets no answer where the score of none exceeds that of the best by more (0)")  # fmt: skip
    add("--max_seq_length", type=int, default=384, metavar="N", help="tokens of a window, question included (384)")
    add("--doc_stride", type=int, default=128, metavar="N", help="tokens between the beginnings of windows (128)")
    add("--max_query_length", type=int, default=64, metavar="N", help="tokens that are read of a question (64)")
    add("--n_best_size", type=int, default=20, metavar="N", help="answers that are listed of a question (20)")
    add("--max_answer_length", type=int, default=30, metavar="N", help="tokens of an answer (30)")
    add("--verbose_logging", action="store_true", help="say which answers do not stand letter by letter in the text")
    add("--threads", type=int, default=1, metavar="N", help="processes that share the tokenizing (1)")


def check_squad_arguments(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """End the program where arguments of :func:`add_squad_arguments` are wrong, or contradict others."""
    for name in ("max_seq_length", "doc_stride", "max_query_length", "n_best_size", "max_answer_length", "threads"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} must be at least 1, not {getattr(arguments, name)}")
    for needed, name in ((arguments.do_train, "train_file"), (arguments.do_eval, "predict_file")):
        path = getattr(arguments, name)
        if needed and path is None:
            parser.error(f"--{name} is needed")
        if needed and not path.is_file():
            parser.error(f"--{name}: there is no file {str(path)!r}")
    if arguments.patience is not None and not arguments.evaluate_during_training:
        parser.error("--patience counts measurements: give --evaluate_during_training as well")
    if arguments.evaluate_during_training and not arguments.do_eval:
        parser.error("--evaluate_during_training goes with --do_eval")


def squad_window_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """How questions are cut into windows, as ``squad_convert_examples_to_features`` of ``tx_data`` takes it.

    Args:
        arguments: of a parser that :func:`add_squad_arguments` was given.
    """
    return {name: getattr(arguments, name) for name in ("max_seq_length", "doc_stride", "max_query_length", "threads")}


def squad_answer_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """How answers are chosen and scored, as ``squad_scores`` of ``tx_data`` takes it.

    Args:
        arguments: of a parser that :func:`add_squad_arguments` was given.
    """
    names = ("n_best_size", "max_answer_length", "version_2_with_negative", "null_score_diff_threshold")
    return {name: getattr(arguments, name) for name in (*names, "verbose_logging")}


def check_training_arguments(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """End the program, as argparse does, where arguments contradict each other; nothing is loaded before."""
    arguments = argparse.Namespace(**{**dict.fromkeys(NOT_IN_KERAS), **vars(arguments)})
    deeds = [name for name in ("do_train", "do_eval", "do_predict") if hasattr(arguments, name)]
    if not any(getattr(arguments, name) for name in deeds):
        parser.error(f"nothing is to be done: give one or more of --{', --'.join(deeds)}")
    data = getattr(arguments, "data_dir", None)
    if isinstance(data, Path) and not data.is_dir():
        parser.error(f"--data_dir: there is no folder {str(data)!r}")
    if arguments.fp16 and arguments.bf16:
        parser.error("--fp16 and --bf16: give one of them")
    if arguments.fsdp and arguments.fp16:
        parser.error("--fsdp goes with --bf16, not with --fp16: losses are not scaled across shards")
    for name in ("per_gpu_train_batch_size", "per_gpu_eval_batch_size", "gradient_accumulation_steps", "logging_steps",
                 "save_total_limit", "patience"):  # fmt: skip
        value = getattr(arguments, name)
        if value is not None and value < 1:
            parser.error(f"--{name} must be at least 1, not {value}")
    for name in ("max_steps", "save_steps"):
        value = getattr(arguments, name)
        if value is not None and value != -1 and value < 1:
            parser.error(f"--{name} must be at least 1, or -1 for none, not {value}")
    if arguments.patience is not None and not arguments.do_eval:
        parser.error("--patience counts measurements: give --do_eval as well")
    if arguments.evaluate_during_training and not arguments.do_train:
        parser.error("--evaluate_during_training goes with --do_train")
    folder = arguments.output_dir
    if folder.exists() and not folder.is_dir():
        parser.error(f"--output_dir: {folder} is a file")
    trained = arguments.do_train and folder.is_dir() and any(folder.iterdir())
    if trained and not (arguments.resume or arguments.overwrite_output_dir):
        parser.error(f"--output_dir: {folder} is not empty: give --resume, --overwrite_output_dir, or another folder")
    if arguments.resume and arguments.overwrite_output_dir:
        parser.error("--resume and --overwrite_output_dir: give one of them")
    if arguments.resume and not arguments.do_train:
        parser.error("--resume goes with --do_train")
    _check_arguments_of_2019(parser, arguments)
    if arguments.local_rank is not None and arguments.local_rank >= 0:
        os.environ.setdefault("LOCAL_RANK", str(arguments.local_rank))


def _check_arguments_of_2019(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    level = getattr(arguments, "fp16_opt_level", "O1")
    if level in ("O2", "O3") or (level == "O0" and arguments.fp16):
        instead = "for O0 leave out --fp16" if level == "O0" else "parameters stay in float32"
        parser.error(f"--fp16_opt_level {level} is apex's: --fp16 is as O1; {instead}")
    if getattr(arguments, "loss_scale", 0):
        parser.error("--loss_scale: losses are scaled by themselves with --fp16: leave it out")
    if getattr(arguments, "server_ip", "") or getattr(arguments, "server_port", ""):
        parser.error(
            "--server_ip, --server_port: a debugger attaches from outside: "
            "python -m debugpy --listen IP:PORT --wait-for-client SCRIPT …"
        )
    if getattr(arguments, "eval_all_checkpoints", False):
        if not arguments.do_eval:
            parser.error("--eval_all_checkpoints goes with --do_eval")
        writes = arguments.do_train and arguments.save_steps != -1
        if not writes and not any(arguments.output_dir.glob("checkpoint-*")):
            parser.error("--eval_all_checkpoints: --output_dir has none, and none is written: give --save_steps too")


def model_classes(arguments: argparse.Namespace) -> tuple[Any, Any]:
    """The classes of the configuration and of the tokenizer: those of ``--model_type``, or else the Auto classes.

    Raises:
        ValueError: tx has no such architecture.
        ImportError: its package is not installed; says how to install it.
    """
    from tx_core import AutoConfig, AutoTokenizer
    from tx_core.architecture import find, load

    if arguments.model_type is None:
        return AutoConfig, AutoTokenizer
    record = find(arguments.model_type)
    return load(record.config), load(record.tokenizer)


def check_longest(arguments: argparse.Namespace, longest: int | None) -> None:
    """Raise ValueError for a ``--max_seq_length``, where a script has one, that a model does not read.

    Args:
        arguments: of any parser.
        longest: what the model's configuration has as ``longest_sequence``; None for no limit.
    """
    given = getattr(arguments, "max_seq_length", None)
    if longest is not None and given is not None and given > longest:
        raise ValueError(f"--max_seq_length {given}: {arguments.model_name_or_path} reads {longest} tokens at most")


def answering_class(arguments: argparse.Namespace, framework: Literal["torch", "tf"]) -> Any:
    """The class that answers the questions of SQuAD: the Auto class, which takes the one that the model's files name.

    A training starts with the class that searches with a beam where the architecture publishes one (XLNet, XLM), and
    the files name none.
    """
    import tx_core
    from tx_core.architecture import Task, find, load

    if arguments.do_train:
        name = arguments.config_name or arguments.model_name_or_path
        config = model_classes(arguments)[0].from_pretrained(name, cache_dir=arguments.cache_dir)
        heads = getattr(find(config.model_type), framework)
        chosen = any("QuestionAnswering" in each for each in config.architectures or ())  # in an earlier training
        if Task.BEAM_QUESTION_ANSWERING in heads and not chosen:
            return load(heads[Task.BEAM_QUESTION_ANSWERING])
    return getattr(tx_core, f"{'TF' if framework == 'tf' else ''}AutoModelForQuestionAnswering")


def measured_model(arguments: argparse.Namespace) -> str:
    """What is measured without ``--do_train``: the model in ``--output_dir``, or where there is none the named one."""
    folder: Path = arguments.output_dir
    return str(folder) if (folder / "config.json").is_file() else str(arguments.model_name_or_path)


def measured_checkpoints(arguments: argparse.Namespace, found: list[Path]) -> list[Path]:
    """Those of the checkpoints that were found in ``--output_dir`` that are measured too: all or none.

    Args:
        arguments: of any parser; of one that was not given :func:`add_arguments_of_2019`, none is measured.
        found: the checkpoints.
    """
    if not getattr(arguments, "eval_all_checkpoints", False):
        return []
    if not found:
        logger.warning("--eval_all_checkpoints: there is no checkpoint in %s: see --save_steps", arguments.output_dir)
    return found


def training_options(arguments: argparse.Namespace, **others: Any) -> TrainingOptions:
    """The options of a `TrainingLoop` or `TFTrainingLoop` that the arguments stand for.

    Args:
        arguments: of a parser that `add_training_arguments` was given.
        others: further fields, ``metric="acc"``.

    Raises:
        ValueError: a number is out of its range.
    """
    return TrainingOptions(
        epochs=arguments.num_train_epochs,
        max_steps=None if arguments.max_steps == -1 else arguments.max_steps,
        batch_size=arguments.per_gpu_train_batch_size,
        accumulation_steps=arguments.gradient_accumulation_steps,
        learning_rate=arguments.learning_rate,
        weight_decay=arguments.weight_decay,
        adam_epsilon=arguments.adam_epsilon,
        warmup_steps=arguments.warmup_steps,
        max_grad_norm=arguments.max_grad_norm or None,
        precision="float16" if arguments.fp16 else "bfloat16" if arguments.bf16 else "float32",
        seed=arguments.seed,
        log_every=arguments.logging_steps,
        evaluate_every=arguments.logging_steps if arguments.evaluate_during_training else None,
        patience=arguments.patience,
        save_every=None if arguments.save_steps == -1 else arguments.save_steps,
        keep_checkpoints=arguments.save_total_limit,
        fsdp=getattr(arguments, "fsdp", False),
        **others,
    )
