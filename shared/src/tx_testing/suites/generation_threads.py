"""Text generation in several threads at a time, by one model."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from .base import once
from .generation import GenerationSuite
from .spec import Array


class ThreadedGenerationSuite(GenerationSuite):
    """What :class:`GenerationSuite` has, and that it holds for threads which share a model."""

    @property
    def greedy(self) -> dict[str, Any]:
        """Options of greedy search."""
        return {}

    def call_in_training(self, model: Any, ids: Array) -> Any:
        """A model's own output, with dropout."""
        raise NotImplementedError

    @once
    def test_threads_share_a_model(self) -> None:
        """One of them trains it, the others generate. Each gets the text that it would get alone."""
        model, (ids, mask) = self.fresh(), self.prompts()
        some: list[dict[str, Any]] = [
            self.greedy,
            {"num_beams": 3},
            {"do_sample": True, "seed": 5, "top_k": 20},
            {"repetition_penalty": 1.4, "output_scores": True},
        ]
        options: dict[str, Any] = {"max_new_tokens": 8, "eos_token_id": self.ends(), "pad_token_id": 2}
        wanted = [self.generate(ids, mask, **options, **each).sequences for each in some]

        def texts(start: int) -> list[tuple[int, Array]]:
            order = [(start + i) % len(some) for i in range(2 * len(some))]
            return [(i, self.generate(ids, mask, model=model, **options, **some[i]).sequences) for i in order]

        with ThreadPoolExecutor(len(some) + 1) as pool:
            one, two = (self.call_in_training(model, ids) for _ in range(2))
            assert (self.backend.numpy(one[0]) != self.backend.numpy(two[0])).any()
            training = [pool.submit(self.call_in_training, model, ids) for _ in range(20)]
            for found in pool.map(texts, range(len(some))):
                for i, text in found:
                    np.testing.assert_array_equal(text, wanted[i], err_msg=str(some[i]))
            assert len({self.backend.numpy(each.result()[0]).tobytes() for each in training}) == len(training)
