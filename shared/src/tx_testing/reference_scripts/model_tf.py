"""Reference models in TensorFlow: as ``model_torch.py``; random twins are saved as ``<key>`` (tf_model.h5) and
``<key>-safetensors`` (TensorFlow's names and layouts)."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Any

os.environ["USE_TORCH"] = "0"
os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np
import tensorflow as tf
import transformers


def randomise(model: Any) -> None:
    for variable in model.variables:
        generator = np.random.default_rng(zlib.crc32(variable.name.encode()))
        values = generator.standard_normal(variable.shape)
        if variable.shape.rank == 1:
            values = (1.0 if "gamma" in variable.name else 0.0) + 0.2 * values
        else:
            values *= int(variable.shape[-1]) ** -0.5
        variable.assign(values.astype(np.float32))


def flat(prefix: str, value: Any, out: dict[str, np.ndarray]) -> None:
    if isinstance(value, tuple | list):
        for index, item in enumerate(value):
            flat(f"{prefix}/{index}", item, out)
    elif value is not None:
        out[prefix] = np.asarray(value, dtype=np.float32)


def main(arguments: dict[str, Any], inputs: dict[str, np.ndarray], folder: Path) -> dict[str, np.ndarray]:
    out: dict[str, np.ndarray] = {}
    for request in arguments["requests"]:
        cls = getattr(transformers, f"TF{request['class']}")
        if "load" in request:
            model, info = cls.from_pretrained(request["load"], output_loading_info=True)
            # It counts layers without weights, too, by names with a number that is another in each process.
            empty = [layer.name for layer in model.layers if not layer.weights]
            allowed = (*request["allowed"], *empty)
            problems = {what: [n for n in names if not str(n).startswith(allowed)] for what, names in info.items()}
            if any(problems.values()):
                raise ValueError(f"{request['key']}: {problems}")
        else:
            config = getattr(transformers, request["config_class"])(**request["config"])
            model = cls(config)
            model.build_in_name_scope()
            randomise(model)
            model.save_pretrained(folder / request["key"], safe_serialization=False)
            model.save_pretrained(folder / f"{request['key']}-safetensors", safe_serialization=True)
        arrays = {keyword: tf.constant(inputs[name]) for keyword, name in request["inputs"].items()}
        outputs = model(arrays, **request.get("options", {}), return_dict=True, training=False)
        for name, value in outputs.items():
            flat(f"{request['key']}/{name}", value, out)
    return out
