"""What ONNX Runtime makes of the files that PyTorch exports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from .exports_torch import Positional
from .models import SAME
from .models_torch import TorchModels
from .spec import assert_close


class TorchOnnxSuite(TorchModels):
    """Standard tests of models in ONNX Runtime."""

    @pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
    def test_onnx(self, task: str, tmp_path: Path) -> None:
        """What ``torch.onnx.export`` makes of a traced model, ONNX Runtime runs for any number of rows and tokens."""
        pytest.importorskip("onnx", reason="onnx is not installed")
        runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
        model, inputs = self.model(task, torchscript=True), self.tensors(task)
        model.skip_padding = False  # as in a graph
        axes = {name: {axis: f"axis_{axis}" for axis in range(tensor.dim())} for name, tensor in inputs.items()}
        torch.onnx.export(
            Positional(model, tuple(inputs)).eval(),
            tuple(inputs.values()),
            tmp_path / "model.onnx",
            input_names=list(inputs),
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )
        session = runtime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
        other = self.backend.tensors(self.spec.inputs(task, seed=5))
        for batch in (inputs, {n: t[:2, ..., :5] for n, t in other.items()}):
            with torch.no_grad():
                wanted = model(**batch)
            found = session.run(None, {name: np.ascontiguousarray(tensor) for name, tensor in batch.items()})
            flat = [self.backend.numpy(x) for each in wanted for x in (each if isinstance(each, tuple) else (each,))]
            assert len(found) == len(flat)
            for one, two in zip(found, flat, strict=True):
                assert_close(one, two, SAME)
