"""Text generation in PyTorch."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from .generation_threads import ThreadedGenerationSuite
from .models_torch import TorchBackend
from .spec import Array


class TorchGenerationSuite(ThreadedGenerationSuite):
    """What :class:`ThreadedGenerationSuite` has, and what only PyTorch has."""

    backend: ClassVar[TorchBackend] = TorchBackend()

    def test_no_dropout(self) -> None:
        """Whatever mode the model is in, which is the same afterwards."""
        model = self.fresh().train()
        next(model.children()).training = False
        modes = [module.training for module in model.modules()]
        ids, _ = self.prompts()
        wanted = self.slowly(ids, 6)
        np.testing.assert_array_equal(
            self.generate(ids, model=model, max_new_tokens=6, eos_token_id=()).sequences, wanted
        )
        stream = model.generate(self.backend.tensor(ids), max_new_tokens=6, eos_token_id=(), stream=True)
        for i, step in enumerate(stream):
            assert step == tuple(wanted[:, 6 + i].tolist())
            assert [module.training for module in model.modules()] == modes

    def call_in_training(self, model: Any, ids: Array) -> Any:
        return model.train()(self.backend.tensor(ids))

    def test_modes_are_nobody_elses_business(self) -> None:
        """They never change, not even while text is generated; nor does it matter that others change them."""
        model, (ids, _) = self.fresh().train(), self.prompts()
        seen: list[bool] = []
        cls: Any = type(model)

        class Watching(cls):  # type: ignore[misc]
            def _continue(self, *arguments: Any) -> Any:
                seen.extend(module.training for module in model.modules())
                model.train()
                return super()._continue(*arguments)

        model.__class__ = Watching
        wanted = self.slowly(ids, 6)
        for mode in (True, False):
            model.train(mode)
            found = self.generate(ids, model=model, max_new_tokens=6, eos_token_id=())
            np.testing.assert_array_equal(found.sequences, wanted)
            count = len(list(model.modules()))
            assert seen[:count] == [mode] * count
            assert all(seen[count:])
            seen.clear()

    def test_under_autocast(self) -> None:
        """What was generated under autocast leaves nothing behind."""
        model, ids = self.fresh(), self.prompts()[0]
        options: dict[str, Any] = {"model": model, "max_new_tokens": 6, "eos_token_id": ()}
        with torch.autocast("cpu", torch.bfloat16):
            assert self.generate(ids, **options).sequences.shape == (4, 12)
        np.testing.assert_array_equal(self.generate(ids, **options).sequences, self.slowly(ids, 6))

    def test_generated_text_can_be_trained_on(self) -> None:
        model, ids = self.fresh(), self.backend.tensor(self.prompts()[0])
        result = model.generate(ids, max_new_tokens=6, eos_token_id=(), output_scores=True)
        assert not result.sequences.is_inference()
        assert not result.scores.is_inference()
        model(result.sequences, labels=result.sequences).loss.mean().backward()
        beams = model.generate(ids, max_new_tokens=6, eos_token_id=(), num_beams=2).sequences
        model(beams, labels=beams).loss.mean().backward()

    def test_inference_mode_does_not_leak_from_a_stream(self) -> None:
        ids = self.backend.tensor(self.prompts()[0])
        for _ in self.model().generate(ids, max_new_tokens=3, eos_token_id=(), stream=True):
            assert not torch.is_inference_mode_enabled()
            assert torch.is_grad_enabled()

    def test_generator(self) -> None:
        """An explicit generator, a seed, and PyTorch's own, which a seed leaves alone."""
        ids, _ = self.prompts()
        options: dict[str, Any] = {"max_new_tokens": 8, "eos_token_id": (), "do_sample": True}
        generator = torch.Generator().manual_seed(3)
        one, two = (self.generate(ids, generator=generator, **options).sequences for _ in range(2))
        assert (one != two).any()
        state = torch.get_rng_state()
        np.testing.assert_array_equal(self.generate(ids, seed=3, **options).sequences, one)
        assert torch.equal(torch.get_rng_state(), state)
        texts = []
        for _ in range(2):
            torch.manual_seed(5)
            texts.append(self.generate(ids, **options).sequences)
        np.testing.assert_array_equal(texts[0], texts[1])
        with pytest.raises(ValueError, match="not both"):
            self.generate(ids, seed=3, generator=torch.Generator(), **options)
