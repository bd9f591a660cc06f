"""examples/run_generation.py, with a tiny random GPT-2 that is made here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

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


def run(folder: Path, *arguments: str, stdin: str = "", status: int = 0) -> str:
    command = [sys.executable, str(EXAMPLE), "--model_type", "gpt2", "--model_name_or_path", str(folder), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, input=stdin, encoding="utf-8")
    assert result.returncode == status, result.stderr
    return result.stdout if status == 0 else result.stderr


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
    assert "".join(streamed.split()).replace("\ufffd", "") == "".join(whole.split()).replace("\ufffd", "")


def test_prompts_of_a_file_are_continued_each_as_alone(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("The weather\n\nA\n", encoding="utf-8")
    rest = ("--length", "6", "--temperature", "0")
    alone = [run(folder, "--prompt", prompt, *rest) for prompt in ("The weather", "A")]
    assert run(folder, "--prompt_file", str(file), *rest) == "".join(alone)


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
