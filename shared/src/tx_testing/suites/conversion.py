"""Conversion of checkpoints: from every class's file to every format and back, to the bit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tx_core.checkpoints import open_checkpoint
from tx_core.converting import FORMATS, ConversionReport, convert
from tx_core.converting.contents import is_in
from tx_core.weights import WeightsError

from .base import of_shared_code
from .models import FILES, Models, read_safetensors
from .spec import Array

WITHOUT_FRAMEWORK: tuple[Any, ...] = tuple(form for form in FORMATS if form != "keras")


def assert_same(found: Mapping[str, Array], wanted: Mapping[str, Array]) -> None:
    """Assert that two files have the same arrays, to the bit."""
    assert set(found) == set(wanted)
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype, name
        np.testing.assert_array_equal(found[name], array, err_msg=name)


class ConversionSuite(Models):
    """Standard tests that run for every variant of the configuration."""

    def converts(self, task: str, form: Any, folder: Path) -> ConversionReport | None:
        """Convert the file of a class; None where the authors' programs have no such parameters."""
        source, table = self.folder(task), self.spec.weight_table()
        names = [self.published(task, name) for name in read_safetensors(source / FILES["safetensors"])]
        if form == "tf1" and table.tf1 is None:
            with pytest.raises(ValueError, match="published no checkpoints of TensorFlow 1"):
                convert(source, folder, form)
        elif form == "tf1" and any(table.to_original(name) is None for name in names):
            with pytest.raises(WeightsError, match="has no name in the authors' checkpoints"):
                convert(source, folder, form)
        else:
            return convert(source, folder, form)
        assert not folder.exists()
        return None

    def test_conversion_there_and_back(self, task: str, tmp_path: Path) -> None:
        """From safetensors to each format, which loads, and back, to the bit, with the same configuration.

        To the authors' format for every class, whose names may have no others there; to the rest for representatives.
        """
        source = self.folder(task)
        wanted = read_safetensors(source / FILES["safetensors"])
        config = json.loads((source / "config.json").read_text())
        config["architectures"] = [self.spec.class_names()[task]]
        for form in WITHOUT_FRAMEWORK if task in self.spec.representatives() else ("tf1",):
            there, back = tmp_path / form, tmp_path / f"{form} back"
            report = self.converts(task, form, there)
            if report is None:
                continue
            assert set(report.shapes) == {self.published(task, name) for name in wanted}
            assert report.size == sum(array.nbytes for array in wanted.values())
            assert (report.casts, report.supplied, report.dropped) == ({}, (), ())
            assert report.class_name == self.spec.class_names()[task]
            model, loaded = self.cls(task).from_pretrained(str(there), output_loading_info=True)
            assert not any(loaded.values())
            assert_same(self.backend.arrays(model), self.backend.arrays(self.shared(task)))
            assert convert(there, back, "safetensors").model_type == self.spec.record().model_type
            assert_same(read_safetensors(back / FILES["safetensors"]), wanted)
            assert json.loads((back / "config.json").read_text()) == config

    @of_shared_code
    def test_conversion_writes_what_a_model_saves(self, task: str, tmp_path: Path) -> None:
        """A file of PyTorch's has the second names of tied parameters too."""
        for form in ("bin", "h5"):
            self.shared(task).save_pretrained(tmp_path / form, format=form)
            report = convert(self.folder(task), tmp_path / f"{form} converted", form)
            arrays = []
            for path in (tmp_path / form / FILES[form], report.destination):
                with open_checkpoint(path) as checkpoint:
                    arrays.append({name: checkpoint.read(name) for name in checkpoint.names()})
            assert_same(arrays[1], arrays[0])

    def test_the_table_tells_heads_and_shapes(self, task: str) -> None:
        """Those of each class, and those of what its authors leave out and models have."""
        table, record, model = self.spec.weight_table(), self.spec.record(), self.shared(task)
        arrays, tied = self.backend.arrays(model), model._tied()
        groups = table.heads[self.spec.class_names()[task].removeprefix(record.name)]
        for name in arrays:
            assert name.startswith(f"{table.prefix}.") or any(is_in(name, group) for group in groups), name
        for group in groups:
            assert any(is_in(name, group) for name in (*arrays, *tied)), group
        assert set(table.heads) == set(record.tasks.values())
        for name, shape in (table.given(model.config) if table.given is not None else {}).items():
            if name.startswith(f"{table.prefix}.") or groups:
                assert arrays[tied.get(name, name)].shape == shape, name
