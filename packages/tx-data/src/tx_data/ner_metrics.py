"""How many entities are found, as CoNLL's evaluation counts them (Tjong Kim Sang & De Meulder 2003,
https://aclanthology.org/W03-0419).

An entity is right if its first word, its last word and its kind are. I-X after O, or after an entity of another kind,
begins one too. Labels may also have E- for the last word of an entity and S- for its only one.
"""

from __future__ import annotations

from collections import Counter

from tx_core.messages import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Entity = tuple[str, int, int]


def entities(labels: Sequence[str]) -> list[Entity]:
    """The entities of a sentence, (kind, first word, last word) each, in order.

    Raises ValueError for a label that is not O, or B, I, E or S with a kind after a hyphen.
    """
    return [*_entities(labels)]


def _entities(labels: Sequence[str]) -> Iterator[Entity]:
    start, last, last_kind = 0, "O", ""
    for number, label in enumerate(labels):
        place, hyphen, kind = label.partition("-")
        if label != "O" and (place not in ("B", "I", "E", "S") or not hyphen):
            raise ValueError(f"a label is O or B-…, I-…, E-… or S-… with the kind of an entity, not {quoted(label)}")
        goes_on = last in ("B", "I") and place in ("I", "E") and kind == last_kind
        if not goes_on:
            if last != "O":
                yield last_kind, start, number - 1
            start = number
        last, last_kind = place, kind
    if last != "O":
        yield last_kind, start, len(labels) - 1


def ner_compute_metrics(preds: Sequence[Sequence[str]], labels: Sequence[Sequence[str]]) -> dict[str, float]:
    """Precision, recall and F1 of entities.

    Args:
        preds, labels: the labels of the words of each sentence.

    Returns:
        `precision`, `recall` and `f1`, from 0 to 1, of all entities, and `accuracy`, the share of words whose labels
        are equal; then `PER_precision`, … of each kind. What nothing counts for is 0.

    Raises:
        ValueError: other sentences or words here and there, or a label that is none.
    """
    if len(preds) != len(labels):
        raise ValueError(f"{len(preds)} sentences are predicted, and {len(labels)} have labels")
    found: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    right: Counter[str] = Counter()
    words = equal = 0
    for number, (pred, label) in enumerate(zip(preds, labels, strict=True)):
        if len(pred) != len(label):
            raise ValueError(f"sentence {number} has {len(pred)} predicted labels, and {len(label)} words")
        ours, theirs = {*entities(pred)}, {*entities(label)}
        found.update(kind for kind, _, _ in ours)
        wanted.update(kind for kind, _, _ in theirs)
        right.update(kind for kind, _, _ in ours & theirs)
        words += len(label)
        equal += sum(one == other for one, other in zip(pred, label, strict=True))
    metrics = _scores("", right.total(), found.total(), wanted.total())
    metrics["accuracy"] = equal / words if words else 0.0
    for kind in sorted({*found, *wanted}):
        metrics.update(_scores(f"{kind}_", right[kind], found[kind], wanted[kind]))
    return metrics


def _scores(prefix: str, right: int, found: int, wanted: int) -> dict[str, float]:
    precision = right / found if found else 0.0
    recall = right / wanted if wanted else 0.0
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    return {f"{prefix}precision": precision, f"{prefix}recall": recall, f"{prefix}f1": f1}
