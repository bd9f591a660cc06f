"""Models that read a text in parts, in TensorFlow (Keras 3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from .models_tf import TFModels
from .past import PastSuite
from .spec import assert_close


class TFPastSuite(TFModels, PastSuite):
    """What :class:`PastSuite` has, and what only TensorFlow has."""

    def forms(self, past: Any) -> Iterator[Any]:
        yield from super().forms(past)
        arrays = [np.asarray(each) for each in past]
        yield arrays
        yield np.stack(arrays)

    def test_past_in_a_list(self, task: str) -> None:
        """All inputs in the first argument, as in 2019."""
        model, ids, name = self.shared(task), self.ids(task), self.scores(task)
        whole = self.run(model, {"input_ids": ids})
        for past in self.forms(model(ids[:, :4]).past):
            found = self.backend.named(model([ids[:, 4:], past]))
            assert_close(found[name], whole[name][:, 4:], 1e-5, name)
            assert_close(found["past"], whole["past"], 1e-5, "past")

    def test_one_trace_continues_any_length(self) -> None:
        model, ids = self.shared("causal-lm"), self.ids("causal-lm")
        heads = self.spec.heads()
        past = tf.TensorSpec((2, None, heads, None, model.config.hidden_size // heads), tf.float32)
        signature = [tf.TensorSpec((None, None), tf.int64), (past,) * self.spec.layers()]

        @tf.function(input_signature=signature)
        def run(ids: tf.Tensor, past: tuple[tf.Tensor, ...]) -> tf.Tensor:
            return model(ids, past=past).logits

        whole = self.run(model, {"input_ids": ids})["logits"]
        for split in (2, 5):
            found = np.asarray(run(ids[:, split:], model(ids[:, :split]).past))
            assert_close(found, whole[:, split:], 1e-5)
        assert run.experimental_get_tracing_count() == 1
