"""Which numbers models of both frameworks refuse: ids outside their tables, labels that are no classes; and what they
do with batches and sequences of nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest

from .models import FLAGS, Models
from .spec import CHOICES, SEQUENCE, Inputs, leaves


class Outside(NamedTuple):
    """A call with one number that is none of 0 to size - 1, in the first row."""

    inputs: Inputs
    name: str
    wrong: int
    size: int

    @property
    def said(self) -> str:
        """What the error says, as a regular expression. A label's second name may follow the first."""
        return rf"(?s){self.name}( or \w+)? holds\]? \[?{self.wrong}\b.*\b0 to ({self.size - 1}|their number - 1)\b"


class IdSuite(Models):
    """Standard tests of ids, labels, and empty inputs."""

    def parameters(self, task: str) -> list[str]:
        """The names of what a model's call takes."""
        cls = self.cls(task)
        return list(inspect.signature(cls.forward if hasattr(cls, "forward") else cls.call).parameters)

    def all_ids(self, task: str) -> tuple[Inputs, dict[str, int]]:
        """Everything with a row in a table that a call takes; and how many rows the tables have."""
        config, inputs, takes = self.spec.make_config(), self.spec.inputs(task), self.parameters(task)
        shape, words = inputs["input_ids"].shape, self.spec.vocab_size()
        sizes = {"input_ids": words}
        if "token_type_ids" in takes and not self.spec.any_token_types:
            sizes["token_type_ids"] = getattr(config, "type_vocab_size", words)
        if "position_ids" in takes:
            sizes["position_ids"] = int(getattr(config, self.spec.max_positions or "max_position_embeddings"))
        for name in sizes:
            inputs.setdefault(name, np.broadcast_to(np.arange(shape[-1]) * (name == "position_ids"), shape).copy())
        return inputs, sizes

    def ids_outside(self, task: str) -> Iterator[Outside]:
        """Calls with one wrong id."""
        inputs, sizes = self.all_ids(task)
        for name, size in sizes.items():
            for wrong in (-1, size):
                array = inputs[name].copy()
                array.reshape(-1)[0] = wrong
                yield Outside({**inputs, name: array}, name, wrong, size)

    def labels_outside(self, task: str) -> Iterator[Outside]:
        """Calls with one wrong label. An answer's places are none: those beyond the sequence are ignored."""
        inputs, labels = self.all_ids(task)[0], self.spec.make_labels(task)
        config = self.spec.make_config(**self.spec.task_config.get(task, {}))
        sizes = {"tokens": self.spec.vocab_size(), "pair": 2, "truth": 2, "choices": CHOICES, "place": SEQUENCE}
        sizes["classes"] = sizes["token classes"] = config.num_labels
        for name, kind in self.spec.label_keywords(task).items():
            # -1 is ignored as a word or a class of one, and as a pair.
            ignored = kind in ("tokens", "token classes", "pair")
            for wrong in (-2, sizes[kind], *(() if ignored else (-1,))) if kind in sizes else ():
                array = labels[name].copy()
                array.reshape(-1)[2 if array.ndim > 1 else 0] = wrong
                yield Outside({**inputs, **labels, name: array}, name, wrong, sizes[kind])
        if "mc_token_ids" in self.parameters(task):
            inputs = {name: array[None] for name, array in inputs.items()}  # one question, a choice a row
            own = {"mc_token_ids": np.array([[1, 0, 1]]), "mc_labels": np.array([1])}
            for name, wrong, size in (
                ("mc_token_ids", -1, SEQUENCE),
                ("mc_token_ids", SEQUENCE, SEQUENCE),
                ("mc_labels", -1, 3),
                ("mc_labels", 3, 3),
            ):
                array = own[name].copy()
                array.reshape(-1)[0] = wrong
                yield Outside({**inputs, **own, name: array}, name, wrong, size)

    def test_ids_outside_their_table_are_refused(self, task: str) -> None:
        self.run(self.shared(task), self.all_ids(task)[0])
        for case in self.ids_outside(task):
            with pytest.raises(ValueError, match=case.said) as error:
                self.run(self.shared(task), case.inputs)
            cure = "resize_token_embeddings(len(tokenizer))"
            assert (cure in str(error.value)) == (case.wrong == self.spec.vocab_size())

    def test_labels_outside_their_classes_are_refused(self, task: str) -> None:
        for case in self.labels_outside(task):
            with pytest.raises(ValueError, match=case.said):
                self.run(self.shared(task), case.inputs)

    def test_labels_of_a_wrong_rank_are_named(self, task: str) -> None:
        inputs, labels = self.spec.inputs(task), self.spec.make_labels(task)
        for name, label in labels.items():
            with pytest.raises(ValueError, match=rf"{name}\b"):
                self.run(self.shared(task), {**inputs, **labels, name: np.stack([label, label], -1)})
        if "mc_token_ids" in self.parameters(task):
            asked = {name: array[None] for name, array in inputs.items()}
            for name, array in (
                ("mc_token_ids", np.zeros((1,), np.int64)),
                ("mc_labels", np.zeros((1, 3), np.int64)),
                ("lm_labels", inputs["input_ids"][:1]),
            ):
                with pytest.raises(ValueError, match=rf"{name}\b.* must have shape \(1,.*\), not|{name} .*shape"):
                    self.run(self.shared(task), {**asked, name: array})
            with pytest.raises(ValueError, match="mc_labels need choices"):
                self.run(self.shared(task), {**inputs, "mc_labels": np.zeros((3,), np.int64)})

    def test_one_hot_labels_and_numbers_speak_of_problem_type(self) -> None:
        for task in self.tasks():
            if list(self.spec.label_keywords(task).values()) != ["classes"]:
                continue
            inputs, count = self.spec.inputs(task), self.spec.make_config().num_labels
            rows = len(inputs["input_ids"])
            one_hot = np.eye(count)[np.arange(rows) % count]
            for labels in (one_hot.astype(np.float32), one_hot.astype(np.int64), np.ones(rows, np.float32)):
                with pytest.raises(ValueError, match="problem_type='multi_label_classification'"):
                    self.run(self.shared(task), {**inputs, "labels": labels})
            folder = str(self.folder(task))
            for kind in ("multi_label_classification", "regression"):
                model = self.cls(task).from_pretrained(folder, problem_type=kind)
                logits = self.run(model, inputs)["logits"].astype(np.float64)
                likely = 1 / (1 + np.exp(-logits))
                wanted = {
                    "multi_label_classification": -np.log(np.where(one_hot == 1, likely, 1 - likely)).mean(),
                    "regression": ((logits - one_hot) ** 2).mean(),
                }[kind]
                found = self.run(model, {**inputs, "labels": one_hot.astype(np.float32)})["loss"]
                np.testing.assert_allclose(found, wanted, rtol=1e-5)
                with pytest.raises(ValueError, match=f"problem_type='{kind}'"):
                    self.run(model, {**inputs, "labels": np.zeros(rows, np.int64)})
            one = self.cls(task)(self.spec.make_config(num_labels=1, problem_type="single_label_classification"))
            assert self.run(one, {**inputs, "labels": np.zeros(rows, np.int64)})["loss"] == 0, "there is but one class"

    def test_sequences_without_a_token_say_so(self, task: str) -> None:
        inputs = {name: array[..., :0] for name, array in self.spec.inputs(task).items()}
        width = self.spec.make_config().hidden_size
        embedded = {**inputs, "inputs_embeds": np.zeros((*inputs["input_ids"].shape, width), np.float32)}
        del embedded["input_ids"]
        for name, given in (("input_ids", inputs), ("inputs_embeds", embedded)):
            with pytest.raises(ValueError, match=rf"(?s){name} has shape .*, sequences without a token"):
                self.run(self.shared(task), given)

    def test_batches_without_a_row(self, task: str) -> None:
        inputs, labels = self.all_ids(task)[0], self.spec.make_labels(task)
        full = leaves(self.run(self.shared(task), {**inputs, **labels}, **FLAGS))
        none = {name: array[:0] for name, array in {**inputs, **labels}.items()}
        for name, value in leaves(self.run(self.shared(task), none, **FLAGS)).items():
            axis = self.spec.batch_axes.get(name.partition("[")[0], 0)
            wanted = list(full[name].shape)
            if wanted and axis is not None:
                wanted[axis] = 0
            assert list(value.shape) == wanted, name
            assert np.isfinite(value).all(), name
