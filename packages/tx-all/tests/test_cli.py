"""The command line as a whole: help, exit status, errors on one line, and what it costs to start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tx_all.cli import main, parser

HEAVY = ("torch", "tensorflow", "keras", "numpy", "h5py", "requests", "tqdm", "importlib.metadata")
COMMANDS = ("inspect", "convert", "download", "env")


def run(
    *arguments: str, code: str = "import sys; from tx_all.cli import main; sys.exit(main())"
) -> tuple[int, str, str]:
    """Status, output and errors of a process."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("arguments", [(), *((command,) for command in COMMANDS)], ids=str)
def test_help_teaches(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--help"])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert "example" in said
    assert f"tx {arguments[0]} " in said if arguments else all(f"\n    {command} " in said for command in COMMANDS)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, json\nfrom tx_all.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
        f"print(json.dumps([name for name in {HEAVY} if name in sys.modules]), file=sys.stderr)"
    )
    status, _, said = run(code=code)
    assert (status, json.loads(said)) == (0, [])


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"tx {version('tx-all')}\n"


@pytest.mark.parametrize(
    "arguments",
    [[], ["no-such-command"], ["inspect"], ["env", "more"], ["download", "a", "--format", "b"], ["convert", "a", "b"]],
    ids=str,
)
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    said = capsys.readouterr()
    assert (said.out, said.err[:6]) == ("", "usage:")


def test_what_cannot_be_done_is_one_line_and_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = tmp_path / "damaged\nmodel.safetensors"
    damaged.write_bytes(b"\xff" * 100)
    assert main(["inspect", str(damaged)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("tx: error: ")
    assert said.err.count("\n") == 1
    assert "model.safetensors" in said.err


def test_a_process_ends_as_main_says(tmp_path: Path) -> None:
    status, out, said = run("inspect", str(tmp_path))
    assert (status, out) == (1, "")
    assert said == f"tx: error: {str(tmp_path)!r} holds no weights: none of {said.partition('none of ')[2]}"


def test_a_reader_that_stops_reading_is_no_error() -> None:
    code = "import os, sys; from tx_all.cli import main; os.close(int(sys.argv[1])); sys.exit(main(['env']))"
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(reader)], stdout=writer, stderr=subprocess.PIPE, pass_fds=[reader], text=True
    )
    os.close(writer)
    os.close(reader)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (1, "")


def test_an_interruption_is_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    from tx_all.cli import env

    monkeypatch.setattr(env, "run", stop)
    assert main(["env"]) == 130
    assert capsys.readouterr().err == "tx: interrupted\n"


def test_every_line_of_help_fits_the_usual_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert max(map(len, parser().format_help().splitlines())) <= 120
