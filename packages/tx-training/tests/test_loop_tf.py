"""The loop in Keras: what it writes, evaluations, an early end, and training that goes on from a checkpoint."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import types
from collections import namedtuple
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file

from tx_bert import (
    BertConfig,
    TFBertForQuestionAnswering,
    TFBertForSequenceClassification,
    TFBertForTokenClassification,
)
from tx_training import TFEvaluation, TFTrainingLoop, TrainingOptions, evaluation_tf
from tx_training.checkpoints_tf import KEYS, STATE_NAME, checkpoints, load_state, save_checkpoint
from tx_training.evaluation_tf import as_dataset

CONFIG = BertConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
OPTIONS = TrainingOptions(
    epochs=3, batch_size=3, accumulation_steps=2, learning_rate=0.01, weight_decay=0.01, warmup_steps=2, log_every=2,
    save_every=3,
)  # fmt: skip
Outputs = namedtuple("Outputs", "loss logits")


class Toy(keras.Model):
    """A label for each token, -100 where it has none; in place of a model of tx, which takes seconds to trace."""

    def __init__(self, dropout: float = 0.1, dtype: str | None = None) -> None:
        super().__init__(dtype=dtype)
        self.embedding = keras.layers.Embedding(20, 4, dtype=self.dtype_policy)
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.dense = keras.layers.Dense(2, dtype=self.dtype_policy)
        self.embedding.build(None)
        self.dense.build((None, 4))
        self.built = True

    def call(self, batch: dict[str, Any], training: bool = False) -> Any:
        logits = self.dense(self.dropout(self.embedding(batch["input_ids"]), training=training))
        labels = batch["labels"]
        counted = keras.ops.cast(labels != -100, "float32")
        losses = keras.ops.sparse_categorical_crossentropy(
            keras.ops.maximum(labels, 0), keras.ops.cast(logits, "float32"), from_logits=True
        )
        loss = keras.ops.sum(losses * counted) / keras.ops.maximum(keras.ops.sum(counted), 1)
        return Outputs(loss, logits)

    def save_pretrained(self, folder: Path) -> None:
        self.save_weights(folder / "toy.weights.h5")

    def load_weights(self, filepath: Path, *args: Any, **kwargs: Any) -> None:
        super().load_weights(filepath / "toy.weights.h5")


def toy(**named: Any) -> Toy:
    keras.utils.set_random_seed(0)
    return Toy(**named)


def columns(count: int = 20) -> dict[str, Any]:
    """Tokens; those of every third row, and some others, have no label."""
    ids = np.random.default_rng(1).integers(1, 20, (count, 5), dtype=np.int32)
    labels = np.where(ids % 5 > 0, ids % 2, -100).astype(np.int32)
    labels[::3, 1:] = -100
    return {"input_ids": ids, "labels": labels}


def accuracy(predictions: list[Any], labels: list[Any]) -> dict[str, float]:
    guesses, wanted = np.stack(predictions).argmax(-1), np.stack(labels)
    return {"acc": float(np.mean((guesses == wanted)[wanted >= 0]))}


def loop(folder: Path, options: TrainingOptions = OPTIONS, model: Any = None, **named: Any) -> TFTrainingLoop:
    return TFTrainingLoop(model or toy(), columns(), folder, options, **named)


def weights(folder: Path) -> list[Any]:
    model = toy()
    model.load_weights(folder)
    return [each.numpy() for each in model.trainable_variables]


def losses(history: list[dict[str, float]]) -> list[float]:
    return [row["loss"] for row in history if "loss" in row]


def test_a_model_of_tx_learns_and_there_is_something_to_read(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = TFBertForSequenceClassification(CONFIG)
    ids = columns()["input_ids"]
    rows = {"input_ids": ids, "labels": (ids[:, 0] > 9).astype(np.int32)}
    evaluation = TFEvaluation(rows, metrics=accuracy)
    options = replace(OPTIONS, epochs=10, batch_size=6, accumulation_steps=1, save_every=None)
    training = TFTrainingLoop(model, rows, tmp_path / "new" / "folder", options, evaluation=evaluation)
    assert (training.steps_per_epoch, training.total_steps) == (4, 40)
    result = training.run()
    folder = training.folder
    assert {path.name for path in folder.iterdir()} - {"runs"} == {
        "config.json", "model.safetensors", "eval_results.txt", "results.json", "results.svg",
    }  # fmt: skip
    assert result.steps == 40
    assert result.metrics["loss"] < 0.5
    assert (folder / "eval_results.txt").read_text() == "".join(
        f"{name} = {result.metrics[name]}\n" for name in ("acc", "loss")
    )
    written = json.loads((folder / "results.json").read_text())
    assert written["history"] == result.history
    assert written["metrics"] == result.metrics
    assert written["options"]["learning_rate"] == 0.01
    rated = [row for row in result.history if "loss" in row]
    assert [row["step"] for row in rated] == [*range(2, 41, 2)]
    assert rated[0]["learning_rate"] == pytest.approx(0.01)
    assert rated[-1]["learning_rate"] == 0.0
    measured = [row for row in result.history if "eval_acc" in row]
    assert [row["epoch"] for row in measured] == [*range(1, 11)]
    assert min(row["eval_loss"] for row in measured) == result.metrics["loss"]
    # The best model is the one that is kept, and each row counts once.
    model.load_weights(folder)
    outputs = model(rows)
    assert result.metrics["loss"] == pytest.approx(float(outputs[0]), rel=1e-5)
    assert result.metrics["acc"] == pytest.approx(float(np.mean(outputs[1].numpy().argmax(-1) == rows["labels"])))


@pytest.mark.parametrize("step", [3, 6])  # within an epoch; the next epoch's second step
def test_a_resumed_training_is_the_uninterrupted_one_bit_by_bit(step: int, tmp_path: Path) -> None:
    named: dict[str, Any] = {"evaluation": TFEvaluation(columns(9), metrics=accuracy)}
    whole = loop(tmp_path / "whole", **named).run()
    assert [path.name for path in checkpoints(tmp_path / "whole")] == [f"checkpoint-{n}" for n in (3, 6, 9, 12)]
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    for path in checkpoints(tmp_path / "cut"):
        if path.name != f"checkpoint-{step}":
            shutil.rmtree(path)
    keras.utils.set_random_seed(1)  # nothing comes from what happens to be there
    model = Toy()
    resumed = loop(tmp_path / "cut", model=model, **named).run(resume=True)
    assert resumed == whole
    for name in ("", "checkpoint-12"):
        for one, other in zip(weights(tmp_path / "cut" / name), weights(tmp_path / "whole" / name), strict=True):
            np.testing.assert_array_equal(one, other)
    one, other = (load_file(tmp_path / name / "checkpoint-12" / STATE_NAME) for name in ("cut", "whole"))
    assert {name: each.tobytes() for name, each in one.items()} == {n: e.tobytes() for n, e in other.items()}
    with pytest.raises(FileExistsError, match="has checkpoints of a training, such as checkpoint-12"):
        loop(tmp_path / "cut").run()
    with pytest.raises(ValueError, match="with batch_size = 3, and this one has 4"):
        loop(tmp_path / "cut", replace(OPTIONS, batch_size=4)).run(resume=True)
    loop(tmp_path / "cut", replace(OPTIONS, max_steps=3)).run(overwrite=True)
    assert [path.name for path in checkpoints(tmp_path / "cut")] == ["checkpoint-3"]


def test_parts_of_a_batch_are_the_batch(tmp_path: Path) -> None:
    """Also where parts have different numbers of labels, an epoch's last step has fewer, and gradients are clipped."""
    found = []
    for size, parts in ((8, 1), (2, 4)):
        options = replace(OPTIONS, batch_size=size, accumulation_steps=parts, max_grad_norm=0.1, log_every=1)
        result = loop(tmp_path / str(parts), replace(options, save_every=None), model=toy(dropout=0.0)).run()
        found.append(losses(result.history))
    assert len(found[0]) == 9
    assert found[0][-1] < found[0][0] - 0.01
    np.testing.assert_allclose(found[1], found[0], rtol=1e-6)


def test_a_training_ends_where_it_becomes_no_better_and_keeps_the_best(tmp_path: Path) -> None:
    scores = iter([1.0, 3.0, 2.0, 3.0, 9.0])
    evaluation = TFEvaluation(columns(), metrics=lambda predictions, labels: {"f1": next(scores)}, loss=None)
    options = replace(OPTIONS, metric="f1", patience=2, evaluate_every=1, keep_checkpoints=1, save_every=1)
    result = loop(tmp_path, options, evaluation=evaluation).run()
    assert (result.steps, result.stopped_early, result.metrics) == (4, True, {"f1": 3.0})
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-4"]
    assert losses(result.history)
    assert result.history[-1]["step"] == 4
    best, last = weights(tmp_path), weights(tmp_path / "checkpoint-4")
    assert any((one != other).any() for one, other in zip(best, last, strict=True))
    # A training that had ended stays so.
    assert loop(tmp_path, options, evaluation=evaluation).run(resume=True) == result


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_trains_variables_of_float32(precision: Any, tmp_path: Path) -> None:
    seen: list[int] = []
    counting = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    options = replace(OPTIONS, precision=precision, schedule="cosine", save_every=2, epochs=2)
    training = loop(tmp_path, options, model=toy(dtype=f"mixed_{precision}"), callbacks=[counting])
    result = training.run()
    assert 0 < losses(result.history)[-1] < 2
    assert seen == [0, 1]
    assert {str(each.dtype) for each in training.model.trainable_variables} == {"float32"}
    shutil.rmtree(tmp_path / "checkpoint-8")
    assert loop(tmp_path, options, model=toy(dtype=f"mixed_{precision}")).run(resume=True) == result


def test_tensorboard_has_every_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = types.ModuleType("tensorboard")
    module.__spec__ = ModuleSpec("tensorboard", None)
    monkeypatch.setitem(sys.modules, "tensorboard", module)
    shown: list[tuple[Any, ...]] = []
    monkeypatch.setattr(tf.summary, "scalar", lambda *scalar: shown.append(scalar))
    result = loop(tmp_path, replace(OPTIONS, max_steps=4, save_every=None)).run()
    assert shown == [(name, row[name], row["step"]) for row in result.history for name in ("loss", "learning_rate")]
    assert len(shown) == 4
    assert len([*(tmp_path / "runs").iterdir()]) == 1


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the model's is float32: make it with dtype='mixed_bfloat16'"):
        loop(tmp_path, replace(OPTIONS, precision="bfloat16"))
    with pytest.raises(ValueError, match="fsdp=True is for PyTorch"):
        loop(tmp_path, replace(OPTIONS, fsdp=True))
    with pytest.raises(ValueError, match="different numbers of rows: input_ids 20, labels 3"):
        TFTrainingLoop(toy(), {**columns(), "labels": [1, 2, 3]}, tmp_path)
    with pytest.raises(ValueError, match="without examples"):
        TFTrainingLoop(toy(), columns(0), tmp_path)
    with pytest.raises(TypeError, match="has no save_pretrained"):
        TFTrainingLoop(keras.Sequential(), columns(), tmp_path)
    with pytest.raises(ValueError, match="needs a loss or metrics"):
        TFEvaluation(columns(), loss=None)
    with pytest.raises(FileNotFoundError, match="there is no training_state"):
        load_state(tmp_path)
    save_checkpoint(tmp_path / "checkpoint-1", toy(), keras.optimizers.SGD(), dict.fromkeys(KEYS - {"shape"}))
    with pytest.raises(ValueError, match="no state of a training: it needs losses, result, shape, waited"):
        load_state(tmp_path / "checkpoint-1")
    (tmp_path / "checkpoint-1" / STATE_NAME).write_bytes(b"\x00" * 20)
    with pytest.raises(ValueError, match="training_state"):
        load_state(tmp_path / "checkpoint-1")


def test_a_batch_is_as_long_as_what_is_read_of_it() -> None:
    mask = np.array([[1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
    labels = np.full((4, 5), -100)
    labels[2, 3] = 1
    given = {"input_ids": np.arange(20).reshape(4, 5), "attention_mask": mask, "labels": labels}
    batches = [np.array([0, 1]), np.array([0]), np.array([0, 2]), np.array([3])]
    for columns, lengths in (
        (given, [3, 2, 4, 1]),  # the fourth token of row 2 has a label
        ({**given, "labels": np.arange(4)}, [3, 2, 2, 1]),
        ({**given, "labels": np.arange(4), "start_positions": np.arange(4)}, [5, 5, 5, 5]),
        ({**given, "inputs_embeds": np.zeros((4, 5, 2))}, [5, 5, 5, 5]),
        ({**given, "perm_mask": np.zeros((4, 5, 5))}, [5, 5, 5, 5]),
    ):
        found = [*as_dataset(columns, batches, cut=True)]
        assert [each["input_ids"].shape[1] for each in found] == lengths
        for numbers, length, each in zip(batches, lengths, found, strict=True):
            for name, values in columns.items():
                wanted = values[numbers][:, :length] if values.ndim > 1 else values[numbers]
                np.testing.assert_array_equal(each[name], wanted)
    assert [each["input_ids"].shape[1] for each in as_dataset(given, batches)] == [5, 5, 5, 5]


def test_an_evaluation_may_have_several_outputs_and_no_labels() -> None:
    answers = TFBertForQuestionAnswering(CONFIG)
    rows = {"input_ids": columns(5)["input_ids"]}
    seen: list[Any] = []

    def metrics(predictions: list[Any], labels: list[Any]) -> dict[str, float]:
        seen.extend(predictions)
        return {"labels": len(labels)}

    fields = ("start_logits", "end_logits")
    assert TFEvaluation(rows, 2, metrics=metrics, fields=fields, loss=None)(answers) == {"labels": 0.0}
    wanted = answers(rows)
    for number, field in enumerate(fields):
        found = np.stack([row[number] for row in seen])
        np.testing.assert_allclose(found, getattr(wanted, field), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="outputs have no 'logits', but start_logits, end_logits: see fields="):
        TFEvaluation(rows, metrics=metrics, loss=None)(answers)


@pytest.mark.parametrize(
    ("model_class", "measured", "lengths"),
    [
        (TFBertForSequenceClassification, True, [2, 3, 1]),
        (TFBertForTokenClassification, True, [5, 5, 5]),  # predictions have to be as long in all batches
        (TFBertForTokenClassification, False, [2, 3, 1]),
    ],
)
def test_an_evaluation_computes_no_more_padding_than_it_has_to(
    monkeypatch: pytest.MonkeyPatch, model_class: Any, measured: bool, lengths: list[int]
) -> None:
    keras.utils.set_random_seed(0)
    model = model_class(CONFIG)
    mask = (np.arange(5) < np.array([[2], [1], [3], [2], [1]])).astype(np.int32)
    by_token = model_class is TFBertForTokenClassification
    labels = np.where(mask > 0, 1, -100) if by_token else np.array([0, 1, 1, 0, 1])
    rows = {"input_ids": columns(5)["input_ids"], "attention_mask": mask, "labels": labels.astype(np.int32)}
    seen: list[int] = []

    def shown(*given: Any, **named: Any) -> Any:
        dataset = as_dataset(*given, **named)
        seen.extend(each["input_ids"].shape[1] for each in dataset)
        return dataset

    guesses: list[Any] = []

    def metrics(predictions: list[Any], _: list[Any]) -> dict[str, float]:
        guesses.extend(predictions)
        return {}

    monkeypatch.setattr(evaluation_tf, "as_dataset", shown)
    found = TFEvaluation(rows, 2, metrics=metrics if measured else None)(model)
    assert seen == lengths
    wanted = model({**rows})
    assert found["loss"] == pytest.approx(float(wanted.loss), rel=1e-5)
    if measured:
        np.testing.assert_allclose(np.stack(guesses), wanted.logits, rtol=1e-5, atol=1e-6)


DEVICES = '''
import json, sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tx_bert import BertConfig, TFBertForTokenClassification
from tx_training import TFEvaluation, TFTrainingLoop, TrainingOptions

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
ids = np.random.default_rng(1).integers(1, 20, (20, 5), dtype=np.int32)
labels = np.where(ids % 5 > 0, ids % 2, -100).astype(np.int32)
labels[::3, 1:] = -100  # the devices have different numbers of labels
rows = {"input_ids": ids, "labels": labels}
config = BertConfig(
    vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
    hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
)
found = []
for strategy, size in (
    (tf.distribute.get_strategy(), 8),
    (tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), 4),
):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = TFBertForTokenClassification(config)
    options = TrainingOptions(
        epochs=3, batch_size=size, learning_rate=0.01, weight_decay=0.01, max_grad_norm=0.1, warmup_steps=2,
        log_every=1,
    )
    dev = {name: each[:7] for name, each in rows.items()}  # odd: one row is left
    shown = lambda guesses, labels: {"sum": float(np.sum(np.stack(guesses) * np.arange(7)[:, None, None]))}
    evaluation = TFEvaluation(dev, 2, metrics=shown)
    loop = TFTrainingLoop(model, rows, Path(sys.argv[1]) / str(size), options, evaluation=evaluation)
    found.append([loop.run().history, loop.devices])
print(json.dumps(found))
'''  # fmt: skip


def test_two_devices_are_one_with_twice_the_rows(tmp_path: Path) -> None:
    """In a process of its own, as TensorFlow learns of its devices when it starts."""
    given = [sys.executable, "-c", DEVICES, str(tmp_path)]
    done = subprocess.run(given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    (one, single), (two, several) = json.loads(done.stdout.splitlines()[-1])
    assert (single, several) == (1, 2)
    assert len(losses(one)) == 9
    for one_row, two_row in zip(one, two, strict=True):
        assert two_row == {name: pytest.approx(value, rel=1e-5) for name, value in one_row.items()}
