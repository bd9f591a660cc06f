"""The core of the model suites, on a small model in NumPy with what the coming architectures have: keys of a memory
before those of the tokens, no attention mask, a loss for every token, other fields with labels than without.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tx_core.outputs import output
from tx_testing.suites.model_core import CoreSuite
from tx_testing.suites.models import Backend
from tx_testing.suites.spec import Array, ModelSpec

WORDS, WIDTH, LAYERS, HEADS, MEMORY = 99, 16, 2, 4, 3


class Config:
    vocab_size, hidden_size, num_hidden_layers, num_attention_heads = WORDS, WIDTH, LAYERS, HEADS
    num_labels, pad_token_id = 2, 0

    def __init__(self, **fields: Any) -> None: ...


class Model:
    """Attention to zeros in place of a memory and to earlier tokens, in every layer."""

    config = Config()
    causal = True
    token_losses = True
    memory = MEMORY

    def __call__(
        self,
        input_ids: Array,
        attention_mask: Array | None = None,
        labels: Array | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
    ) -> Any:
        words = np.random.default_rng(0).standard_normal((WORDS, WIDTH))
        states, attentions, (rows, length) = [words[input_ids]], [], input_ids.shape
        allowed = np.ones((rows, length, self.memory + length), bool)
        if self.causal:
            allowed = np.tril(allowed, self.memory)
        if attention_mask is not None:
            allowed[..., self.memory :] &= attention_mask[:, None] > 0
        for _ in range(LAYERS):
            keys = np.pad(states[-1], ((0, 0), (self.memory, 0), (0, 0)))
            scores = np.where(allowed, states[-1] @ keys.transpose(0, 2, 1) / WIDTH, -1e9)
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            weights /= weights.sum(-1, keepdims=True)
            attentions.append(np.stack([weights] * HEADS, 1))
            states.append(states[-1] + weights @ keys)
        logits = states[-1] @ words.T
        mems = tuple(each[:, -MEMORY:].transpose(1, 0, 2) for each in states)
        loss = None
        if labels is not None:
            logprobs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
            counted = (labels != -100) & (labels != -1)
            chosen = np.take_along_axis(logprobs, np.where(counted, labels, 0)[..., None], -1)[..., 0]
            loss = np.where(counted, -chosen, 0)
            if not self.token_losses:
                loss = loss.sum() / max(counted.sum(), 1)
        return output(
            "ModelOutput",
            loss=loss,
            logits=None if labels is not None and self.token_losses else logits,
            mems=mems,
            hidden_states=tuple(states) if output_hidden_states else None,
            attentions=tuple(attentions) if output_attentions else None,
        )


class NumPy(Backend):
    """The parts of a backend that the tests below need."""

    name = "numpy"

    def call(self, model: Any, inputs: Mapping[str, Any], **flags: Any) -> Any:
        return model(**inputs, **flags)

    def numpy(self, tensor: Any) -> Array:
        return np.asarray(tensor)


NumPy.__abstractmethods__ = frozenset()


@pytest.fixture
def spec() -> Iterator[ModelSpec]:
    module: Any = types.ModuleType("tx_testing_toy")
    classes = {"causal-lm": "tx_testing_toy:ToyLM"}
    module.Config = Config
    module.RECORD = types.SimpleNamespace(config="tx_testing_toy:Config", torch=classes)
    sys.modules[module.__name__] = module
    yield ModelSpec(
        architecture="tx_testing_toy:RECORD",
        config={},
        arguments=("input_ids", "mems"),
        labelled_fields={"causal-lm": ("loss", "mems")},
        token_losses=("causal-lm",),
        batch_axes={"mems": None},
        memory_keys=MEMORY,
    )
    del sys.modules[module.__name__]


def suite_of(model: Model, spec: ModelSpec) -> CoreSuite:
    class Toy(CoreSuite):
        backend = NumPy()

        def shared(self, task: str) -> Any:
            return model

    Toy.spec = spec
    return Toy()


TESTS = (
    "test_outputs_are_named_tuples",
    "test_hidden_states_and_attentions",
    "test_loss_ignores_labels_of_both_conventions",
    "test_batch_equals_single",
)


def run(suite: CoreSuite, name: str) -> None:
    getattr(suite, name)("causal-lm")


@pytest.mark.parametrize("name", TESTS)
def test_what_a_spec_can_say(name: str, spec: ModelSpec) -> None:
    run(suite_of(Model(), spec), name)


@pytest.mark.parametrize("name", [*TESTS, "test_left_padding_equals_unpadded"])
def test_an_ordinary_model(name: str, spec: ModelSpec) -> None:
    """With a mask, one loss and the same fields with labels as without."""

    class Ordinary(Model):
        token_losses = False
        memory = 0

    ordinary = ModelSpec(
        architecture=spec.architecture, config={}, arguments=("input_ids", "attention_mask"), batch_axes={"mems": None}
    )
    run(suite_of(Ordinary(), ordinary), name)


def test_without_a_mask_there_is_no_left_padding(spec: ModelSpec) -> None:
    assert "attention_mask" not in spec.inputs("causal-lm")
    with pytest.raises(pytest.skip.Exception, match="no attention mask"):
        run(suite_of(Model(), spec), "test_left_padding_equals_unpadded")


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("test_outputs_are_named_tuples", {"token_losses": ()}, r"\(3, 7\) == \(\)"),
        ("test_outputs_are_named_tuples", {"labelled_fields": {}}, "logits"),
        ("test_hidden_states_and_attentions", {"memory_keys": 0}, "10"),
        ("test_batch_equals_single", {"batch_axes": {"mems": 1}}, "mems"),
    ],
)
def test_what_a_spec_does_not_say_fails(name: str, changes: Any, message: str, spec: ModelSpec) -> None:
    with pytest.raises(AssertionError, match=message):
        run(suite_of(Model(), replace(spec, **changes)), name)


def test_a_model_that_sees_later_tokens_fails(spec: ModelSpec) -> None:
    class Seeing(Model):
        causal = False

    with pytest.raises(AssertionError, match="row 1, logits"):
        run(suite_of(Seeing(), spec), "test_batch_equals_single")


def test_a_model_that_attends_to_padding_fails(spec: ModelSpec) -> None:
    class Deaf(Model):
        causal = False

        def __call__(self, input_ids: Array, attention_mask: Array | None = None, **others: Any) -> Any:
            return super().__call__(input_ids, **others)

    padded = replace(spec, arguments=("input_ids", "attention_mask"))
    with pytest.raises(AssertionError, match="padding is attended to"):
        run(suite_of(Deaf(), padded), "test_hidden_states_and_attentions")
