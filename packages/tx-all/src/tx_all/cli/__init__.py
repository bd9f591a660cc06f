"""The command `tx`: looks into checkpoints, converts them, downloads and locks models, and says what is installed.

Each command is a module with two functions: `add` describes its arguments, `run` does it. Only what a command needs is
imported, when it runs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from . import convert, download, env, inspect

_COMMANDS = (inspect, convert, download, env)

_EXAMPLES = """\
examples:
  tx inspect bert-base-uncased                   names, shapes and types; which classes the weights are complete for
  tx convert my-bert my-bert-h5 --to h5          write a model in another format
  tx download bert-base-uncased --lock tx.lock   fetch a model, and note the hash of every file
  tx env                                         versions, for a bug report

`tx COMMAND --help` says more of each. Exit status: 0 done, 1 it could not be done, 2 wrong usage.
"""


class _Version(argparse.Action):
    """Prints the version of tx-all, which is looked up only here."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        from importlib.metadata import version

        print(f"tx {version('tx-all')}")
        parser.exit()


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    text = argparse.RawDescriptionHelpFormatter
    made = argparse.ArgumentParser(
        prog="tx",
        description="Nine transformer architectures in PyTorch and TensorFlow: the command line.",
        epilog=_EXAMPLES,
        formatter_class=text,
    )
    made.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = made.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in _COMMANDS:
        module.add(commands, text)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns its exit status.

    What can go wrong with files and names is one line on standard error and 1; wrong usage exits with 2, as argparse
    does.
    """
    arguments = parser().parse_args(argv)
    try:
        arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # `tx inspect … | head`: nobody reads the rest
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("tx: interrupted", file=sys.stderr)
        return 130
    except (OSError, ValueError, ImportError) as error:
        print(f"tx: error: {_one_line(error)}", file=sys.stderr)
        return 1
    return 0


def _one_line(error: Exception) -> str:
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip()) or type(error).__name__
