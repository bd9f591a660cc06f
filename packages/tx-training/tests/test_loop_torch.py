"""The loop: what it writes, evaluations, an early end, and training that goes on from a checkpoint."""

from __future__ import annotations

import json
import math
import random
import shutil
import sys
import types
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tx_bert import BertConfig, BertForQuestionAnswering, BertForSequenceClassification
from tx_testing.killing import kills
from tx_training import (
    AdamW,
    Evaluation,
    Processes,
    TrainingLoop,
    TrainingOptions,
    WarmupCosineWithHardRestartsSchedule,
    set_seed,
)
from tx_training.checkpoints_torch import KEYS, checkpoints, load_state, save_checkpoint
from tx_training.seeds_torch import random_state, set_random_state

CONFIG = BertConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
OPTIONS = TrainingOptions(
    epochs=3, batch_size=3, accumulation_steps=2, learning_rate=0.01, weight_decay=0.01, warmup_steps=2, log_every=2,
    save_every=3,
)  # fmt: skip


def model() -> BertForSequenceClassification:
    torch.manual_seed(0)
    return BertForSequenceClassification(CONFIG)


def examples(count: int = 20) -> list[dict[str, Any]]:
    ids = torch.randint(1, 20, (count, 5), generator=torch.Generator().manual_seed(1))
    return [{"input_ids": row, "labels": (row[0] > 9).long()} for row in ids]


def accuracy(predictions: list[Any], labels: list[Any]) -> dict[str, float]:
    return {
        "acc": float(np.mean([scores.argmax() == label for scores, label in zip(predictions, labels, strict=True)]))
    }


def masked(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A batch in which random tokens are others, by each of the generators."""
    batch = torch.utils.data.default_collate(rows)
    batch["input_ids"][torch.rand(batch["input_ids"].shape) < 0.1] = 0
    batch["input_ids"][0, random.randrange(5)] = int(np.random.randint(1, 20))
    return batch  # type: ignore[no-any-return]


def loop(folder: Path, options: TrainingOptions = OPTIONS, **named: Any) -> TrainingLoop:
    return TrainingLoop(model(), examples(), folder, options, processes=Processes.start("cpu"), **named)


def leaves(state: Any) -> list[Any]:
    """All that is in a state, in order, tensors as lists."""
    if isinstance(state, dict | list):
        return [
            leaf
            for each in (state.items() if isinstance(state, dict) else state)
            for leaf in leaves([*each] if isinstance(each, tuple) else each)
        ]
    return [state.tolist() if isinstance(state, torch.Tensor) else state]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return BertForSequenceClassification.from_pretrained(folder).state_dict()


def test_it_learns_and_writes_what_there_is_to_read(tmp_path: Path) -> None:
    evaluation = Evaluation(examples(), metrics=accuracy)
    training = loop(tmp_path / "new" / "folder", replace(OPTIONS, epochs=10, save_every=None), evaluation=evaluation)
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
    rows = [row for row in result.history if "loss" in row]
    assert [row["step"] for row in rows] == [*range(2, 41, 2)]
    assert rows[0]["learning_rate"] == 0.01
    assert rows[-1]["learning_rate"] == 0.0
    measured = [row for row in result.history if "eval_acc" in row]
    assert [row["epoch"] for row in measured] == [*range(1, 11)]
    assert min(row["eval_loss"] for row in measured) == result.metrics["loss"]


def test_the_mean_loss_of_an_evaluation_counts_each_example_once() -> None:
    trained = model().eval()
    rows = examples(7)
    found = Evaluation(rows, batch_size=3, metrics=accuracy)(trained)
    with torch.no_grad():
        outputs = trained(**torch.utils.data.default_collate(rows))
    assert found["loss"] == pytest.approx(float(outputs[0]), rel=1e-6)
    right = outputs.logits.argmax(-1) == torch.stack([row["labels"] for row in rows])
    assert found["acc"] == pytest.approx(float(right.float().mean()))
    assert not trained.training
    assert Evaluation(rows)(trained.train()) == {"loss": pytest.approx(found["loss"], rel=1e-6)}
    assert trained.training


def test_an_evaluation_may_have_several_outputs_and_no_labels() -> None:
    answers = BertForQuestionAnswering(CONFIG).eval()
    rows = [{"input_ids": row["input_ids"]} for row in examples(5)]
    seen: list[Any] = []

    def metrics(predictions: list[Any], labels: list[Any]) -> dict[str, float]:
        seen.extend(predictions)
        return {"labels": len(labels)}

    fields = ("start_logits", "end_logits")
    assert Evaluation(rows, 2, metrics=metrics, fields=fields, loss=None)(answers) == {"labels": 0.0}
    with torch.no_grad():
        wanted = answers(**torch.utils.data.default_collate(rows))
    for number, field in enumerate(fields):
        found = np.stack([row[number] for row in seen])
        np.testing.assert_allclose(found, getattr(wanted, field), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="outputs have no 'logits', but start_logits, end_logits: see fields="):
        Evaluation(rows, metrics=metrics, loss=None)(answers)
    with pytest.raises(ValueError, match="needs a loss or metrics"):
        Evaluation(rows, loss=None)


@pytest.mark.parametrize("step", [3, 6])  # within an epoch; the next epoch's second step
def test_a_resumed_training_is_the_uninterrupted_one_bit_by_bit(step: int, tmp_path: Path) -> None:
    named = {"evaluation": Evaluation(examples(9), metrics=accuracy), "collate": masked}
    whole = loop(tmp_path / "whole", **named).run()
    shutil.copytree(tmp_path / "whole", tmp_path / "resumed", ignore=shutil.ignore_patterns("results.*", "eval_*"))
    for later in checkpoints(tmp_path / "resumed")[step // 3 :]:
        shutil.rmtree(later)
    set_seed(99)  # nothing depends on where the generators were
    resumed = loop(tmp_path / "resumed", **named).run(resume=tmp_path / "resumed" / f"checkpoint-{step}")
    assert resumed == whole
    for name in ("checkpoint-9", "checkpoint-12", "."):
        found, wanted = weights(tmp_path / "resumed" / name), weights(tmp_path / "whole" / name)
        assert all(torch.equal(found[each], wanted[each]) for each in wanted)
    found, wanted = (load_state(tmp_path / name / "checkpoint-12") for name in ("resumed", "whole"))
    assert leaves(found) == leaves(wanted)
    assert json.loads((tmp_path / "resumed" / "results.json").read_text()) == json.loads(
        (tmp_path / "whole" / "results.json").read_text()
    )


def test_true_goes_on_from_the_newest_or_begins(tmp_path: Path) -> None:
    first = loop(tmp_path, replace(OPTIONS, max_steps=4)).run(resume=True)
    assert first.steps == 4
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-3"]
    result = loop(tmp_path).run(resume=True)
    assert [row["step"] for row in result.history] == [2, 4, 6, 8, 10, 12]
    with pytest.raises(FileExistsError, match=r"has checkpoints of a training, such as checkpoint-12: .*resume=True"):
        loop(tmp_path).run()
    loop(tmp_path).run(resume=True, overwrite=True)
    assert [path.name for path in checkpoints(tmp_path)] == [f"checkpoint-{step}" for step in (3, 6, 9, 12)]
    loop(tmp_path, replace(OPTIONS, max_steps=3)).run(overwrite=True)
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-3"]


def test_a_checkpoint_that_was_cut_short_is_none(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-9").mkdir()
    (tmp_path / "checkpoint-x").mkdir()
    assert checkpoints(tmp_path) == []
    with pytest.raises(ValueError, match=r"elsewhere.checkpoint-9 is not in .*: go on in its own folder"):
        loop(tmp_path).run(resume=tmp_path / "elsewhere" / "checkpoint-9")
    with pytest.raises(FileNotFoundError, match=r"checkpoint-9 is no checkpoint .* no training_state.pt"):
        loop(tmp_path).run(resume=tmp_path / "checkpoint-9")


def test_a_state_that_is_damaged_or_would_run_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "training_state.pt"
    torch.save({"shape": {}}, path)
    with pytest.raises(ValueError, match=r"training_state.pt is no state of a training: it needs losses, optimizer"):
        load_state(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"training_state.pt is damaged"):
        load_state(tmp_path)
    torch.save({"shape": Board()}, path)
    with pytest.raises(ValueError, match=r"training_state.pt is damaged, or no state"):
        load_state(tmp_path)


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    loop(tmp_path, replace(OPTIONS, max_steps=3)).run()
    for changed in ({"batch_size": 2}, {"seed": 1}):
        ((name, value),) = changed.items()
        with pytest.raises(ValueError, match=rf"with {name} = {getattr(OPTIONS, name)}, and this one has {value}"):
            loop(tmp_path, replace(OPTIONS, **changed)).run(resume=True)
    with pytest.raises(ValueError, match="examples = 20, and this one has 19"):
        TrainingLoop(model(), examples(19), tmp_path, OPTIONS).run(resume=True)


def test_old_checkpoints_are_removed(tmp_path: Path) -> None:
    loop(tmp_path, replace(OPTIONS, keep_checkpoints=2)).run()
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-9", "checkpoint-12"]
    assert not (tmp_path / "checkpoint-3").exists()


def test_tensorboard_has_every_number_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    board = Board()
    for name in ("tensorboard", "torch.utils.tensorboard"):
        module = types.ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        module.SummaryWriter = board.open  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
    loop(tmp_path, replace(OPTIONS, max_steps=4)).run()
    result = loop(tmp_path).run(resume=True)
    assert board.opened == [(tmp_path / "runs", 1), (tmp_path / "runs", 4)]
    assert board.closed == 2
    numbers = [(name, row[name], row["step"]) for row in result.history for name in ("loss", "learning_rate")]
    assert sorted(board.added[:2] + board.added[4:]) == sorted(numbers)  # step 4 came again after step 3


class Board:
    """What TensorBoard is told."""

    def __init__(self) -> None:
        self.opened: list[tuple[Path, int]] = []
        self.added: list[tuple[str, float, int]] = []
        self.closed = 0

    def open(self, folder: Path, purge_step: int) -> Any:
        self.opened.append((folder, purge_step))
        return self

    def add_scalar(self, *scalar: Any) -> None:
        self.added.append(scalar)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        self.closed += 1


def test_progress_is_logged(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level("INFO", "tx_training")
    loop(tmp_path, replace(OPTIONS, max_steps=2)).run()
    assert [message[:19] for message in caplog.messages] == ["step 2 of 2: loss 0"]


def test_it_ends_early_and_keeps_the_best_model(tmp_path: Path) -> None:
    values = [0.1, 0.5, 0.5, 0.4, 0.6]
    kept = []

    def metrics(predictions: list[Any], labels: list[Any]) -> dict[str, float]:
        kept.append([each.clone() for each in training.model.parameters()])
        return {"acc": values[len(kept) - 1]}

    options = replace(OPTIONS, epochs=9, evaluate_every=2, patience=2, metric="acc", save_every=None, log_every=3)
    training = loop(tmp_path, options, evaluation=Evaluation(examples(4), metrics=metrics))
    result = training.run()
    assert result.stopped_early
    assert (result.steps, result.metrics["acc"]) == (8, 0.5)
    assert [row["step"] for row in result.history if "loss" in row] == [3, 6, 8]
    best = BertForSequenceClassification.from_pretrained(tmp_path)
    assert all(torch.equal(found, wanted) for found, wanted in zip(best.parameters(), kept[1], strict=True))


def test_metrics_are_compared_by_their_kind() -> None:
    assert TrainingOptions().better(0.1, 0.2)
    assert not TrainingOptions(metric="perplexity").better(3.0, 2.0)
    assert TrainingOptions(metric="f1").better(3.0, 2.0)
    assert not TrainingOptions(metric="f1").better(2.0, 2.0)
    assert TrainingOptions(metric="error", greater_is_better=False).better(1.0, 2.0)
    assert TrainingOptions().better(1.0, None)
    assert not TrainingOptions().better(float("nan"), None)


def test_a_metric_that_is_not_measured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the evaluation gives loss, and not the metric 'acc'"):
        loop(tmp_path, replace(OPTIONS, metric="acc"), evaluation=Evaluation(examples(4))).run()


def test_another_optimizer_trains_what_it_is_given(tmp_path: Path) -> None:
    def head(model: torch.nn.Module) -> AdamW:
        return AdamW(model.get_submodule("classifier").parameters(), lr=0.1)

    loop(tmp_path, replace(OPTIONS, max_steps=2), optimizer=head).run()
    before, after = model().state_dict(), weights(tmp_path)
    assert {name for name in before if not torch.equal(before[name], after[name])} == {
        "classifier.weight",
        "classifier.bias",
    }


def test_another_schedule_sets_the_rate(tmp_path: Path) -> None:
    def restarts(optimizer: torch.optim.Optimizer, steps: int) -> Any:
        return WarmupCosineWithHardRestartsSchedule(optimizer, 0, steps, cycles=2)

    result = loop(tmp_path, replace(OPTIONS, log_every=1, max_steps=8), schedule=restarts).run()
    rates = [row["learning_rate"] for row in result.history]
    assert rates[3] == pytest.approx(0.01)
    assert rates == pytest.approx([*rates[4:7], 0.01, *rates[:3], 0.0])


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_the_options_name_a_schedule(schedule: Any, tmp_path: Path) -> None:
    result = loop(tmp_path, replace(OPTIONS, log_every=1, max_steps=6, schedule=schedule)).run()
    wanted = [1.0] * 5 if schedule == "constant" else [(1 + math.cos(math.pi * step / 4)) / 2 for step in range(5)]
    assert [row["learning_rate"] for row in result.history] == pytest.approx([0.005, *(0.01 * each for each in wanted)])


def test_examples_may_be_loaded_ahead(tmp_path: Path) -> None:
    ahead = replace(OPTIONS, workers=1, max_steps=3)
    found = loop(tmp_path / "ahead", ahead, evaluation=Evaluation(examples(5), workers=1)).run()
    assert found == loop(tmp_path / "plain", replace(ahead, workers=0), evaluation=Evaluation(examples(5))).run()


def test_an_evaluation_may_be_of_mixed_precision() -> None:
    trained, seen = model(), []

    def metrics(predictions: list[Any], labels: list[Any]) -> dict[str, float]:
        seen.extend(predictions)
        return {}

    found = Evaluation(examples(5), metrics=metrics, precision="bfloat16")(trained)
    assert {row.dtype for row in seen} == {np.dtype("float32")}
    exact = Evaluation(examples(5))(trained)["loss"]
    assert found["loss"] == pytest.approx(exact, rel=0.02)
    assert found["loss"] != exact


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, not 0"),
        ({"save_every": -1}, "save_every must be at least 1, not -1"),
        ({"epochs": 0}, "epochs must be above 0, not 0"),
        ({"schedule": "step"}, "schedule must be one of linear, cosine, constant, not 'step'"),
        ({"precision": "half"}, "precision must be one of float32, float16, bfloat16, not 'half'"),
        ({"fsdp": True, "precision": "float16"}, "fsdp=True goes with"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainingOptions(**options)


def test_nothing_to_train_or_measure_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without examples trains nothing"):
        TrainingLoop(model(), [], tmp_path)
    with pytest.raises(TypeError, match="Linear has no save_pretrained"):
        TrainingLoop(torch.nn.Linear(2, 2), examples(), tmp_path)
    with pytest.raises(ValueError, match="without examples measures nothing"):
        Evaluation([])
    with pytest.raises(RuntimeError, match="start the program with torchrun"):
        loop(tmp_path, replace(OPTIONS, fsdp=True)).run()


def test_seeds_and_states_of_generators() -> None:
    def draw() -> list[float]:
        return [random.random(), random.gauss(0, 1), np.random.normal(), float(torch.randn(()))]

    set_seed(7)
    first = draw()
    state = random_state()
    second = draw()
    set_seed(7)
    assert draw() == first
    draw()
    set_random_state(state)
    assert draw() == second
    with pytest.raises(ValueError, match=r"from 0 to 2\*\*32 - 1, not -1"):
        set_seed(-1)


def test_a_checkpoint_whose_process_is_killed_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    """Model and state never are of two steps, at whatever call to the system the process ends."""
    whole = {}
    for step in (1, 2):
        trained = model()
        torch.nn.init.constant_(trained.classifier.bias, float(step))
        whole[step] = trained
    folder, alone = tmp_path / "checkpoint-1", Processes(0, 1, torch.device("cpu"))

    def save(step: int) -> None:
        save_checkpoint(folder, whole[step], {**dict.fromkeys(KEYS), "waited": step}, alone)

    found = set()
    save(1)
    for moment in kills(lambda: save(2)):
        # Reading finishes a save that was cut short after all was on the disk.
        bias = weights(folder)["classifier.bias"][0].item()
        step = load_state(folder)["waited"]
        assert bias == step, moment
        found.add((step, moment == "done"))
        save(1)
    assert found == {(1, False), (2, False), (2, True)}


def test_examples_of_similar_lengths_are_together_in_an_order_that_is_drawn(tmp_path: Path) -> None:
    lengths = [*torch.randint(1, 100, (200,), generator=torch.Generator().manual_seed(0)).tolist()]
    options = replace(OPTIONS, batch_size=8, accumulation_steps=1)

    def batches(epoch: int, skipped: int = 0, **named: Any) -> list[list[int]]:
        training = TrainingLoop(
            model(), range(200), tmp_path, options, collate=lambda rows: {"numbers": rows},
            processes=Processes.start("cpu"), **named,
        )  # fmt: skip
        return [batch["numbers"] for step in training.batches(epoch, skipped) for batch in step]

    def padding(found: list[list[int]]) -> int:
        return sum(max(lengths[row] for row in rows) - lengths[row] for rows in found for row in rows)

    first, second = batches(0, lengths=lengths), batches(1, lengths=lengths)
    for found in (first, second):
        assert sorted(number for rows in found for number in rows) == [*range(200)]
        assert len(found) == 25
    assert padding(first) < 0.2 * padding(batches(0))
    assert [lengths[rows[0]] for rows in first] != sorted(lengths[rows[0]] for rows in first)
    assert {frozenset(rows) for rows in first} != {frozenset(rows) for rows in second}
    assert batches(0, 20, lengths=lengths) == first[20:]
    with pytest.raises(ValueError, match="there are 3 lengths, and 200 examples"):
        batches(0, lengths=[1, 2, 3])
