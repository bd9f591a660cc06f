"""examples/run_generation.py, with a tiny random GPT-2 that is made here."""

from __future__ import annotations

import functools
import importlib.util
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from tx_tokenizers import PreTrainedTokenizer

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "run_generation.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose tokens are bytes."""
    import torch

    from tx_gpt2 import GPT2Config, GPT2LMHeadModel, GPT2Tokenizer
    from tx_tokenizers.byte_bpe import bytes_to_unicode

    where = tmp_path_factory.mktemp("model")
    vocabulary = {letter: i for i, letter in enumerate(bytes_to_unicode().values())}
    vocabulary["<|endoftext|>"] = len(vocabulary)
    (where / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (where / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    torch.manual_seed(0)
    config = GPT2Config(len(vocabulary), n_positions=64, n_embd=32, n_layer=2, n_head=4, initializer_range=0.3)
    GPT2LMHeadModel(config).save_pretrained(where)
    GPT2Tokenizer.from_pretrained(str(where)).save_pretrained(str(where))
    return where


@functools.cache
def script() -> Any:
    """The script as a module: a process for each command line would take seconds to start."""
    spec = importlib.util.spec_from_file_location("run_generation", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(folder: Path | str, *arguments: str, kind: str = "gpt2", stdin: str = "", status: int = 0) -> str:
    """What a command line prints, or where another status is wanted what it says of its arguments."""
    printed, said, found = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(printed), redirect_stderr(said), mock.patch.object(sys, "stdin", io.StringIO(stdin)):
        try:
            script().main(["--model_type", kind, "--model_name_or_path", str(folder), *arguments])
        except SystemExit as end:
            found = end.code if isinstance(end.code, int) else 1
            said.write("" if isinstance(end.code, int) else str(end.code))
    assert found == status, said.getvalue()
    return printed.getvalue() if status == 0 else said.getvalue()


def test_the_script_runs_by_itself(folder: Path) -> None:
    arguments = ("--prompt", "The weather", "--length", "12", "--temperature", "0")
    command = [sys.executable, str(EXAMPLE), "--model_type", "gpt2", "--model_name_or_path", str(folder), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8")
    assert result.returncode == 0, result.stderr
    assert result.stdout == run(folder, *arguments)


def test_command_lines_of_2019(folder: Path) -> None:
    sampled = run(folder, "--prompt", "The weather", "--length", "12")
    assert sampled.strip()
    assert run(folder, "--prompt", "The weather", "--length", "12", "--seed", "42") == sampled
    assert run(folder, "--prompt", "The weather", "--length", "12", "--seed", "43") != sampled
    greedy = run(folder, "--prompt", "The weather", "--length", "12", "--temperature", "0")
    other = run(folder, "--prompt", "The weather", "--temperature", "0", "--repetition_penalty", "1.9")
    assert other != greedy
    assert len(run(folder, "--prompt", "A", "--num_samples", "3", "--top_k", "4", "--length", "5")) > 5


def test_streamed_text_is_the_same(folder: Path) -> None:
    arguments = ("--prompt", "The weather", "--length", "12", "--temperature", "0")
    streamed, whole = run(folder, *arguments, "--stream"), run(folder, *arguments)
    assert streamed == whole


def test_streamed_text_goes_on_after_a_word_that_changed(capsys: pytest.CaptureFixture[str]) -> None:
    """What was an apostrophe between spaces is joined to both its neighbours once the second one is there."""
    example = script()
    words = ["the", "cats", "'", "food", ",", "they", "do", "n't", "say", "."]

    class Tokenizer:
        def decode(self, tokens: list[int]) -> str:
            text = " ".join(words[token] for token in tokens)
            return PreTrainedTokenizer.clean_up_tokenization(text)

    class Model:
        config = SimpleNamespace(longest_sequence=None)

        def generate(self, prompts: list[list[int]], **arguments: object) -> Iterator[tuple[int]]:
            for token in range(len(words)):
                yield (token,)
                shown.append(capsys.readouterr().out)

    shown: list[str] = []
    options = example.parse(["--model_type", "gpt2", "--model_name_or_path", "x", "--stream"])
    example.stream([0], Tokenizer(), Model(), options)
    assert "".join(shown) + capsys.readouterr().out == "the cats'food, they don't say.\n"
    assert shown[-1] == ""
    assert "".join(shown) == "the cats'food, they don't"


def test_prompts_of_a_file_are_continued_each_as_alone(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("The weather\n\nA\n", encoding="utf-8")
    rest = ("--length", "6", "--temperature", "0")
    alone = [run(folder, "--prompt", prompt, *rest) for prompt in ("The weather", "A")]
    assert run(folder, "--prompt_file", str(file), *rest) == "".join(alone)


@pytest.mark.parametrize("length", ["50", "-1"])
def test_a_long_prompt_takes_no_tokens_from_others(folder: Path, tmp_path: Path, length: str) -> None:
    prompts = ("The weather " * 4, "A")
    file = tmp_path / "prompts.txt"
    file.write_bytes(("\ufeff" + "\r\n".join(prompts)).encode())
    rest = ("--length", length, "--temperature", "0")
    alone = [run(folder, "--prompt", prompt, *rest) for prompt in prompts]
    assert run(folder, "--prompt_file", str(file), *rest) == "".join(alone)


@pytest.mark.parametrize("kind", ["transfo-xl", "xlnet"])
def test_models_with_memory_read_something_first(kind: str, tmp_path: Path) -> None:
    """What --padding_text says; and prompts of different lengths are continued together as each is alone."""
    rest = ("--length", "8", "--temperature", "0")
    prompts = ("In the summer of 1944 , the army", "The river")
    alone = [run(f"tx-tiny/{kind}", "--prompt", prompt, *rest, kind=kind) for prompt in prompts]
    file = tmp_path / "prompts.txt"
    file.write_text("\n".join(prompts), encoding="utf-8")
    assert run(f"tx-tiny/{kind}", "--prompt_file", str(file), *rest, kind=kind) == "".join(alone)
    other = run(f"tx-tiny/{kind}", "--prompt", prompts[1], "--padding_text", "He said : ", *rest, kind=kind)
    assert other.strip()
    assert other != alone[1]


def test_files_without_prompts(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    assert "no file" in run(folder, "--prompt_file", str(file), status=2)
    file.write_text("\n \n", encoding="utf-8")
    assert "holds no prompt" in run(folder, "--prompt_file", str(file), status=1)
    file.write_bytes(b"\xff\xfe")
    assert "not a text in UTF-8" in run(folder, "--prompt_file", str(file), status=1)


def test_prompts_of_the_input(folder: Path) -> None:
    text = run(folder, "--length", "6", "--temperature", "0", stdin="The weather\n\nA\n")
    assert text.count("Model prompt >>> ") == 4
    assert run(folder, "--prompt", "A", "--length", "6", "--temperature", "0") in text


def test_length_is_bounded_by_the_model(folder: Path) -> None:
    everything = run(folder, "--prompt", "The weather", "--length", "-1", "--temperature", "0")
    assert everything == run(folder, "--prompt", "The weather", "--length", "5000", "--temperature", "0")
    assert "64" in run(folder, "--prompt", "x" * 64, status=1)


def test_options_that_do_not_go_together(folder: Path) -> None:
    assert "--stream" in run(folder, "--prompt", "A", "--stream", "--num_samples", "2", status=2)
    assert "--temperature 0" in run(folder, "--prompt", "A", "--num_beams", "2", status=2)
    assert "xlnet" in run(folder, "--prompt", "A", "--padding_text", "x", status=2)
    assert "--xlm_lang" in run(folder, "--prompt", "A", "--xlm_lang", "en", status=2)


@pytest.mark.parametrize(
    "arguments",
    [("--length", "0"), ("--num_samples", "0"), ("--temperature", "-1"), ("--top_p", "1.5"), ("--num_beams", "0")],
)
def test_impossible_numbers(folder: Path, arguments: tuple[str, str]) -> None:
    assert f"{arguments[0]} cannot be {arguments[1]}" in run(folder, "--prompt", "A", *arguments, status=2)


def test_what_cannot_be_loaded(folder: Path) -> None:
    for arguments, wanted in (
        (("--model_type", "t5"), "no architecture 't5'"),
        (("--model_type", "bert"), "does not continue"),
        (("--model_name_or_path", str(folder / "nothing")), "nothing"),
    ):
        error = run(folder, "--prompt", "A", *arguments, status=1)
        assert wanted in error
        assert "Traceback" not in error
