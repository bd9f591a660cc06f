"""examples/run_bertology.py on a slice of real data: its measures are right, and heads go for good."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tx_core import AutoModelForSequenceClassification, AutoTokenizer
from tx_testing.examples import Example
from tx_testing.glue import first_files

FOLDER = Path(__file__).resolve().parent.parent / "examples"


@pytest.fixture(scope="module")
def mrpc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first rows of MRPC in GLUE's layout."""
    return first_files("MRPC", tmp_path_factory.mktemp("MRPC"), dev=32)


@pytest.fixture
def script(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Example:
    monkeypatch.syspath_prepend(str(FOLDER))  # as for a script that is run
    return Example(FOLDER / "run_bertology.py", capsys.readouterr)


def flags(mrpc: Path) -> list[object]:
    common = ["--model_name_or_path", "tx-tiny/bert", "--task_name", "MRPC", "--data_dir", mrpc, "--no_cuda"]
    return [*common, "--max_seq_length", 48, "--batch_size", 8]


def rows(script: Example, mrpc: Path, tmp_path: Path, name: str, count: int) -> list[dict[str, torch.Tensor]]:
    module = script._module
    length = ["--max_seq_length", 96]  # some rows are shorter, and padded
    options = module.parse([*map(str, [*flags(mrpc), *length, "--output_dir", tmp_path / "out"])])
    tokenizer = AutoTokenizer.from_pretrained(f"tx-tiny/{name}")
    found: list[dict[str, torch.Tensor]] = module.dataset(options, "mrpc", tokenizer, "dev")[:count]
    return found


def model(name: str) -> Any:
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_pretrained(f"tx-tiny/{name}", num_labels=2).double().eval()


@pytest.mark.parametrize("name", ["bert", "roberta", "distilbert", "xlnet"])
def test_importance_is_the_change_of_each_rows_loss(script: Example, mrpc: Path, tmp_path: Path, name: str) -> None:
    some, made, step = rows(script, mrpc, tmp_path, name, 3), model(name), 1e-4
    mask = torch.ones(made.config.num_hidden_layers, made.config.num_attention_heads, dtype=torch.float64)
    mask[0, 1] = 0.0  # also while a head is masked, its own included
    expected = torch.zeros_like(mask)
    with torch.no_grad():
        for row in some:
            batch = {key: values[None] for key, values in row.items()}
            for layer, head in np.ndindex(*mask.shape):
                losses = []
                for change in (step, -step):
                    changed = mask.clone()
                    changed[layer, head] += change
                    losses.append(float(made(**batch, head_mask=changed).loss))
                expected[layer, head] += abs(losses[0] - losses[1]) / (2 * step) / len(some)
    for batch_size in (1, 2):
        found = script._module.Heads.measured(made, some, mask, batch_size)
        torch.testing.assert_close(found.importance, expected, rtol=1e-5, atol=1e-8)


def test_entropy_of_even_attention_is_that_of_the_number_of_tokens(script: Example, mrpc: Path, tmp_path: Path) -> None:
    some, made = rows(script, mrpc, tmp_path, "bert", 4), model("bert")
    first = made.bert.encoder.layer[0].attention.self.query
    torch.nn.init.zeros_(first.weight)
    torch.nn.init.zeros_(first.bias)
    mask = torch.ones(made.config.num_hidden_layers, made.config.num_attention_heads, dtype=torch.float64)
    lengths = [int(row["attention_mask"].sum()) for row in some]
    assert min(lengths) < len(some[0]["input_ids"])  # there is padding
    expected = sum(length * math.log(length) for length in lengths) / sum(lengths)
    entropy = script._module.Heads.measured(made, some, mask, 3).entropy
    torch.testing.assert_close(entropy[0], torch.full_like(entropy[0], expected))
    assert bool((entropy[1:] < math.log(max(lengths))).all())
    # Heads that are gone have none.
    made.prune_heads({1: [2]})
    entropy = script._module.Heads.measured(made, some, script._module.all_heads(made.config).double(), 3).entropy
    assert entropy.isnan().nonzero().tolist() == [[1, 2]]


@pytest.mark.parametrize("name", ["bert", "roberta", "distilbert"])
def test_a_model_without_heads_gives_what_it_gave_with_them_masked(
    script: Example, mrpc: Path, tmp_path: Path, name: str
) -> None:
    batch = torch.utils.data.default_collate(rows(script, mrpc, tmp_path, name, 4))
    made = model(name)
    mask = script._module.without(
        script._module.all_heads(made.config), torch.arange(5.0).repeat(made.config.num_hidden_layers, 1), 3
    )
    whole, masked = made(**batch).logits, made(**batch, head_mask=mask).logits
    made.prune_heads({layer: (mask[layer] == 0).nonzero().flatten().tolist() for layer in range(len(mask))})
    torch.testing.assert_close(made(**batch).logits, masked)
    assert not torch.allclose(whole, masked)


def test_the_least_important_heads_go_first_and_the_last_of_a_layer_stays(script: Example) -> None:
    without = script._module.without
    importance, mask = torch.tensor([[0.1, 0.2, 0.3], [0.5, 0.4, 0.6]]), torch.ones(2, 3)
    assert without(mask, importance, 1).tolist() == [[0, 1, 1], [1, 1, 1]]
    assert without(mask, importance, 3).tolist() == [[0, 0, 1], [1, 0, 1]]
    assert without(mask, importance, 9).tolist() == [[0, 0, 1], [0, 0, 1]]
    assert mask.sum() == 6


def test_normalised_by_layer_and_over_all(script: Example, mrpc: Path, tmp_path: Path) -> None:
    def found(*more: str) -> Any:
        options = script._module.parse([*map(str, flags(mrpc)), "--output_dir", str(tmp_path / "out"), *more])
        return script._module.normalised(torch.tensor([[3.0, 4.0], [0.0, 2.0]]), options)

    layer, whole = "--dont_normalize_importance_by_layer", "--dont_normalize_global_importance"
    torch.testing.assert_close(found(), torch.tensor([[0.6, 0.8], [0.0, 1.0]]))
    torch.testing.assert_close(found(whole), torch.tensor([[0.6, 0.8], [0.0, 1.0]]))
    torch.testing.assert_close(found(layer), torch.tensor([[0.75, 1.0], [0.0, 0.5]]))
    torch.testing.assert_close(found(layer, whole), torch.tensor([[3.0, 4.0], [0.0, 2.0]]))


def test_masking_and_pruning(script: Example, mrpc: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn", reason="sklearn: the metrics of GLUE (pip install 'tx-data[metrics]')")
    folder = tmp_path / "heads"
    masking = ["--try_masking", "--masking_amount", 0.25, "--masking_threshold", 0.7, "--metric_name", "acc"]
    printed = script.run(*flags(mrpc), "--output_dir", folder, *masking)
    results = json.loads((folder / "results.json").read_text())
    arrays = {path.stem: np.load(path, allow_pickle=False) for path in folder.glob("*.npy")}
    assert {*arrays} == {"head_importance", "attn_entropy", "head_ranks", "head_mask"}
    for name, array in arrays.items():
        assert array.shape == (4, 5)
        assert array.tolist() == results[name]
    ranks, importance, mask = arrays["head_ranks"], arrays["head_importance"], arrays["head_mask"]
    assert sorted(ranks.flatten()) == [*range(20)]
    assert [*importance.flatten()[ranks.flatten().argsort()]] == sorted(importance.flatten(), reverse=True)
    assert (importance.min(), importance.max()) == (0, pytest.approx(1))
    # The curve goes on as long as the score holds, and the mask is that of the last point that does.
    curve, least = results["masking"], 0.7 * results["masking"][0]["acc"]
    held = [point for point in curve if point["acc"] >= least]
    assert len(held) >= len(curve) - 1
    assert (mask == 0).sum() == held[-1]["masked"] > 0
    assert mask.sum(1).min() >= 1
    pruning = results["pruning"]
    assert pruning["heads"] == {str(row): (mask[row] == 0).nonzero()[0].tolist() for row in range(4) if 0 in mask[row]}
    assert pruning["pruned"] == pytest.approx(pruning["masked"], rel=1e-5)
    assert pruning["after"]["parameters"] < pruning["before"]["parameters"]
    assert "heads masked" in (folder / "results.svg").read_text()
    # The model is saved without the heads, and run_glue.py finds the same score.
    assert AutoModelForSequenceClassification.from_pretrained(folder).config.kept_heads(0) == [*np.flatnonzero(mask[0])]
    glue = Example(FOLDER / "run_glue.py", capsys.readouterr)
    score = glue.run(*flags(mrpc)[:-2], "--do_eval", "--output_dir", folder)
    assert f"acc without them = {pruning['pruned']['acc']:.4f}" in printed
    assert f"acc = {pruning['pruned']['acc']:.4f}" in score.splitlines()


def test_wrong_arguments_are_refused_before_anything_is_loaded(script: Example, mrpc: Path, tmp_path: Path) -> None:
    common = ["--model_name_or_path", "nothing/here", "--task_name", "mrpc", "--output_dir", tmp_path / "out"]
    assert "there is no folder" in script.refusal(*common, "--data_dir", tmp_path / "no")
    common += ["--data_dir", mrpc]
    for wrong in (["--batch_size", 0], ["--data_subset", 0], ["--masking_amount", 1], ["--masking_threshold", 90]):
        assert str(wrong[0]) in script.refusal(*common, *wrong)
    assert "is not empty" in script.refusal(*common, "--output_dir", mrpc)
    own = ["--output_dir", mrpc, "--overwrite_output_dir", "--model_name_or_path", mrpc]
    assert "is the model that is measured" in script.refusal(*common, *own)


def test_models_and_metrics_that_do_not_fit_are_refused(script: Example, mrpc: Path, tmp_path: Path) -> None:
    common = [*flags(mrpc), "--output_dir", tmp_path / "out"]
    with pytest.raises(ValueError, match="has 2 labels, and sts-b 1: fine-tune it"):
        script.run(*common, "--task_name", "sts-b")
    with pytest.raises(NotImplementedError, match="does not support the removal of heads"):
        script.run(*common, "--model_name_or_path", "tx-tiny/xlnet", "--try_masking")
    pytest.importorskip("sklearn", reason="sklearn: the metrics of GLUE (pip install 'tx-data[metrics]')")
    with pytest.raises(ValueError, match="--metric_name mcc: mrpc has acc, f1, acc_and_f1"):
        script.run(*common, "--data_subset", 4, "--metric_name", "mcc")
