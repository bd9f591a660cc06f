"""What is compared: the architectures' models of two sizes, their inputs, and how far results may lie apart.

Needs no framework. The architectures are described by their packages' own specifications, ``tests/name_spec.py``.
"""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tx_testing.suites.spec import Array, Inputs, ModelSpec, random_like

ROOT = Path(__file__).resolve().parents[3]

# The sizes of the small published models; where those are large, twelve layers of width 768.
BASE: dict[str, dict[str, Any]] = {
    "bert": {},
    "openai-gpt": {},
    "gpt2": {},
    "transfo-xl": {
        "vocab_size": 32000,
        "cutoffs": [4000, 16000],
        "div_val": 1,
        "d_model": 768,
        "d_embed": 768,
        "n_layer": 12,
        "n_head": 12,
        "d_head": 64,
        "d_inner": 3072,
        "mem_len": 128,
    },
    "xlnet": {"vocab_size": 32000, "d_model": 768, "n_layer": 12, "n_head": 12, "d_inner": 3072, "mem_len": 128},
    "xlm": {"vocab_size": 32000, "emb_dim": 768, "n_layers": 12, "n_heads": 12, "n_langs": 5},
    "roberta": {"vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1},
    "distilbert": {},
    "ctrl": {"vocab_size": 32000, "n_embd": 768, "dff": 3072, "n_layer": 12, "n_head": 12, "n_positions": 256},
}
# Size -> rows and tokens of a batch, tokens of a prompt, new tokens. On the CPU alone "base" does less.
SIZES = {"tiny": (4, 16, 6, 8), "base": (8, 128, 32, 64)}
REHEARSAL = {"tiny": SIZES["tiny"], "base": (2, 24, 6, 4)}

# The unit in the last place of numbers near 1: of 24, 11 and 8 bits of mantissa, the leading one included.
EPSILON = {"float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
# Of gradients: the norm of a parameter's counts as no less than this part of the largest.
LEAST = 0.05
# The architectures whose feed-forward layers have ReLU.
RELU = ("ctrl", "transfo-xl")


@cache
def spec_of(name: str) -> ModelSpec:
    """The specification of an architecture, by its model type."""
    path = ROOT / "packages" / f"tx-{name}" / "tests" / f"{name.replace('-', '_')}_spec.py"
    spec: ModelSpec = runpy.run_path(str(path))["SPEC"]
    return spec


def random_values(name: str, shape: tuple[int, ...]) -> Array:
    """Values of a parameter in the published layout, the same for the same name and shape."""
    values = random_like(name, np.zeros(shape, np.float32))
    if len(shape) > 2:  # XLNet's, (inputs, heads, width of a head): as small as others of as many inputs
        values *= (shape[-1] / shape[0]) ** 0.5
    return values


@dataclass(frozen=True)
class Case:
    """An architecture's language model of a size.

    Args:
        name: the model type.
        size: one of SIZES.
        rehearsal: whether the work is that of REHEARSAL.
    """

    name: str
    size: str
    rehearsal: bool = False

    @property
    def amounts(self) -> tuple[int, int, int, int]:
        """Rows and tokens of a batch, tokens of a prompt, new tokens."""
        return (REHEARSAL if self.rehearsal else SIZES)[self.size]

    @property
    def spec(self) -> ModelSpec:
        """Its specification, with the configuration of this size."""
        spec = spec_of(self.name)
        return spec if self.size == "tiny" else replace(spec, config=BASE[self.name])

    @property
    def writer(self) -> ModelSpec | None:
        """The specification of the model that generates text: this one's, or that of a variant; None if none does."""
        spec = self.spec
        if spec.generates:
            return spec
        return next((spec.variant(name) for name, each in spec.variants.items() if each.get("generates")), None)

    @property
    def task(self) -> str:
        """The task of its language model."""
        return "causal-lm" if "causal-lm" in self.spec.class_names() else "masked-lm"

    def inputs(self) -> Inputs:
        """A right-padded batch (B, S) with labels; -100 for padding."""
        rows, length = self.amounts[:2]
        rng = np.random.default_rng(0)
        lengths = np.concatenate(([length], rng.integers(2, length, rows - 1)))
        mask = (np.arange(length) < lengths[:, None]).astype(np.int64)
        spec = self.spec
        pad = int(getattr(spec.make_config(), "pad_token_id", 0) or 0)
        found = {"input_ids": np.where(mask == 1, rng.integers(5, spec.vocab_size(), mask.shape), pad)}
        found["attention_mask"] = mask
        for name, count in spec.token_inputs.items():
            if name in spec.arguments:
                least = getattr(spec.make_config(), "type_vocab_size", count) if name == "token_type_ids" else count
                found[name] = rng.integers(0, min(count, least), mask.shape) * mask
        for keyword, kind in spec.label_keywords(self.task).items():
            assert kind == "tokens", f"{self.name}: {keyword} are {kind}"
            found[keyword] = np.where(mask == 1, rng.integers(0, spec.vocab_size(), mask.shape), -100)
        return found

    def prompts(self, spec: ModelSpec) -> Array:
        """Prompts (B, P) of one length."""
        rows, _, length, _ = self.amounts
        return np.random.default_rng(2).integers(5, spec.vocab_size(), (rows, length))

    def tolerance(self, dtype: str, gradients: bool = False) -> float:
        """How far results of a type of numbers may lie from the CPU's in float32, of the largest.

        Of each rounding the error is at most half of EPSILON. The model's blocks (embeddings, attention and
        feed-forward layers, head) add theirs, which are independent, so their sum grows with the root of their number.
        In half precision a block rounds a few times, as sums are kept in float32; in float32 the sums themselves are in
        another order, whose error grows with the root of their number of terms, the width. Twice that is allowed.

        Gradients go the same way back: twice that is allowed of them.
        With ReLU, an error e takes a part e of the units past the kink, so that as much of the squared norm of their
        gradients appears or goes: a difference of the root of e. Four times that is allowed, since a tiny model has few
        units, of which one may be much.
        """
        config = self.spec.make_config()
        terms = 2 * int(config.num_hidden_layers) + 2
        if dtype == "float32":
            terms *= int(config.hidden_size)
        allowed = float(2 * EPSILON[dtype] * terms**0.5)
        if not gradients:
            return allowed
        return 4 * allowed**0.5 if self.name in RELU else 2 * allowed


@dataclass(frozen=True)
class Difference:
    """How far results lie apart.

    Attributes:
        absolute, relative: the largest difference, and the largest of the largest number of its array.
        where: the array in which ``relative`` is.
    """

    absolute: float = 0.0
    relative: float = 0.0
    where: str = ""

    def __or__(self, other: Difference) -> Difference:
        """The larger of two."""
        larger = max(self, other, key=lambda each: each.relative)
        return replace(larger, absolute=max(self.absolute, other.absolute))


def difference(found: Mapping[str, Array], wanted: Mapping[str, Array], gradients: bool = False) -> Difference:
    """How far arrays lie apart; infinitely if names or shapes differ, or something is not finite.

    Gradients are compared by their Euclidean norm in place of the largest number: where rounding takes a number past
    the kink of a ReLU, some of a gradient appears or goes, and the largest difference says nothing of the rest. And
    the norm of a parameter's gradient counts as no less than LEAST of the largest: some are 0 but for rounding, as that
    of a bias of keys, which shifts all scores of a query alike.
    """
    infinite = Difference(float("inf"), float("inf"))
    if list(found) != list(wanted):
        return replace(infinite, where=f"there are {list(found)}, not {list(wanted)}")
    sizes = {name: _size(array, gradients) for name, array in wanted.items()}
    floor = max(LEAST * max(sizes.values(), default=0.0) if gradients else 0.0, 1e-30)
    worst = Difference()
    for name, array in wanted.items():
        one, two = (np.asarray(each, np.float64) for each in (found[name], array))
        if one.shape != two.shape:
            return replace(infinite, where=f"{name} is {one.shape}, not {two.shape}")
        if not np.isfinite(one).all() or not np.isfinite(two).all():
            return replace(infinite, where=f"{name} is not finite")
        relative = _size(one - two, gradients) / max(sizes[name], floor)
        worst |= Difference(_size(one - two, False), relative, name)
    return worst


def difference_of_texts(found: Mapping[str, Array], wanted: Mapping[str, Array]) -> tuple[Difference, int]:
    """How far two results of ``generate`` lie apart, and in how many rows their tokens part.

    The log-probabilities of tokens are compared up to where a row's tokens part, that place included: the likeliest of
    two lists that differ by rounding have probabilities that differ by no more. What follows other tokens is another
    text. Of beams the scores by which sequences are chosen are compared alike.
    """
    if found["sequences"].shape != wanted["sequences"].shape:  # a row that parted ended earlier or later
        return difference({name: found[name] for name in wanted}, wanted), len(wanted["sequences"])
    same = found["sequences"] == wanted["sequences"]
    parted = int((~same.all(1)).sum())
    if "sequence_scores" in wanted:
        one, two = ({"sequence_scores": each["sequence_scores"]} for each in (found, wanted))
        return difference(one, two), parted
    same = same[:, -wanted["scores"].shape[1] :]
    before = np.cumprod(np.concatenate((np.ones_like(same[:, :1]), same[:, :-1]), 1), 1)
    one, two = ({"scores": np.where(before, each["scores"], 0)} for each in (found, wanted))
    return difference(one, two), parted


def _size(array: Array, norm: bool) -> float:
    """The Euclidean norm of an array, or its largest number."""
    numbers = np.asarray(array, np.float64).ravel()
    return float(np.linalg.norm(numbers) if norm else np.abs(numbers).max(initial=0.0))


@dataclass
class Result:
    """A line of the table.

    Attributes:
        difference, tolerance: None for checks of something else than numbers. The tolerance is of ``relative``.
        ok: None if the check was skipped.
        cpu_ms, device_ms: of a step, by the median. first_ms: of the first call, which compiles.
        tokens_per_second: of generation on the device.
        peak_mib: the most memory that was allocated on the device.
        notes: why it was skipped or failed, or what is to be said.
    """

    architecture: str
    check: str
    difference: Difference | None = None
    tolerance: float | None = None
    ok: bool | None = True
    cpu_ms: float | None = None
    device_ms: float | None = None
    first_ms: float | None = None
    tokens_per_second: float | None = None
    peak_mib: float | None = None
    notes: list[str] = field(default_factory=list)

    def compare(self, difference: Difference, tolerance: float) -> None:
        """Take a difference into account; the one that is nearest to its tolerance, or beyond, is kept."""
        if difference.relative > tolerance:
            self.fail(f"{difference.where}: {difference.relative:.2g} apart, {tolerance:.2g} allowed")
        if (
            self.difference is None
            or self.tolerance is None
            or difference.relative / tolerance >= self.difference.relative / self.tolerance
        ):
            self.difference, self.tolerance = difference, tolerance

    def fail(self, reason: str) -> None:
        """Note that it failed."""
        self.ok = False
        self.notes.append(reason)

    def skip(self, reason: str) -> Result:
        """Note that there is nothing to check here."""
        self.ok = None
        self.notes.append(reason)
        return self
