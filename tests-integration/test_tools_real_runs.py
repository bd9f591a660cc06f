"""tools/real_runs.py: the splits that it trains on, and the table that it writes."""

from __future__ import annotations

import csv
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tx_data import glue_processors, multiple_choice_processors

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("real_runs", ROOT / "tools" / "real_runs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


def test_pairs_are_in_one_of_two_sets(tool: ModuleType, tmp_path: Path) -> None:
    labels = ("entailment", "neutral", "contradiction")
    rows = [f"{number}\tA man {number}.\tA woman.\t{labels[number % 3]}" for number in range(50)]
    source = tmp_path / "pairs.tsv"
    source.write_text("\n".join(["index\tsentence1\tsentence2\tgold_label", *rows]) + "\n")
    tool.mnli(source, tmp_path / "MNLI")
    processor = glue_processors["mnli"]()
    sets = [getattr(processor, f"get_{name}_examples")(tmp_path / "MNLI") for name in ("train", "dev")]
    assert [len(each) for each in sets] == [44, 6]
    found = {(each.text_a, each.text_b, each.label) for each in (*sets[0], *sets[1])}
    assert found == {(f"A man {number}.", "A woman.", labels[number % 3]) for number in range(50)}


def test_articles_are_in_one_of_two_sets(tool: ModuleType, tmp_path: Path) -> None:
    titles = [f"title {number}" for number in range(10)]
    source = tmp_path / "squad.json"
    source.write_text(json.dumps({"version": "1.1", "data": [{"title": each, "paragraphs": []} for each in titles]}))
    tool.articles(source, tmp_path / "squad")
    parts = [json.loads((tmp_path / "squad" / f"{name}.json").read_text()) for name in ("train", "dev")]
    assert [len(each["data"]) for each in parts] == [8, 2]
    assert sorted(article["title"] for each in parts for article in each["data"]) == titles
    assert {each["version"] for each in parts} == {"1.1"}


def test_an_article_of_wikitext_stays_whole(tool: ModuleType, tmp_path: Path) -> None:
    articles = [f" = Title {number} = \n \n A text . \n = = Section = = \n More . \n" for number in range(10)]
    (tmp_path / "valid.txt").write_text(" \n" + "".join(articles))
    tool.wikitext(tmp_path / "valid.txt", tmp_path / "lm")
    assert (tmp_path / "lm" / "train.txt").read_text() == "".join(articles[:2])
    assert (tmp_path / "lm" / "eval.txt").read_text() == "".join(articles[2:])


def test_questions_get_the_published_form(tool: ModuleType, tmp_path: Path) -> None:
    source = tmp_path / "arc.csv"
    with source.open("w", newline="") as file:
        csv.writer(file).writerow(["What is hot?", "ice", "fire, and steam", "snow", "rain", "B"])
    (tmp_path / "train.jsonl").write_text(tool.questions(source))
    (example,) = multiple_choice_processors["arc"]().get_train_examples(tmp_path)
    assert example.question == "What is hot?"
    assert example.endings == ["ice", "fire, and steam", "snow", "rain"]
    assert example.label == 1


def test_the_table_has_mean_and_band(tool: ModuleType, tmp_path: Path) -> None:
    for seed, accuracy in ((42, 0.8), (43, 0.9), (44, 0.7)):
        folder = tmp_path / "rte" / str(seed)
        folder.mkdir(parents=True)
        measures = {"eval_results": {"acc": accuracy}}
        versions = {"torch": "2.13.0", "tensorflow-cpu": "2.21.0", "keras": "3.15.1", "numpy": "2.4.6"}
        where = {"processor": "A processor", "python": "3.11.7", "versions": versions}
        facts = {"command": f"python x.py --seed {seed}", "seed": seed, "seconds": 90.0, "measures": measures}
        (folder / "run.json").write_text(json.dumps(facts | where))
    table = tool.table(tmp_path)
    assert "| RTE | accuracy | 0.8000 | 0.7000 to 0.9000 | 42, 43, 44 | 1.5 |" in table.splitlines()
    assert "python x.py --seed 42" in table
    assert "Run on A processor, one thread each, with Python 3.11.7, PyTorch 2.13.0, TensorFlow 2.21.0, Keras" in table
    assert "heads masked" not in table


def test_the_curve_of_pruning_is_part_of_it(tool: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "pruning" / "42"
    folder.mkdir(parents=True)
    measures = [{"masked": number, "loss": 0.5, "acc": 0.8 - number / 100, "f1": 0.9} for number in (0, 7, 14)]
    parts = {"before": {"parameters": 2000}, "after": {"parameters": 1500}, "pruned": measures[1], "speed_up": 1.25}
    results = {"masking": measures, "pruning": {**parts, "heads": {"0": [1, 2], "3": [4]}}}
    (folder / "results.json").write_text(json.dumps(results))
    lines = tool.curve(tmp_path)
    assert "| 7 | 0.5000 | 0.7300 | 0.9000 |" in lines
    assert "With 3 heads removed the model has 1,500 parameters and not 2,000, the accuracy" in lines
    assert lines[-1] == "0.7300, and is 1.25 times as fast."
