"""Conversion to Keras 3's own file."""

from __future__ import annotations

from pathlib import Path

from tx_core.converting import convert

from .conversion import assert_same
from .models import FILES, read_safetensors
from .models_tf import TFModels


class TFConversionSuite(TFModels):
    """Standard tests of what Keras alone writes."""

    def test_conversion_to_keras_own_weights(self, tmp_path: Path) -> None:
        """Of the bare model and of one with a head: how a file is written does not depend on the class."""
        for task in ("base", self.tasks()[-1]):
            source = self.folder(task)
            report = convert(source, tmp_path / task, "keras")
            assert (report.casts, report.class_name) == ({}, self.spec.class_names()[task])
            model = self.cls(task)(self.spec.config_class().from_pretrained(tmp_path / task))
            model.load_weights(report.destination)
            wanted = read_safetensors(source / FILES["safetensors"])
            assert_same(self.backend.arrays(model), {self.published(task, name): a for name, a in wanted.items()})
            assert sorted(path.name for path in (tmp_path / task).iterdir()) == sorted(report.files)
