"""Matching a checkpoint against a model: what is loaded, and whether it may be."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tx_core.messages import quoted

from .layouts import Shape
from .reading import Weights
from .report import LoadReport, WeightsError
from .table import WeightTable, pattern


def compare(
    weights: Weights,
    wanted: Mapping[str, Shape],
    table: WeightTable,
    new_heads: Sequence[Sequence[str]],
    tied: Mapping[str, str],
    users_base: str | None = None,
) -> tuple[LoadReport, dict[str, str]]:
    """Match a checkpoint against a model's parameters; nothing is assigned here.

    Args:
        weights: the checkpoint.
        wanted: published name (with prefix) → shape, of every parameter of the model; tied names once.
        table: the architecture's.
        new_heads: chains of name prefixes (``{i}`` stands for any number) in the order of the forward pass. A group
            may be missing from the file only as a whole, and only if the later groups of its chain are missing too (a
            trained classifier without the pooler it was trained on is a broken file).
        tied: alias → parameter, as tied in this model.
        users_base: for a class that a user wrote, the prefix of the bare model it holds. What it adds to the
            architecture's table may be missing too, and each module beside the bare model and ``new_heads``, whatever
            it is called, as a whole.

    Returns:
        The report, and for every loaded parameter the name in ``weights`` it is read from.

    Raises:
        WeightsError: if anything is missing but a new head, or unexpected, or of another shape or kind.
    """
    report = LoadReport(
        weights.source, unexpected_keys=list(weights.unexpected), dropped=list(weights.dropped), prefix=weights.prefix
    )
    origin: dict[str, str] = {}
    names_of: dict[str, list[str]] = {}
    by_output = table.aliases()
    for alias, name in tied.items():
        names_of.setdefault(name, []).append(alias)
    for name, shape in wanted.items():
        present = [n for n in (name, *names_of.get(name, ())) if n in weights]
        if not present and weights.supply(name, shape):
            present = [name]
        if not present:
            report.missing_keys.append(name)
            continue
        for other in present[1:]:
            if weights.shape(other) == weights.shape(present[0]) and not weights.agree(present[0], other):
                cure = "tie_word_embeddings=False" if other in by_output else "a configuration that does not tie them"
                report.error_msgs.append(
                    f"{present[0]} and {other} are tied in this model, yet the file gives them different values "
                    f"(load it with {cure})"
                )
        if weights.shape(present[0]) != shape and not (present[0] == name and weights.join(name, shape)):
            report.mismatched_keys.append((name, weights.shape(present[0]), shape))
        elif not re.match(r"float|bfloat", weights.dtype(present[0])):
            report.error_msgs.append(f"{name}: the file has dtype {weights.dtype(present[0])}, the model wants floats")
        else:
            origin[name] = present[0]
            report.loaded.append(name)
    used = {n for name in wanted for n in (name, *names_of.get(name, ()))} | set(origin.values())
    for name in weights.names():
        if name not in used and not weights.serves(name, used):
            # Another head's parameters: the table knows them, this class has no use for them.
            report.dropped.append(name)
    report.error_msgs.extend(weights.misfits + weights.differing_twins() + _undecided(weights, wanted))
    if what := table.stranger(report.unexpected_keys):
        report.error_msgs.append(f"this is {what}")
    report.newly_initialized.extend(_new(report.missing_keys, list(wanted), table, new_heads, users_base))
    if not origin:
        report.error_msgs.append("the file has none of the model's parameters")
    if problems := report.problems():
        raise WeightsError(f"{weights.source or 'the weights'} cannot be loaded:\n{problems}{_hint(report)}", report)
    return report, origin


def _undecided(weights: Weights, wanted: Mapping[str, Shape]) -> list[str]:
    """The message on a head of which the file has several, if the model wants it."""
    heads = dict.fromkeys(head for name in wanted for head in weights.choices.get(name, ()))
    listed = ", ".join(quoted(head) for head in heads)
    return [f"the file has several heads of this kind, {listed}: keep one in a copy of the file"] if heads else []


def _new(
    missing: Sequence[str],
    wanted: Sequence[str],
    table: WeightTable,
    chains: Sequence[Sequence[str]],
    users_base: str | None,
) -> list[str]:
    absent = set(missing)
    allowed: set[str] = set()
    if users_base is not None:
        allowed.update(name for name in missing if table.row(name) is None)
        known = {users_base, *(group.partition(".")[0] for chain in chains for group in chain)}
        modules = dict.fromkeys(name.partition(".")[0] for name in wanted)
        chains = [*chains, *([module] for module in modules if module not in known)]
    for chain in chains:
        later_are_missing = True
        for group in reversed(chain):
            inside = re.compile(pattern(group).pattern + r"(\..*)?")
            members = [name for name in wanted if inside.fullmatch(name)]
            whole = bool(members) and absent.issuperset(members)
            if whole and later_are_missing:
                allowed.update(members)
            later_are_missing = later_are_missing and (whole or not members)
    return [name for name in missing if name in allowed]


def _hint(report: LoadReport) -> str:
    heads = [m for m in report.mismatched_keys if m[0].rpartition(".")[0].endswith(("classifier", "qa_outputs"))]
    if heads:
        return "\nIs num_labels in the configuration that of the file?"
    return ""
