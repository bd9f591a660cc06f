"""What `tx inspect` says of classes is what they are: the names of their parameters, in every variant of the specs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tx_all.cli.classes import class_names, in_head, parameters
from tx_all.cli.inspect import look
from tx_core.architecture import PUBLISHED, Task, find, load
from tx_core.models.state_dict_torch import StateDict
from tx_core.weights import Weights, compare
from tx_testing.suites.spec import load_spec

PACKAGES = Path(__file__).resolve().parents[2]


def configurations(model_type: str) -> dict[str, Any]:
    """The configurations of an architecture's specification by the names of the variants."""
    name = f"{model_type.replace('-', '_')}_spec"
    spec = load_spec(str(PACKAGES / f"tx-{model_type}/tests/spec.py"), name)
    found = {"": spec, **{variant: spec.variant(variant) for variant in spec.variants}}
    config: Any = load(find(model_type).config)
    return {variant: config(**each.config) for variant, each in found.items()}


@pytest.mark.parametrize("model_type", PUBLISHED)
def test_every_class_is_known(model_type: str) -> None:
    architecture = find(model_type)
    table: Any = load(architecture.weights)
    assert sorted(table.heads) == sorted(class_names(architecture).values())


@pytest.mark.parametrize("model_type", PUBLISHED)
def test_names_are_those_of_the_classes(model_type: str) -> None:
    architecture = find(model_type)
    for variant, config in configurations(model_type).items():
        for dotted in dict.fromkeys(architecture.torch.values()):
            cls: Any = load(dotted)
            with torch.device("meta"):
                model = cls(config)
            end = cls.__name__.removeprefix(architecture.name)
            names, tied = parameters(architecture, end, config, cls.weight_table)
            assert tied == model._tied(), (variant, cls)
            wanted = {model._published(name) for name in model._stored()} - {*tied}
            assert sorted(names) == sorted(wanted), (variant, cls)


@pytest.mark.parametrize("model_type", PUBLISHED)
def test_a_class_that_lacks_its_head_alone_can_be_loaded(model_type: str) -> None:
    architecture, config = find(model_type), configurations(model_type)[""]
    for dotted in dict.fromkeys(architecture.torch.values()):
        cls: Any = load(dotted)
        table = cls.weight_table
        names, tied = parameters(architecture, cls.__name__.removeprefix(architecture.name), config, table)
        heads = [name for name in names if in_head(name, table)]
        arrays = {name: torch.zeros(2, 3) for name in names if name not in heads}
        with Weights(StateDict(arrays), table) as weights:
            report, _ = compare(weights, dict.fromkeys(names, (2, 3)), table, cls.new_heads, tied)
        assert sorted(report.newly_initialized) == sorted(heads), cls


@pytest.mark.parametrize("form", ["safetensors", "bin", "h5"])
def test_saved_models_are_complete_for_their_classes(form: str, tmp_path: Path) -> None:
    for model_type in ("xlnet", "transfo-xl"):
        for config in configurations(model_type).values():
            cls: Any = load(find(model_type).torch[Task.CAUSAL_LM])
            cls(config).save_pretrained(tmp_path, format=form)
            found = look(str(tmp_path))
            fit = found.classes[cls.__name__]
            assert (fit.missing, fit.unused, found.unknown) == ([], [], [])
