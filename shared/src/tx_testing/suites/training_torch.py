"""The standard tests of training PyTorch models: by several processes, and with layers that are computed again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from .models import SAME
from .models_torch import TorchModels
from .spec import assert_close, leaves


class TorchTrainingSuite(TorchModels):
    """What training needs of a model, beside its losses and gradients."""

    @pytest.fixture
    def one_process(self, tmp_path: Path) -> Iterator[None]:
        torch.distributed.init_process_group("gloo", f"file://{tmp_path / 'store'}", rank=0, world_size=1)
        yield
        torch.distributed.destroy_process_group()

    @pytest.mark.usefixtures("one_process")
    def test_distributed_training(self, task: str) -> None:
        """DistributedDataParallel stops at its second step if a parameter got no gradient."""
        model = self.model(task, **dict.fromkeys(self.spec.dropouts, 0.0)).train()
        inputs = self.tensors(task, labels=True)
        parallel = torch.nn.parallel.DistributedDataParallel(model)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        losses = []
        for _ in range(3):
            outputs = parallel(**inputs)
            # All that is returned takes part: bare models have no loss, some heads one for each kind of labels.
            loss: Any = torch.stack([value.square().mean() for value in leaves(outputs._asdict()).values()]).sum()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        assert losses[-1] < losses[0]
        assert all(parameter.requires_grad for parameter in model.parameters())

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"gradient_checkpointing_kwargs": None},
            {"gradient_checkpointing_kwargs": {"use_reentrant": False}, "offload": True},
            {"gradient_checkpointing_kwargs": {"use_reentrant": True}, "every_n_layers": 2},
        ],
    )
    def test_gradient_checkpointing(self, options: dict[str, Any]) -> None:
        inputs = self.spec.inputs("base")
        model = self.model("base", **dict.fromkeys(self.spec.dropouts, 0.0))
        wanted = self.backend.gradients(model, inputs)
        assert not model.is_gradient_checkpointing
        model.gradient_checkpointing_enable(**options)
        assert model.is_gradient_checkpointing
        model.train()
        calls: list[int] = []
        for i, layer in enumerate(self.layers(model)):
            layer.register_forward_pre_hook(lambda *_, i=i: calls.append(i))
        found = self.backend.gradients(model, inputs)
        layers = list(range(self.spec.layers()))
        assert calls == layers + layers[:: options.get("every_n_layers", 1)][::-1]
        for name, gradient in wanted.items():
            assert (gradient is None) == (found[name] is None), name
            if gradient is not None:
                assert_close(found[name], gradient, SAME, name)
        calls.clear()
        model.gradient_checkpointing_disable()
        assert not model.is_gradient_checkpointing
        self.backend.gradients(model, inputs)
        assert calls == layers

    def test_unknown_options_of_gradient_checkpointing(self) -> None:
        with pytest.raises(TypeError, match=r"'reentrant'; checkpointing takes .*use_reentrant"):
            self.model("base").gradient_checkpointing_enable({"reentrant": True})
        with pytest.raises(ValueError, match="every_n_layers must be at least 1, not 0"):
            self.model("base").gradient_checkpointing_enable(every_n_layers=0)

    def test_reentrant_checkpointing_loses_no_gradient(self) -> None:
        if not self.spec.cross_attention:
            pytest.skip("does not apply: no cross-attention")
        model = self.cls("base")(self.spec.make_config(is_decoder=True)).train()
        model.gradient_checkpointing_enable({"use_reentrant": True})
        inputs = self.tensors("base")
        states = model(**inputs)[0].detach()
        model(**inputs, encoder_hidden_states=states)
        with pytest.raises(ValueError, match="encoder_hidden_states would get no gradient: leave use_reentrant=True"):
            model(**inputs, encoder_hidden_states=states.requires_grad_())

    def test_number_of_parameters_beside_the_embeddings(self, task: str) -> None:
        model = self.model(task)
        model.get_input_embeddings().requires_grad_(False)
        tables = {id(m.weight): m.weight.numel() for m in model.modules() if isinstance(m, nn.Embedding)}
        assert model.num_parameters(exclude_embeddings=True) == model.num_parameters() - sum(tables.values())
        trained = model.num_parameters(only_trainable=True)
        assert trained == model.num_parameters() - model.get_input_embeddings().weight.numel()
        both = model.num_parameters(only_trainable=True, exclude_embeddings=True)
        assert both == model.num_parameters(exclude_embeddings=True)
