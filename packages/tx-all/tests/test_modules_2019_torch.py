"""The module paths of 2019 that hold PyTorch's models."""

from __future__ import annotations

import importlib

import pytest
import torch

import tx_all


@pytest.mark.parametrize(
    ("path", "public", "others"),
    [
        ("modeling_bert", ("BertModel", "BERT_PRETRAINED_MODEL_ARCHIVE_MAP"), ("BertEncoder", "BertEmbeddings")),
        ("modeling_utils", ("PreTrainedModel", "Conv1D", "prune_layer"), ("SequenceSummary",)),
        ("modeling_transfo_xl_utilities", ("AdaptiveEmbedding",), ("ProjectedAdaptiveLogSoftmax",)),
        ("optimization", ("AdamW", "WarmupLinearSchedule", "get_linear_schedule_with_warmup"), ()),
    ],
)
def test_models(path: str, public: tuple[str, ...], others: tuple[str, ...]) -> None:
    module = importlib.import_module(f"tx_all.{path}")
    for name in public:
        assert getattr(module, name) is getattr(tx_all, name)
    assert all(isinstance(getattr(module, name), type) for name in others)


def test_helpers() -> None:
    from tx_all.modeling_bert import ACT2FN, BertLayerNorm, gelu, swish  # type: ignore[import-not-found]
    from tx_all.modeling_utils import PoolerStartLogits, prune_linear_layer  # type: ignore[import-not-found]

    x = torch.linspace(-3, 3, 7)
    torch.testing.assert_close(gelu(x), x * 0.5 * (1 + torch.erf(x / 2**0.5)))
    torch.testing.assert_close(swish(x), x * torch.sigmoid(x))
    assert {"gelu", "relu", "swish"} <= {*ACT2FN}
    assert BertLayerNorm(4, eps=1e-12).weight.shape == (4,)
    assert issubclass(PoolerStartLogits, torch.nn.Module)
    layer = torch.nn.Linear(3, 4)
    assert torch.equal(prune_linear_layer(layer, torch.tensor([0, 2])).weight, layer.weight[[0, 2]])


@pytest.mark.parametrize("path", ["modeling_gpt2", "modeling_openai", "modeling_xlnet", "modeling_bert"])
def test_gelu_is_that_of_the_module(path: str) -> None:
    """GPT's, GPT-2's and XLNet's was the approximation by tanh."""
    module = importlib.import_module(f"tx_all.{path}")
    x = torch.linspace(-3, 3, 7)
    wanted = torch.nn.functional.gelu(x, approximate="none" if path == "modeling_bert" else "tanh")
    for found in (module.gelu, module.ACT2FN["gelu"]):
        torch.testing.assert_close(found(x), wanted, rtol=1e-6, atol=1e-6)


def test_what_was_found_is_kept() -> None:
    module = importlib.import_module("tx_all.modeling_bert")
    assert module.gelu is vars(module)["gelu"]
    assert module.BertModel is vars(module)["BertModel"]
