"""What a suite needs to know of an architecture: a tiny configuration, its classes, and the inputs each class takes."""

from __future__ import annotations

import importlib
import json
import runpy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tx_testing.kinds import KINDS

Array = np.ndarray[Any, Any]
Inputs = dict[str, Array]
NextScores = Callable[[Callable[[Mapping[str, Any]], dict[str, Any]], Array, int], Array]
FromBert = Callable[[dict[str, Any], dict[str, Array]], tuple[dict[str, Any], dict[str, Array]]]

SEQUENCE = 7  # differs from every other size of a tiny model, so that sequence axes are recognised by their length
WORDS = 99  # in the vocabulary of a tiny model
LENGTHS = (7, 5, 2)  # unpadded lengths of the sentences of a batch
CHOICES = 3

# Task → keyword of a label → what it holds.
LABELS: dict[str, dict[str, str]] = {
    "base": {},
    "masked-lm": {"labels": "tokens"},
    "causal-lm": {"labels": "tokens"},
    "pretraining": {"labels": "tokens", "next_sentence_label": "pair"},
    "sequence-classification": {"labels": "classes"},
    "token-classification": {"labels": "token classes"},
    "question-answering": {"start_positions": "positions", "end_positions": "positions"},
    "beam-question-answering": {
        "start_positions": "answer",
        "end_positions": "answer",
        "is_impossible": "truth",
        "cls_index": "place",
    },
    "multiple-choice": {"labels": "choices"},
    "next-sentence": {"next_sentence_label": "pair"},
}

# Task → fields of the output with labels, where they are not the loss and the fields without.
LABELLED_FIELDS = {"beam-question-answering": ("loss",)}

# Fields that are positions of tokens in their rows.
POSITIONS = ("start_top_index", "end_top_index")
# Fields that depend on which token comes before which, so that rounding changes them by more than itself.
RANKED = (*POSITIONS, "end_top_log_probs")


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """What the suites are told of an architecture: a tiny model, and where it differs from others.

    Args:
        architecture: dotted name of its Architecture record, ``"tx_name.architecture:ARCHITECTURE"``.
        config: fields of a tiny configuration in the published names, with which the reference is built too. It has
            WORDS words, at least 2 layers and at least 4 heads.
        variants: name → fields of this specification that differ, for which the core of the suites runs too; those of
            ``config`` are added: ``{"untied": {"config": {"tie_word_embeddings": False}}}``. The suites of generation
            run too for a variant that says ``generates``.
        varied: whether it describes a variant, as :meth:`variant` makes one.
        only: tasks whose classes are tested; all by default, and for a variant those of :meth:`representatives`.
        overrides: id of a standard test that does not apply, or that a test of the package replaces, without the file's
            name and what is in brackets → the reason: ``{"torch::TestModel::test_dtype": "…; see test_x_torch.py"}``.
        task_config: task → fields of the configuration that differ from ``config``.

        arguments: what the models' calls take first, in order. Without ``"attention_mask"`` there is no padding.
        orders, tf_orders: task → what its class's call takes first, in order, where that is not ``arguments``.
        token_inputs: input with a number for every token → how many numbers there are; given if in ``arguments``.
        finds_padding: whether without an attention mask the configuration's padding token is not attended to.
        zero_token_types: whether token types of 0 are the same as none.
        any_token_types: whether token types are numbers of no table, so that none is wrong.
        graph_tasks: tasks whose classes are compiled, traced and exported in the tests, which takes most of their time;
            None for all. Heads that only differ in modules of their own need it once, in one of the architectures.
        exported: tasks whose classes are exported in the tests, and compiled by XLA and for sizes that are found out
            later, which takes longest; by default the first of ``output_heads``, which has all layers of the bare model
            in it.
        any_axes: whether token ids may have any axes before the sequence, (S,) or (B, C, S) say.
        labels: task → keyword → kind of label, where they differ from ``LABELS``.

        labelled_fields: task → fields of the output with labels, where they differ from ``LABELLED_FIELDS``.
        token_losses: tasks whose loss is a number for every label, (B, S); others are one number.
        batch_axes: output field → the axis of its arrays that counts sentences, where that is not the first. None for a
            memory that holds padding: it differs from that of a sentence alone.
        memory_keys: how many keys attention has before those of the tokens, in a call without a memory: attentions are
            (B, N, S, memory_keys + S).
        sees_itself: whether padding attends to itself.
        empty_at_padding: whether a memory has zeros for padding. The reference's has its states.
        past: whether the models return ``past`` and take it for the tokens before.
        generates: whether the language model generates text.
        stands_for_all: whether it is tested by what takes seconds and is done by the core for all architectures: files
            in unusual forms, all of Keras's ``fit``, all of what XLA makes of generation. For an encoder and for one
            architecture with each kind of memory.
        words: prefixes of the parameters that are of words, where their number is no axis of them.
        next_scores: how to find what follows, where ``logits`` of one call are not the scores of every next token: of
            what gives a call's fields for its inputs, texts (B, S) and the length of their prompts → scores (B, S -
            prompt + 1, vocabulary) of what follows the prompt, and each token after it.
        cross_attention: whether the base model can be a decoder with cross-attention.
        prunes: whether attention heads can be removed.
        max_positions: the configuration field of the number of positions; None if there is no limit.
        activation: the configuration field of the activation function; None if it is fixed.
        dropouts: the configuration fields of dropout probabilities.

        new_heads: task → prefixes of the parameters that a checkpoint of the base model does not have and that are
            newly initialised, ``{"sequence-classification": ("classifier",)}``.
        output_heads: tasks whose models have output embeddings, tied to the input's unless the configuration says not.
        zero_init: configuration fields that, set to 0, make every weight start at exactly 0 or 1.
        without_gradient: task → prefixes of parameters that its loss does not depend on.
        untrained: prefixes of parameters that are computed when a model is made, and stay as they are in training.
        without_effect: endings of parameters that change no output, so that their gradient is rounding: a bias of the
            keys shifts all scores of a query alike.
        from_bert: a BERT for texts of one segment (:func:`tx_testing.minilm.one_segment`) → the configuration and the
            published parameters of the bare model that computes the same. None if there is no such model.
        tf_only: names of public classes in ``model_tf`` without a PyTorch twin.

        reference_keywords: keyword of tx → keyword of the reference, where they differ; "" where it has none.
        reference_classes: class name of tx → class name of the reference, where they differ.
        reference_outputs: fields that the reference returns and tx does not.
        reference_options: keywords of both sides' calls, e.g. one that leaves out what they return in different forms.
        reference_inputs: task → keyword → values, of inputs whose default differs between the two.
        reference_queries: whether what padding attends to is the same in the reference.
        reference_float64: whether models of float64 are compared too: the reference may round to float32 within. A loss
            may.
        reference_padding: whether the reference generates rightly from left-padded prompts.
        not_in_reference: (framework, task) of classes that the reference does not have, or has wrong.
        in_reference_5: whether the newer reference still has the architecture.
        no_labels_in_reference: (framework, task) of classes that take no labels in the reference.
        absent_in_reference: task → prefixes of parameters that the reference's class lacks, or of its buffers that are
            not read here.
    """

    architecture: str
    config: Mapping[str, Any]
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    varied: bool = False
    only: tuple[str, ...] = ()
    overrides: Mapping[str, str] = field(default_factory=dict)
    task_config: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    arguments: tuple[str, ...] = ("input_ids", "attention_mask", "token_type_ids")
    orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tf_orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    token_inputs: Mapping[str, int] = field(default_factory=lambda: {"token_type_ids": 2})
    finds_padding: bool = False
    zero_token_types: bool = True
    any_token_types: bool = False
    graph_tasks: tuple[str, ...] | None = None
    exported: tuple[str, ...] = ()
    any_axes: bool = False
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    labelled_fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    token_losses: tuple[str, ...] = ()
    batch_axes: Mapping[str, int | None] = field(default_factory=dict)
    memory_keys: int = 0
    sees_itself: bool = False
    empty_at_padding: bool = False
    past: bool = False
    generates: bool = True
    stands_for_all: bool = False
    words: tuple[str, ...] = ()
    next_scores: NextScores | None = None
    cross_attention: bool = False
    prunes: bool = True
    max_positions: str | None = "max_position_embeddings"
    activation: str | None = "hidden_act"
    dropouts: tuple[str, ...] = ("hidden_dropout_prob", "attention_probs_dropout_prob")

    new_heads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    output_heads: tuple[str, ...] = ("masked-lm", "causal-lm", "pretraining")
    zero_init: tuple[str, ...] = ("initializer_range",)
    without_gradient: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    untrained: tuple[str, ...] = ()
    without_effect: tuple[str, ...] = ()
    from_bert: FromBert | None = None
    tf_only: tuple[str, ...] = ()

    reference_keywords: Mapping[str, str] = field(default_factory=dict)
    reference_classes: Mapping[str, str] = field(default_factory=dict)
    reference_outputs: tuple[str, ...] = ()
    reference_options: Mapping[str, Any] = field(default_factory=dict)
    reference_inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reference_queries: bool = True
    reference_float64: bool = False
    reference_padding: bool = True
    not_in_reference: tuple[tuple[str, str], ...] = ()
    in_reference_5: bool = True
    no_labels_in_reference: tuple[tuple[str, str], ...] = ()
    absent_in_reference: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key in self.overrides:
            kind, *rest = key.split("::")
            if kind not in KINDS or len(rest) != 2:
                raise ValueError(f"overrides names {key!r}, which is not of the form 'torch::TestModel::test_name'")
        for name in self.variants:
            if not name.isidentifier():
                raise ValueError(f"variants has {name!r}, which cannot be part of a test's id: name it like a variable")

    def overrides_of(self, kind: str, name: str) -> dict[str, str]:
        """Name of a test → reason, of the overrides that concern a test class of a kind."""
        start = f"{kind}::{name}::"
        return {key.removeprefix(start): reason for key, reason in self.overrides.items() if key.startswith(start)}

    def variant(self, name: str) -> ModelSpec:
        """The specification of a variant."""
        changes = dict(self.variants[name])
        config = {**self.config, **changes.pop("config", {})}
        return replace(self, variants={}, varied=True, **{"config": config, **changes})

    def key(self, *parts: Any) -> str:
        """A text that differs between architectures, configurations and ``parts``."""
        return json.dumps([self.architecture, dict(self.config), *parts], sort_keys=True)

    # --- the Architecture record, which nothing else of the suites reads

    def record(self) -> Any:
        """The Architecture record."""
        return load(self.architecture)

    def tokenizer(self) -> Any:
        """The class of its tokenizer."""
        return load(self.record().tokenizer)

    def classes(self, framework: str) -> dict[str, str]:
        """Task → class as a dotted name, in ``"torch"`` or ``"tf"``."""
        return {str(task): dotted for task, dotted in getattr(self.record(), framework).items()}

    def model_class(self, framework: str, task: str) -> Any:
        """The class of a task."""
        return load(self.classes(framework)[task])

    def module(self, framework: str) -> str:
        """The module of the models."""
        return self.classes(framework)["base"].partition(":")[0]

    def weight_table(self) -> Any:
        """The weight table."""
        return load(self.record().weights)

    def class_names(self) -> dict[str, str]:
        """Task → name of the PyTorch class; one task a class."""
        names: dict[str, str] = {}
        for task, dotted in self.classes("torch").items():
            name = dotted.partition(":")[2]
            if name not in names.values() and task in (self.only or (task,)):
                names[task] = name
        return names

    def representatives(self) -> list[str]:
        """Tasks whose classes stand for all in tests of what they share: bare, with words' scores, with a new head."""
        names = self.class_names()
        kinds = (("base",), self.output_heads, tuple(self.new_heads))
        found = [next((task for task in kind if task in names), None) for kind in kinds]
        return [*dict.fromkeys(task for task in found if task is not None)] or [*names]

    def exported_tasks(self) -> list[str]:
        """Tasks of ``exported``, or the one that is by default."""
        names = self.class_names()
        return [task for task in self.exported or self.output_heads if task in names][: len(self.exported) or 1]

    def config_class(self) -> Any:
        """The configuration class."""
        return load(self.record().config)

    # --- sizes

    def make_config(self, **changes: Any) -> Any:
        """A new tiny configuration."""
        return self.config_class()(**{**self.config, **changes})

    def vocab_size(self) -> int:
        return int(self.make_config().vocab_size)

    def layers(self) -> int:
        return int(self.make_config().num_hidden_layers)

    def heads(self) -> int:
        return int(self.make_config().num_attention_heads)

    # --- inputs

    @property
    def padded(self) -> bool:
        """Whether the models are told of padding."""
        return "attention_mask" in self.arguments

    def mask(self, task: str) -> Array:
        """(B, S), for multiple choice (B, CHOICES, S): 1 for the tokens of :meth:`inputs`, 0 for padding."""
        lengths = np.array(LENGTHS if task != "multiple-choice" else (7, 5, 2, 6, 3, 7))
        mask = (np.arange(SEQUENCE) < lengths[:, None]).astype(np.int64)
        return mask if task != "multiple-choice" else mask.reshape(-1, CHOICES, SEQUENCE)

    def inputs(self, task: str, seed: int = 0) -> Inputs:
        """A right-padded batch of three sentences (for multiple choice: two questions of CHOICES sentences each).

        Without an attention mask, padding is tokens like others.
        """
        rng = np.random.default_rng(seed)
        mask = self.mask(task)
        pad = int(getattr(self.make_config(), "pad_token_id", 0) or 0)
        inputs = {"input_ids": np.where(mask == 1, rng.integers(5, self.vocab_size(), mask.shape), pad)}
        if self.padded:
            inputs["attention_mask"] = mask
        for name, count in self.token_inputs.items():
            if name in self.arguments:
                inputs[name] = rng.integers(0, count, mask.shape) * mask
        return inputs

    def place_of_answers(self, task: str, mask: Array) -> Inputs:
        """What a model that finds answers by a beam is told of padding. As published it does not see to it by itself.

        Args:
            mask: (B, S), 1 for tokens.
        """
        if task != "beam-question-answering":
            return {}
        return {"p_mask": 1 - mask, "cls_index": mask.shape[1] - 1 - mask[:, ::-1].argmax(-1)}

    def label_keywords(self, task: str) -> Mapping[str, str]:
        """Keyword of a label → what it holds."""
        return self.labels.get(task, LABELS.get(task, {}))

    def make_labels(self, task: str, seed: int = 1) -> Inputs:
        """Labels that fit :meth:`inputs`; in token-level ones, padding and one token are to be ignored (-100)."""
        rng = np.random.default_rng(seed)
        mask = self.mask(task)
        config = self.make_config()
        made: Inputs = {}
        for keyword, kind in self.label_keywords(task).items():
            if kind in ("tokens", "token classes"):
                label = rng.integers(0, self.vocab_size() if kind == "tokens" else config.num_labels, mask.shape)
                label = np.where(mask == 1, label, -100)
                label[0, 1] = -100
            elif kind in ("answer", "place"):
                label = rng.integers(0, mask.sum(-1))
            elif kind == "truth":
                label = rng.integers(0, 2, mask.shape[:1])
            else:
                classes = {"classes": config.num_labels, "pair": 2, "positions": 5, "choices": CHOICES}[kind]
                label = rng.integers(0, classes, mask.shape[:1])
            made[keyword] = label.astype(np.float32 if kind == "truth" else np.int64)
        return made

    # --- outputs

    def fields_with_labels(self, task: str, fields: Sequence[str], framework: str) -> tuple[str, ...]:
        """The fields of an output with labels, where ``fields`` are those without.

        Where there is a loss for every label, scores are not computed. PyTorch leaves their place, and Keras has none.
        """
        if framework == "tf" and task in self.token_losses:
            fields = [name for name in fields if name != "logits"]
        return tuple(self.labelled_fields.get(task, LABELLED_FIELDS.get(task, ("loss", *fields))))

    def loss_shape(self, task: str) -> tuple[int, ...]:
        """The shape of the loss."""
        return self.mask(task).shape if task in self.token_losses else ()


def load(dotted: str) -> Any:
    """The object of a dotted name ``"package.module:name"``."""
    module, _, name = dotted.partition(":")
    return getattr(importlib.import_module(module), name)


def load_spec(test_file: str, name: str) -> ModelSpec:
    """``SPEC`` of ``<name>.py`` beside a test module (tests are no packages, so they cannot import each other)."""
    spec: ModelSpec = runpy.run_path(str(Path(test_file).with_name(f"{name}.py")))["SPEC"]
    return spec


def trimmed(array: Array, length: int, *, left: bool = False, memory: int = 0) -> Array:
    """Every axis of length SEQUENCE cut down to its first (``left``: last) ``length`` entries.

    An axis of ``memory`` + SEQUENCE entries keeps those of the memory, and is then cut alike.
    """
    for axis, size in enumerate(array.shape):
        if size in (SEQUENCE, memory + SEQUENCE):
            before = size - SEQUENCE
            start = size - length if left else before
            array = np.take(array, [*range(before), *range(start, start + length)], axis=axis)
    return array


def at_tokens(array: Array, mask: Array) -> Array:
    """An output, (B, S, …) or (…, B, N, S, D) for the mask (B, S), with zeros where there is no token.

    What a model gives for padding is nobody's business. Other outputs are as they are.
    """
    rows = mask.reshape(-1, SEQUENCE)
    if array.shape[: mask.ndim] == mask.shape:
        return np.where(mask.reshape(*mask.shape, *[1] * (array.ndim - mask.ndim)) > 0, array, 0)
    if array.shape[:2] == rows.shape:
        return np.where(rows.reshape(*rows.shape, *[1] * (array.ndim - 2)) > 0, array, 0)
    if array.ndim == 5 and (array.shape[1], array.shape[3]) == rows.shape:  # past
        return np.where(rows[None, :, None, :, None] > 0, array, 0)
    return array


def leaves(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an output but None, those that are tuples taken apart: ``past`` → ``past[0]``, ``past[1]``, …"""
    found: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, tuple | list):
            found.update(leaves({f"{name}[{index}]": item for index, item in enumerate(value)}))
        elif value is not None:
            found[name] = value
    return found


def random_like(name: str, array: Array) -> Array:
    """Random values for a parameter, the same for the same name and shape; biases and normalisations are random too."""
    if not np.issubdtype(array.dtype, np.floating):
        return array
    rng = np.random.default_rng(list(name.encode()))
    values: Array = np.asarray(rng.standard_normal(array.shape))
    if array.ndim < 2:
        values = (1.0 if name.endswith("weight") else 0.0) + 0.2 * values
    else:
        values *= array.shape[-1] ** -0.5
    return np.asarray(values, dtype=array.dtype)


def assert_close(actual: Any, wanted: Any, tolerance: float, what: str = "") -> None:
    """Assert that two (nested) outputs agree within ``tolerance`` times the largest output, and are finite."""
    if isinstance(wanted, tuple | list):
        assert len(actual) == len(wanted), f"{what}: {len(actual)} entries, {len(wanted)} wanted"
        for index, (a, w) in enumerate(zip(actual, wanted, strict=True)):
            assert_close(a, w, tolerance, f"{what}[{index}]")
        return
    if wanted is None:
        assert actual is None, what
        return
    actual, wanted = np.asarray(actual), np.asarray(wanted)
    assert actual.shape == wanted.shape, f"{what}: shape {actual.shape}, {wanted.shape} wanted"
    assert np.isfinite(actual).all(), f"{what} is not finite"
    if wanted.size:
        largest = float(np.abs(wanted).max())
        difference = float(np.abs(actual.astype(np.float64) - wanted.astype(np.float64)).max())
        assert difference <= tolerance * max(largest, 1e-30), (
            f"{what}: differs by {difference:.3g}, largest {largest:.3g}"
        )
