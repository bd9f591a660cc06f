"""examples/run_transfo_xl.py, with a tiny random Transformer-XL that is made here."""

from __future__ import annotations

import importlib.util
import itertools
import math
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "run_transfo_xl.py"
WORDS = ["<eos>", "<unk>", *(f"w{i}" for i in range(48))]
MEMORY = 4


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_transfo_xl", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where a dataclass looks its annotations up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose predictions depend much on what it remembers."""
    import torch

    from tx_transfo_xl import TransfoXLConfig, TransfoXLLMHeadModel, TransfoXLTokenizer

    where = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"d_model": 16, "d_embed": 16, "n_head": 2, "d_head": 8, "d_inner": 32, "n_layer": 2}
    config = TransfoXLConfig(vocab_size=len(WORDS), cutoffs=[10], div_val=2, init_std=0.5, proj_init_std=0.5, **sizes)
    TransfoXLLMHeadModel(config).save_pretrained(where)
    (where / "words.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    TransfoXLTokenizer(vocab_file=str(where / "words.txt")).save_pretrained(str(where))
    return where


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    words = np.random.default_rng(0).choice([*WORDS[2:], "strange"], (12, 9))
    path.write_text("\n".join(" ".join(line) for line in words) + "\n", encoding="utf-8")
    return path


def measured(example: ModuleType, folder: Path, text: Path, *arguments: str) -> dict[str, float]:
    given = ["--model_name", str(folder), "--data", str(text), "--mem_len", str(MEMORY), "--clamp_len", "3", *arguments]
    found: dict[str, float] = example.measure(example.parse(given))
    return found


def test_neither_segments_nor_batches_change_the_number(example: ModuleType, folder: Path, text: Path) -> None:
    whole = measured(example, folder, text, "--tgt_len", "500")
    assert whole["tokens"] == 12 * 10 - 1
    assert whole["unknown"] > 0
    assert whole["perplexity"] == pytest.approx(math.exp(whole["loss"]))
    for length in ("1", "3", "7", "64"):
        for batch in ("1", "2", "5", "40"):
            found = measured(example, folder, text, "--tgt_len", length, "--batch_size", batch)
            assert found["tokens"] == whole["tokens"]
            assert found["loss"] == pytest.approx(whole["loss"], abs=1e-5), (length, batch)
    # All of this is telling: another memory is another number.
    other = measured(example, folder, text, "--mem_len", "2")
    assert abs(other["loss"] - whole["loss"]) > 1e-3


def test_every_token_is_predicted_from_what_the_memory_holds(example: ModuleType, folder: Path, text: Path) -> None:
    """The sum, token by token, of a model that reads one at a time."""
    import torch

    from tx_transfo_xl import TransfoXLLMHeadModel, TransfoXLTokenizer

    tokenizer = TransfoXLTokenizer.from_pretrained(str(folder))
    ids = torch.from_numpy(example.read(text, tokenizer, raw=False).ids)
    model = TransfoXLLMHeadModel.from_pretrained(folder, mem_len=MEMORY, clamp_len=3, same_length=True).eval()
    mems, total = None, 0.0
    with torch.no_grad():
        for token, following in itertools.pairwise(ids):
            logits, mems = model(token[None, None], mems=mems)[:2]
            total -= float(logits[0, 0, following])
    found = measured(example, folder, text, "--tgt_len", "16", "--batch_size", "2")
    assert found["loss"] == pytest.approx(total / (len(ids) - 1), abs=1e-5)


def test_same_number_in_tensorflow(example: ModuleType, folder: Path, text: Path) -> None:
    arguments = ("--tgt_len", "16", "--batch_size", "3")
    wanted = measured(example, folder, text, *arguments)
    found = measured(example, folder, text, "--framework", "tf", *arguments)
    assert found["tokens"] == wanted["tokens"]
    assert found["loss"] == pytest.approx(wanted["loss"], abs=1e-5)


def test_raw_text_and_a_part_of_it(
    example: ModuleType, folder: Path, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = tmp_path / "raw.txt"
    raw.write_text("w1 w2 (w3), w4.\nw5 w6\n", encoding="utf-8")
    assert measured(example, folder, raw, "--raw")["tokens"] > measured(example, folder, raw)["tokens"]
    assert measured(example, folder, text, "--max_tokens", "30")["tokens"] == 29
    example.main(["--model_name", str(folder), "--data", str(text), "--mem_len", "4"])
    assert "perplexity" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "arguments", "match"),
    [
        (b"", (), "holds 0 tokens"),
        (b"\xff\xfe", (), "not a text in UTF-8"),
        (b"w1 w2", ("--batch_size", "0"), ""),
        (b"w1 w2", ("--model_name", "no/such/folder"), "no/such/folder"),
    ],
)
def test_what_cannot_be_measured(
    example: ModuleType, folder: Path, tmp_path: Path, content: bytes, arguments: tuple[str, ...], match: str
) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(SystemExit, match=match):
        example.main(["--model_name", str(folder), "--data", str(path), *arguments])
