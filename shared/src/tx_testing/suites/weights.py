"""Tests of an architecture's weight table: its three spellings of a name map to each other. NumPy only."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from tx_core.checkpoints import ArrayInfo
from tx_core.weights import OPTIMIZER_SLOTS, Place, Weights
from tx_core.weights.table import is_optimizer_state

from .base import Suite


class _Raw:
    """An original checkpoint, of which the names matter alone."""

    format = "tf1"

    def __init__(self, names: list[str]) -> None:
        self.metadata: dict[str, str] = {}
        self.names = lambda: names

    def info(self, name: str) -> ArrayInfo:
        return ArrayInfo((1,), "float32")

    def read(self, name: str) -> np.ndarray[Any, Any]:
        return np.zeros(1, np.float32)

    take = read

    def give_back(self, name: str) -> None: ...

    def same(self, name: str, other: str) -> bool:
        return name == other

    def close(self) -> None: ...


class WeightTableSuite(Suite):
    """The rows of the table."""

    def names(self) -> list[str]:
        """Every row's published name, for the first, second and twelfth layer."""
        table = self.spec.weight_table()
        return list(dict.fromkeys(re.sub(r"\{\w\}", i, row.name) for row in table.rows for i in ("0", "1", "11")))

    def test_rows_are_distinct(self) -> None:
        table = self.spec.weight_table()
        published = [row.name for row in table.rows]
        assert len(set(published)) == len(published)
        originals = [(row.original, row.part) for row in table.rows if row.original is not None]
        assert len(set(originals)) == len(originals)

    def test_parts_are_whole_sets(self) -> None:
        """All n parts of an original are parameters, and each is one."""
        table = self.spec.weight_table()
        for rows in (table.rows, table.other_originals):
            for row in rows:
                if isinstance(row.part, tuple):
                    parts = [other.part for other in rows if other.original == row.original]
                    assert sorted(parts) == [(k, row.part[1]) for k in range(row.part[1])], row
                elif row.part is not None:
                    assert row.part in row.name, row
                    assert row.part not in row.original, row

    def test_rows_say_their_kind(self) -> None:
        """A module's weight and bias are of one kind, and a weight is that of some module."""
        kinds: dict[str, str] = {}
        for row in self.spec.weight_table().rows:
            owner, _, leaf = row.name.rpartition(".")
            assert leaf != "weight" or row.kind != "parameter", f"{row.name}: linear, norm, embedding or conv1d?"
            assert kinds.setdefault(owner, row.kind) == row.kind, f"{owner} is {row.kind} and {kinds[owner]}"

    def test_published_names_find_their_row(self) -> None:
        table = self.spec.weight_table()
        for name in self.names():
            assert table.published(name) == name
            row = table.row(name)
            assert row is not None
            assert re.sub(r"\{\w\}|(?<=\.)\d+(?=\.|$)", "#", row.name) == re.sub(r"(?<=\.)\d+(?=\.|$)", "#", name)
            bare = name.removeprefix(f"{table.prefix}.")
            assert table.published(bare) == name, "a file of the bare model"

    def test_unknown_names_are_unknown(self) -> None:
        table = self.spec.weight_table()
        for name in self.names():
            for wrong in (f"x{name}", f"{name}x", name.replace(".", "_"), f"module.{name}", name.replace(".0.", ".a.")):
                assert wrong == name or table.row(wrong) is None, wrong
        assert table.published("unheard.of.weight") is None
        assert table.from_original("unheard/of/kernel") == ()
        assert table.from_keras("unheard/of/kernel:0") is None

    def test_original_names_go_both_ways(self) -> None:
        table = self.spec.weight_table()
        for name in self.names():
            row, original = table.row(name), table.to_original(name)
            assert (original is None) == (row.original is None)
            if original is not None:
                # The items of a stack have their numbers from its length.
                wanted = row.name if isinstance(row.part, str) else name
                assert Place(wanted, original.layout, row.part, row.axes) in table.from_original(original.name)
        for row in table.other_originals:
            assert table.row(re.sub(r"\{\w\}", "0", row.name)) is not None, f"{row.name} is no parameter"

    def test_keras_names_go_both_ways(self) -> None:
        table = self.spec.weight_table()
        seen = set()
        for name in self.names():
            layer, weight, layout = table.to_keras(name, "tf_some_model")
            assert weight.startswith("tf_some_model/")
            assert weight.endswith(":0")
            assert (layer, weight) not in seen
            seen.add((layer, weight))
            for spelling in (
                f"{layer}/{weight}",
                f"{layer}_1/{weight}",
                weight,
                weight.replace("some_model", "some_model_1"),
            ):
                assert table.from_keras(spelling) == (name, layout), spelling

    def test_aliases_name_parameters(self) -> None:
        table = self.spec.weight_table()
        own = {row.name for row in table.rows}
        for alias, name in table.aliases().items():
            assert alias not in own
            assert name in own
            assert table.published(alias) == alias
        for alias, name in table.ties(self.spec.make_config(), False, set).items():
            assert table.row(alias) is not None, f"{alias} has no row"
            assert table.row(name) is not None, f"{name} has no row"

    def test_dropped_names_are_no_parameters(self) -> None:
        table = self.spec.weight_table()
        for pattern in table.dropped:
            assert not any(re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), name) for name in self.names()), (
                pattern
            )
        originals = [found[0] for name in self.names() if (found := table.to_original(name))]
        for name in originals:
            assert not is_optimizer_state(name, set(originals).__contains__), name

    def test_what_optimizers_note_is_dropped(self) -> None:
        """As suffixes of parameters that the file has; of others it is unknown."""
        table = self.spec.weight_table()
        original = next((found.name for name in self.names() if (found := table.to_original(name))), None)
        if original is None or re.fullmatch(r"\d+", original):
            pytest.skip("the authors' files hold no optimizer's state")
        whole = ("global_step", "beta1_power", "beta2_power_1", "loss_scale", "current_loss_scale", "good_steps")
        for slot in (*OPTIMIZER_SLOTS, "Adam_1", "BERTAdam_1", "Adam/ExponentialMovingAverage"):
            extra = (f"{original}/{slot}", f"{original}_slot_vr", *whole, "optimizer/beta1_power")
            weights = Weights(_Raw([original, *extra]), table)
            assert (weights.dropped, weights.unexpected) == ([*extra], []), slot
        for unknown in ("nothing/Adam", f"{original}/Adam/more", f"{original}x/adam_m", f"{original}/Sparse"):
            assert Weights(_Raw([original, unknown]), table).unexpected == [unknown]

    def test_old_names_are_understood(self) -> None:
        table = self.spec.weight_table()
        for old, new in table.renamed:
            renamed = [name for name in self.names() if name.endswith(new)]
            assert renamed, f"no row ends in {new}"
            for name in renamed:
                assert table.published(name.removesuffix(new) + old) == name
