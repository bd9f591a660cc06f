"""`tx convert`: a model in another format."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from . import text

if TYPE_CHECKING:
    from tqdm import tqdm

    from tx_core.converting import ConversionReport

_EXAMPLES = """\
SRC is a folder, a file of weights or the prefix of a TensorFlow 1 checkpoint, in any format that models load; a
repository of the hub, which is downloaded; or a model of an installed package (tx-tiny/bert). DST is a folder, which
gets the weights, the configuration and the tokenizer's files.

formats:
  safetensors   model.safetensors, which both frameworks and other libraries read; nothing in it can be run
  bin           pytorch_model.bin, as PyTorch models of 2019 wrote it
  h5            tf_model.h5, as Keras models of 2019 wrote it
  tf1           a TensorFlow 1 checkpoint under the authors' names, for their programs
  keras         model.weights.h5, for load_weights of Keras models; this one needs TensorFlow

Values stay as they are to the bit, but for types that a format does not have; what is cast is said.

examples:
  tx convert uncased_L-12_H-768_A-12 my-bert --to safetensors
  tx convert my-bert/pytorch_model.bin my-bert-h5 --to h5
  tx convert gpt2 my-gpt2 --to safetensors --dtype float16 --force
"""
FORMATS = ("safetensors", "bin", "h5", "tf1", "keras")
_MOST_LISTED = 6


def add(commands: Any, formatter: Any) -> None:
    """Describes the command to argparse."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "convert",
        help="write a model in another format",
        description="Write a model in another format, with all its heads, its configuration and its tokenizer's files.",
        epilog=_EXAMPLES,
        formatter_class=formatter,
    )
    parser.add_argument("source", metavar="SRC", help="what is converted")
    parser.add_argument("destination", metavar="DST", help="a folder, made if need be")
    parser.add_argument("--to", choices=FORMATS, required=True, help="the format")
    parser.add_argument("--force", action="store_true", help="replace what DST has of these files")
    parser.add_argument("--dtype", help="cast all parameters to this type, float32 say (default: their own)")
    parser.add_argument(
        "--model-type", metavar="TYPE", help="the architecture, if no config.json tells it: bert, gpt2, …"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Converts, and says what was done.

    Raises:
        OSError, ValueError, ImportError: what `tx_core.converting.convert` raises.
    """
    from tx_core.converting import convert

    source = local_folder(arguments.source)
    bar = _Bar(f"Converting to {arguments.to}")
    try:
        report = convert(
            source,
            arguments.destination,
            arguments.to,
            force=arguments.force,
            model_type=arguments.model_type,
            dtype=arguments.dtype,
            progress=bar,
        )
    finally:
        bar.close()
    print("\n".join(_lines(report)))


def local_folder(name_or_path: str) -> str:
    """The path itself, or the folder of a model of an installed package or of the hub, fetched if need be."""
    from tx_core.files import Source
    from tx_core.files.bundled import bundled_folder
    from tx_core.files.source import check_name

    from .download import Fetched

    if os.path.exists(name_or_path) or os.path.exists(f"{name_or_path}.index"):
        return name_or_path
    bundled = bundled_folder(check_name(name_or_path))
    if bundled is not None:
        return str(bundled)
    fetched = Fetched(name_or_path, Source())
    fetched.model(None)
    return str(fetched.folder)


class _Bar:
    """Shows how many bytes were read; it begins with the first."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._bar: tqdm[Any] | None = None

    def __call__(self, done: int, total: int) -> None:
        from tx_core.files import progress

        if self._bar is None:
            self._bar = progress(total, self._title)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _lines(report: ConversionReport) -> list[str]:
    casts = Counter(report.casts.values())
    rows = [
        ("architecture", report.model_type),
        ("class", report.class_name or "several fit, or none has all its heads"),
        ("parameters", f"{text.grouped(len(report.shapes))} arrays, {text.size(report.size)}"),
        *(("cast", f"{text.grouped(count)} from {old} to {new}") for (old, new), count in sorted(casts.items())),
        *((("added", _listed(report.supplied)),) if report.supplied else ()),
        *((("left out", _listed(report.dropped)),) if report.dropped else ()),
        ("files", ", ".join(map(text.name, report.files))),
    ]
    arrow = f"{report.source} ({report.source_format}) → {report.destination} ({report.format})"
    return [arrow, *text.table(rows)]


def _listed(names: tuple[str, ...]) -> str:
    more = len(names) - _MOST_LISTED
    return ", ".join([*map(text.name, names[:_MOST_LISTED]), *([f"and {more} more"] if more > 0 else [])])
