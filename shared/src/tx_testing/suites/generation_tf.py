"""Text generation in TensorFlow (Keras 3), and how often the model is compiled for it."""

from __future__ import annotations

from typing import Any, ClassVar

import keras
import numpy as np
import pytest
import tensorflow as tf

from .base import once
from .generation_threads import ThreadedGenerationSuite
from .models_tf import TFBackend
from .spec import Array


class TFGenerationSuite(ThreadedGenerationSuite):
    """What :class:`ThreadedGenerationSuite` has, and what only TensorFlow has.

    XLA compiles for seconds for every number of rows. So it does only where a test says so. Greedy and beam search
    with it are compared with PyTorch's (:class:`~tx_testing.suites.generation_both.GenerationBothSuite`).
    """

    backend: ClassVar[TFBackend] = TFBackend()

    @property
    def greedy(self) -> dict[str, Any]:
        return {"jit_compile": self.spec.stands_for_all}

    def generate(self, ids: Any, mask: Array | None = None, model: Any = None, **options: Any) -> Any:
        return super().generate(ids, mask, model, **{"jit_compile": False, **options})

    def long(self) -> Any:
        """The varied model with 200 positions or no limit, not yet compiled."""
        most = self.spec.max_positions
        cls: Any = self.backend.model_class(self.spec, "causal-lm")
        return cls.from_pretrained(str(self.varied(**{} if most is None else {most: 200})))

    def slowly_of(self, model: Any, ids: Array, steps: int) -> Array:
        """Greedy search of a model that reads everything anew for each token; the new tokens."""
        prompt = ids.shape[1]
        for _ in range(steps):
            scores = self.scores(ids, prompt, model)[:, -1]
            ids = np.concatenate((ids, scores.argmax(-1)[:, None]), 1)
        return ids[:, -steps:]

    def call_in_training(self, model: Any, ids: Array) -> Any:
        return model(self.backend.tensor(ids), training=True)

    # --- compilation

    @pytest.mark.parametrize("kind", ["run", "step", "step without XLA"])
    def test_traced_once_for_all_lengths(self, kind: str) -> None:
        """Prompts of any number and length: one trace. New tokens: one for each number of rows and power of two."""
        if kind != "step without XLA" and not self.spec.stands_for_all:
            pytest.skip("tested once: XLA is left to those that stand for all architectures")
        model = self.long()
        ids, mask = self.prompts()
        options: dict[str, Any] = {"eos_token_id": (), "pad_token_id": 2, "jit_compile": kind != "step without XLA"}
        if kind == "step":
            options["output_scores"] = True
        functions = model._functions()
        mine = {"run": functions.run, "step": functions.step[True], "step without XLA": functions.step[False]}.pop(kind)
        for width, new in ((6, 3), (6, 50), (2, 20), (1, 63)):
            model.generate(ids[:, :width], max_new_tokens=new, **options)
            assert mine.experimental_get_tracing_count() == 1
        model.generate(ids, mask, max_new_tokens=5, **options)
        model.generate(ids, max_new_tokens=5, **{**options, "eos_token_id": [3, 4]})
        if kind != "run":
            model.generate(ids, mask, max_new_tokens=5, do_sample=True, top_k=3, **options)
            two = None if mask is None else mask[:2]
            model.generate(ids[:2], two, max_new_tokens=5, num_beams=2, **options)
        assert mine.experimental_get_tracing_count() == 1
        model.generate(ids[:1], max_new_tokens=5, **options)
        assert mine.experimental_get_tracing_count() == 2
        model.generate(ids[:1], max_new_tokens=60, **options)
        model.generate(ids[:1], max_new_tokens=122, **options)
        assert mine.experimental_get_tracing_count() == 3
        assert functions.read.experimental_get_tracing_count() == 1
        others = (functions.run, *functions.step.values())
        assert sum(each.experimental_get_tracing_count() for each in others) == 3
        assert model._functions() is functions

    def test_same_tokens_without_xla(self) -> None:
        ids, mask = self.prompts()
        for options in ({}, {"num_beams": 3, "num_return_sequences": 2}):
            one, two = (
                self.generate(
                    ids, mask, max_new_tokens=8, pad_token_id=2, eos_token_id=self.ends(), jit_compile=jit, **options
                )
                for jit in (True, False)
            )
            np.testing.assert_array_equal(one.sequences, two.sequences)

    @once
    def test_changed_models_are_compiled_anew(self) -> None:
        model = self.fresh()
        ids, _ = self.prompts()
        options: dict[str, Any] = {"max_new_tokens": 3, "eos_token_id": (), "jit_compile": False}
        model.generate(ids, **options)
        model.resize_token_embeddings(150)
        head = model.get_output_embeddings()
        table = head.weight.numpy()
        table[149] = 1e3 * np.sign(table[:, :1].mean()) * np.ones(table.shape[1])
        head.weight.assign(table)
        wanted = self.slowly_of(model, ids, 1)[:, 0]
        assert 149 in wanted
        np.testing.assert_array_equal(np.asarray(model.generate(ids, **options).sequences)[:, 6], wanted)
        head.weight.assign(np.roll(table, 1, axis=0))  # new values need no new compilation
        wanted = self.slowly_of(model, ids, 1)[:, 0]
        assert 0 in wanted
        np.testing.assert_array_equal(np.asarray(model.generate(ids, **options).sequences)[:, 6], wanted)

    @once
    def test_adapters_are_compiled_in(self) -> None:
        model = self.fresh()
        ids, _ = self.prompts()
        options: dict[str, Any] = {"max_new_tokens": 4, "eos_token_id": (), "jit_compile": False}
        plain = self.generate(ids, model=model, **options).sequences
        layer = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.Dense)][-1]
        layer.enable_lora(2)
        layer.lora_kernel_b.assign(np.random.default_rng(0).normal(size=layer.lora_kernel_b.shape))
        adapted = self.generate(ids, model=model, **options).sequences
        np.testing.assert_array_equal(adapted[:, 6:], self.slowly_of(model, ids, 4))
        assert (adapted != plain).any()

    # --- what TensorFlow brings

    @once
    def test_generator(self) -> None:
        """An explicit generator goes on where it is; tf.random.set_seed seeds the default."""
        ids, _ = self.prompts()
        options: dict[str, Any] = {"max_new_tokens": 8, "eos_token_id": (), "do_sample": True}
        generator = tf.random.Generator.from_seed(7)
        first, second = (self.generate(ids, generator=generator, **options).sequences for _ in range(2))
        assert (first != second).any()
        np.testing.assert_array_equal(self.generate(ids, seed=7, **options).sequences, first)
        texts = []
        for _ in range(2):
            tf.random.set_seed(3)
            texts.append(self.generate(ids, **options).sequences)
        np.testing.assert_array_equal(texts[0], texts[1])
        with pytest.raises(ValueError, match="not both"):
            self.generate(ids, seed=7, generator=generator, **options)

    @once
    def test_half_precision(self) -> None:
        model = self.fresh(dtype="bfloat16")
        ids, _ = self.prompts()
        result = self.generate(ids, model=model, max_new_tokens=6, eos_token_id=(), jit_compile=False)
        scores = self.scores(result.sequences[:, :-1], 6, model).astype(np.float32)
        taken = np.take_along_axis(scores, result.sequences[:, 6:, None], -1)[:, :, 0]
        np.testing.assert_allclose(taken, scores.max(-1), rtol=0.05, atol=0.1)

    def test_other_backends_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        model = self.model()
        monkeypatch.setattr("keras.backend.backend", lambda: "jax")
        with pytest.raises(RuntimeError, match=r"backend is 'jax'.*KERAS_BACKEND=tensorflow"):
            model.generate([[1]], max_new_tokens=1)

    def test_within_a_function_is_refused(self) -> None:
        model = self.model()
        function = tf.function(lambda ids: model.generate(ids, max_new_tokens=1).sequences)
        with pytest.raises(RuntimeError, match=rf"{type(model).__name__}.generate\(\) .* tf.function"):
            function(tf.constant([[1]]))
