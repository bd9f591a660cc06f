"""examples/run_tf_glue.py on a slice of real data: trains, measures, and refuses what cannot work."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
import tensorflow as tf
from safetensors.numpy import load_file

from tx_testing.data import data_path

SCRIPT = Path(__file__).resolve().parent.parent / "examples" / "run_tf_glue.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_tf_glue", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def mrpc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first rows of MRPC in GLUE's layout."""
    folder = tmp_path_factory.mktemp("MRPC")
    for name, rows in (("train.tsv", 32), ("dev.tsv", 20)):
        with open(data_path(f"glue/MRPC/{name}"), encoding="utf-8") as file:
            (folder / name).write_text("".join(file.readline() for _ in range(rows + 1)), encoding="utf-8")
    return folder


def arguments(folder: Path, *others: object) -> list[str]:
    given = ["--model_name_or_path", "tx-tiny/bert", "--data_dir", folder, "--max_seq_length", 48, "--do_lower_case"]
    given += ["--per_gpu_train_batch_size", 16, "--learning_rate", 1e-3, "--num_train_epochs", 2]
    return [*map(str, [*given, *others])]


def test_train_and_measure(script: ModuleType, mrpc: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="sklearn: the metrics of GLUE (pip install 'tx-data[metrics]')")
    given = arguments(mrpc, "--task_name", "MRPC", "--do_eval", "--output_dir", tmp_path / "out")
    found = script.main([*given, "--do_train"])
    assert {*found} == {"acc", "acc_and_f1", "f1"}
    assert (tmp_path / "out" / "vocab.txt").is_file()
    written = (tmp_path / "out" / "eval_results.txt").read_text()
    assert [line.split(" = ")[0] for line in written.splitlines()] == sorted(found)
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["metrics"] == found
    first, second = results["loss"]
    assert second < first
    # The model that was written gives the same numbers.
    assert script.main(given) == found


def test_float16_trains_variables_of_float32(script: ModuleType, mrpc: Path, tmp_path: Path) -> None:
    given = ("--task_name", "mrpc", "--do_train", "--fp16", "--num_train_epochs", 1, "--output_dir", tmp_path)
    tf.config.run_functions_eagerly(True)  # tracing takes longer than two steps
    try:
        assert script.main(arguments(mrpc, *given)) == {}
    finally:
        tf.config.run_functions_eagerly(False)
    (loss,) = json.loads((tmp_path / "results.json").read_text())["loss"]
    assert 0 < loss < 2
    assert {str(each.dtype) for each in load_file(tmp_path / "model.safetensors").values()} == {"float32"}


def test_wrong_arguments_are_refused_before_anything_is_loaded(
    script: ModuleType, mrpc: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "config.json").write_text("{}")

    def refused(task: str, folder: Path, *others: object) -> str:
        given = arguments(folder, "--task_name", task, "--model_name_or_path", "nothing/here", *others)
        with pytest.raises(SystemExit):
            script.main(given)
        return capsys.readouterr().err

    out = ("--output_dir", tmp_path / "out")
    assert "--task_name" in refused("mrpd", mrpc, "--do_train", *out)
    assert "nothing is to be done" in refused("mrpc", mrpc, *out)
    assert "there is no folder" in refused("mrpc", tmp_path / "no", "--do_train", *out)
    assert "is not empty" in refused("mrpc", mrpc, "--do_train", "--output_dir", tmp_path / "full")
    assert "--max_seq_length" in refused("mrpc", mrpc, "--do_eval", *out, "--max_seq_length", 0)
