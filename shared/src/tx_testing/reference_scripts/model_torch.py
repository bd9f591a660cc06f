"""Reference models in PyTorch: random twins made, run and saved, and folders of others loaded and run.

``arguments["requests"]`` is a list of ``{"key", "class", "config_class", "config", "inputs": {keyword: array name},
"options": {keyword: bool}, "load": folder, "allowed": prefixes}``. Without ``load`` a random model is made and saved as
``<key>`` (safetensors) and ``<key>-bin``. With it, the folder has to fit the class but for names that begin with
``allowed``. With ``float64`` a random model is also run in double precision: the outputs are ``<key>-float64``.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Any

os.environ["USE_TF"] = "0"

import numpy as np
import torch
import transformers

_TYPE_AS = torch.Tensor.type_as


def type_as(self: torch.Tensor, other: torch.Tensor | None = None, *, dtype: torch.dtype | None = None) -> torch.Tensor:
    """As PyTorch's own, which has no ``dtype``: the reference's Transformer-XL passes one, and stops at once."""
    return self.to(dtype) if other is None else _TYPE_AS(self, other)


setattr(torch.Tensor, "type_as", type_as)  # noqa: B010 - mypy lets no method be assigned to


def randomise(model: torch.nn.Module) -> None:
    """Give every parameter random values, biases and normalisations too, so that no mistake hides behind a 0 or a 1."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            generator = np.random.default_rng(zlib.crc32(name.encode()))
            values = generator.standard_normal(parameter.shape)
            if parameter.ndim == 1:
                values = (1.0 if name.endswith("weight") else 0.0) + 0.2 * values
            else:
                values *= parameter.shape[-1] ** -0.5
            parameter.copy_(torch.from_numpy(values.astype(np.float32)))


def flat(prefix: str, value: Any, out: dict[str, np.ndarray]) -> None:
    if isinstance(value, torch.Tensor):
        out[prefix] = value.detach().numpy()
    elif isinstance(value, tuple | list):
        for index, item in enumerate(value):
            flat(f"{prefix}/{index}", item, out)


def main(arguments: dict[str, Any], inputs: dict[str, np.ndarray], folder: Path) -> dict[str, np.ndarray]:
    torch.set_num_threads(1)
    out: dict[str, np.ndarray] = {}
    for request in arguments["requests"]:
        cls = getattr(transformers, request["class"])
        if "load" in request:
            model, info = cls.from_pretrained(request["load"], attn_implementation="eager", output_loading_info=True)
            allowed = tuple(request["allowed"])
            problems = {what: [n for n in names if not str(n).startswith(allowed)] for what, names in info.items()}
            if any(problems.values()):
                raise ValueError(f"{request['key']}: {problems}")
        else:
            config = getattr(transformers, request["config_class"])(**request["config"])
            config._attn_implementation = "eager"
            model = cls(config)
            randomise(model)
            model.tie_weights()
            model.save_pretrained(folder / request["key"], safe_serialization=True)
            model.save_pretrained(folder / f"{request['key']}-bin", safe_serialization=False)
        model.eval()
        arrays = {keyword: torch.from_numpy(inputs[name]) for keyword, name in request["inputs"].items()}
        for ending in ("", "-float64") if request.get("float64") else ("",):
            if ending:
                model.double()
            with torch.no_grad():
                outputs = model(**arrays, **request.get("options", {}), return_dict=True)
            for name, value in outputs.items():
                flat(f"{request['key']}{ending}/{name}", value, out)
    return out
