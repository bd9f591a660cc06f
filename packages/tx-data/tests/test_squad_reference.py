"""SQuAD against the reference library: windows, answers, scores."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tx_bert import BertTokenizer
from tx_data import (
    SquadResult,
    SquadV1Processor,
    SquadV2Processor,
    compute_predictions_log_probs,
    compute_predictions_logits,
    squad_convert_examples_to_features,
    squad_evaluate,
)
from tx_testing import reference
from tx_testing.data import data_path
from tx_xlnet import XLNetTokenizer

SCRIPT = r"""
import contextlib
import io
import json
import numpy as np
from transformers import BertTokenizer, XLNetTokenizer
from transformers.data.metrics import squad_metrics
from transformers.data.processors import squad

FIELDS = (
    "input_ids", "attention_mask", "token_type_ids", "cls_index", "p_mask", "example_index", "unique_id",
    "paragraph_len", "token_is_max_context", "tokens", "token_to_orig_map", "start_position", "end_position",
    "is_impossible", "qas_id",
)

def main(arguments, inputs, folder):
    kinds = {"bert": BertTokenizer, "xlnet": XLNetTokenizer}
    tokenizer = kinds[arguments["kind"]](arguments["vocab"])
    processor = getattr(squad, arguments["processor"])()
    read = processor.get_train_examples if arguments["training"] else processor.get_dev_examples
    examples = read(*arguments["file"])
    features = squad.squad_convert_examples_to_features(
        examples, tokenizer, *arguments["lengths"], arguments["training"], padding_strategy=arguments["padding"],
        tqdm_enabled=False,
    )
    rows = [{name: getattr(each, name) for name in FIELDS} for each in features]
    arrays = {"features": np.array(json.dumps(rows))}
    names = [str(folder / name) for name in ("predictions", "nbest", "null")]
    if "logits" in inputs:
        results = [
            squad.SquadResult(each.unique_id, *inputs["logits"][n, :, : len(each.input_ids)].tolist())
            for n, each in enumerate(features)
        ]
        squad_metrics.compute_predictions_logits(
            examples, features, results, 20, 12, True, *names, False, arguments["negative"], 0.5, tokenizer
        )
    elif "starts" in inputs:
        results = [
            squad.SquadResult(
                each.unique_id, inputs["starts"][n].tolist(), inputs["ends"][n].tolist(),
                inputs["start_index"][n].tolist(), inputs["end_index"][n].tolist(), float(inputs["cls"][n]),
            )
            for n, each in enumerate(features)
        ]
        squad_metrics.compute_predictions_log_probs(
            examples, features, results, 20, 12, *names, 3, 4, True, tokenizer, False
        )
    else:
        return arrays
    predictions = json.loads((folder / "predictions").read_text())
    probs = {each.qas_id: float(n % 7) / 7 for n, each in enumerate(examples)}
    scores = squad_metrics.squad_evaluate(examples, predictions, probs, 0.6)
    arrays["scores"] = np.array(json.dumps([scores, squad_metrics.squad_evaluate(examples, predictions)]))
    return arrays
"""

# The processor, the file, and one in so many paragraphs of it, of which two questions are taken.
V1 = ("SquadV1Processor", "squad/v1.1/dev-v1.1.json", 70)
V2 = ("SquadV2Processor", "squad/dev-v2.0-half.json", 20)
VOCABS = {"bert": "vocab/bert-base-uncased/vocab.txt", "xlnet": "vocab/xlnet-base-cased/spiece.model"}


class Case:
    """The same examples and windows here and there."""

    def __init__(self, folder: Path, kind: str, dataset: tuple[str, str, int], training: bool, padding: str) -> None:
        name, source, every = dataset
        articles = json.loads(data_path(source).read_text())["data"]
        paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]][::every]
        for paragraph in paragraphs:
            paragraph["qas"] = paragraph["qas"][:2]
        (folder / "some.json").write_text(json.dumps({"data": [{"title": "", "paragraphs": paragraphs}]}))
        vocab = data_path(VOCABS[kind])
        self.lengths = (64, 24, 10) if kind == "bert" else (80, 31, 12)
        processor = {"SquadV1Processor": SquadV1Processor, "SquadV2Processor": SquadV2Processor}[name]()
        read = processor.get_train_examples if training else processor.get_dev_examples
        self.examples = read(folder, "some.json")
        self.tokenizer = (BertTokenizer if kind == "bert" else XLNetTokenizer)(vocab)
        self.features = squad_convert_examples_to_features(
            self.examples, self.tokenizer, *self.lengths, training, padding_strategy=padding
        )
        self.arguments = {
            "kind": kind,
            "vocab": str(vocab),
            "processor": name,
            "file": [str(folder), "some.json"],
            "training": training,
            "lengths": self.lengths,
            "padding": padding,
        }

    def run(self, inputs: dict[str, Any] | None = None, **arguments: Any) -> reference.Result:
        return reference.run(SCRIPT, {**self.arguments, **arguments}, inputs)

    def check_features(self, found: reference.Result) -> None:
        wanted = json.loads(str(found.arrays["features"]))
        assert len(self.features) == len(wanted)
        for feature, row in zip(self.features, wanted, strict=True):
            # The reference takes the unknown token for one that cannot be in an answer.
            unknown = self.tokenizer.unk_token_id
            feature.p_mask = [int(p or i == unknown) for p, i in zip(feature.p_mask, feature.input_ids, strict=True)]
            assert json.loads(json.dumps(asdict(feature))) == row

    def check_scores(self, found: reference.Result, predictions: dict[str, str], files: list[Path]) -> None:
        for file in files:
            assert json.loads(file.read_text()) == json.loads((found.folder / file.name).read_text()), file.name
        assert json.loads(files[0].read_text()) == predictions
        probs = {each.qas_id: (number % 7) / 7 for number, each in enumerate(self.examples)}
        scores = [squad_evaluate(self.examples, predictions, probs, 0.6), squad_evaluate(self.examples, predictions)]
        assert scores == json.loads(str(found.arrays["scores"]))


@pytest.mark.parametrize("kind", VOCABS)
@pytest.mark.parametrize("dataset", [V1, V2], ids=["v1", "v2"])
def test_training_windows_are_the_references(tmp_path: Path, kind: str, dataset: tuple[str, str, int]) -> None:
    # The reference does not count the padding that comes first in its positions.
    case = Case(tmp_path, kind, dataset, training=True, padding="max_length" if kind == "bert" else "do_not_pad")
    if kind == "xlnet":
        # Nor does it say where the token that stands for no answer is, for questions that have none.
        for feature in case.features:
            if case.examples[feature.example_index].is_impossible:
                assert feature.start_position == feature.end_position == feature.cls_index
                feature.start_position = feature.end_position = 0
    assert max(feature.example_index for feature in case.features) == len(case.examples) - 1
    case.check_features(case.run())


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("dataset", [V1, V2], ids=["v1", "v2"])
def test_answers_of_logits_are_the_references(tmp_path: Path, dataset: tuple[str, str, int], negative: bool) -> None:
    case = Case(tmp_path, "bert", dataset, training=False, padding="max_length")
    logits = 3 * np.random.default_rng(5).standard_normal((len(case.features), 2, 64))
    logits[::3, :, 0] += 6  # so that some have no answer
    found = case.run({"logits": logits}, negative=negative)
    results = [SquadResult(feature.unique_id, *logits[number].tolist()) for number, feature in enumerate(case.features)]
    files = [tmp_path / name for name in (("predictions", "nbest", "null") if negative else ("predictions", "nbest"))]
    predictions = compute_predictions_logits(
        case.examples, case.features, results, 20, 12, True, *files, *[None] * (3 - len(files)), False, negative, 0.5,
        case.tokenizer,
    )  # fmt: skip
    case.check_features(found)
    case.check_scores(found, predictions, files)


def test_answers_of_a_beam_are_the_references(tmp_path: Path) -> None:
    case = Case(tmp_path, "xlnet", V2, training=False, padding="do_not_pad")
    random = np.random.default_rng(6)
    count = len(case.features)
    starts, ends = random.standard_normal((count, 3)), random.standard_normal((count, 4, 3))
    # The reference leaves out the last token of every window.
    last = np.array([max(feature.paragraph_len - 1, 1) for feature in case.features])
    start_index = random.integers(0, last[:, None], (count, 3))
    end_index = np.minimum(start_index[:, None] + random.integers(0, 20, (count, 4, 3)), last[:, None, None] - 1)
    cls = random.standard_normal(count)
    # It reads the ends start by start, where the models give them rank by rank.
    by_start = {"ends": ends.transpose(0, 2, 1).reshape(count, 12)}
    by_start["end_index"] = end_index.transpose(0, 2, 1).reshape(count, 12)
    found = case.run({"starts": starts, "start_index": start_index, "cls": cls, **by_start})
    results = [
        SquadResult(each.unique_id, starts[n], ends[n].ravel(), start_index[n], end_index[n].ravel(), cls[n])
        for n, each in enumerate(case.features)
    ]
    files = [tmp_path / name for name in ("predictions", "nbest", "null")]
    predictions = compute_predictions_log_probs(
        case.examples, case.features, results, 20, 12, *files, 3, 4, True, case.tokenizer, False
    )
    case.check_features(found)
    case.check_scores(found, predictions, files)
