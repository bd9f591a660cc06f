"""The 2019 README's quick tour and migration sections, run as they stand there; see `readme_2019/README.md`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tx_testing import published
from tx_testing.server import HubServer

PROGRAMS = Path(__file__).with_name("readme_2019")
USED = ("bert-base-uncased", "openai-gpt", "gpt2", "ctrl", "transfo-xl-wt103", "xlnet-base-cased", "xlm-mlm-enfr-1024")
USED += ("distilbert-base-uncased", "roberta-base")


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    """A hub with a small model of each architecture under a published name."""
    with HubServer() as server:
        for name in USED:
            published.add(server, name)
        yield server


def run(program: str, hub: HubServer, folder: Path) -> list[str]:
    """The lines that a program prints, run in a folder of its own with an empty cache."""
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, PROGRAMS / program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_quick_tour(hub: HubServer, tmp_path: Path) -> None:
    lines = run("quick_tour.py", hub, tmp_path)
    encoded, heads = lines[:9], lines[9:]
    for model, line in zip(
        ("Bert", "OpenAIGPT", "GPT2", "CTRL", "TransfoXL", "XLNet", "XLM", "DistilBert", "Roberta"),
        encoded,
        strict=True,
    ):
        assert line == f"{model}Model True"
    tasks = ("Model", "PreTraining", "MaskedLM", "NextSentencePrediction", "SequenceClassification")
    tasks += ("MultipleChoice", "TokenClassification", "QuestionAnswering")
    for number, task in enumerate(tasks):
        states, traced, reloaded = heads[3 * number : 3 * number + 3]
        name, *counts = states.split(maxsplit=3)
        assert name == ("BertModel" if task == "Model" else f"BertFor{task}")
        assert counts[:2] == ["5", "4"]  # the embeddings' output, and that of four layers
        assert (traced, reloaded) == ("True", "True")
    assert len(heads) == 3 * len(tasks)
    # Everything came through the cache, where it is under the names of the hub.
    assert {path.name for path in (tmp_path / "cache").glob("models--*")} == {f"models--{name}" for name in USED}


def test_migration(hub: HubServer, tmp_path: Path) -> None:
    assert run("migration.py", hub, tmp_path) == [
        "0 [1, 2] 4",
        "False",
        "False True",
        "['a', '[special_token_2]'] True",  # uncased
        "[3e-05]",
        "[3e-05]",
    ]
