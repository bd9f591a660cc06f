"""The TensorFlow suite of models that read a text in parts: what else they have to do, and how they are called."""

from __future__ import annotations

from typing import ClassVar

import keras
import numpy as np
import pytest
import tensorflow as tf

from .model_tf import TFModelSuite
from .spec import assert_close


class PastTFModelSuite(TFModelSuite):
    """For a subclass whose ``spec`` has 2 layers, 4 heads of width 8 and 40 positions."""

    overrides: ClassVar = {
        "test_forms_of_a_call": "the second argument is past, as in 2019",
        "test_wrong_forms_of_a_call": "the second argument is past, as in 2019",
    }

    def test_forms_of_a_call(self, task: str) -> None:
        """A tensor, a list, a tuple, a dictionary, keywords, NumPy arrays, nested lists of numbers, None in a list."""
        model, arrays = self.shared(task), self.spec.inputs(task)
        inputs = self.backend.tensors(arrays)
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        alone = self.run(model, {"input_ids": arrays["input_ids"]})
        masked = self.run(model, {"input_ids": arrays["input_ids"], "attention_mask": arrays["attention_mask"]})
        for output in (model(ids), model(input_ids=ids), model([ids]), model(arrays["input_ids"].tolist())):
            self._same(output, alone)
        self._same(model([ids, None, mask]), masked)
        self._same(model((ids, None, mask)), masked)
        self._same(model(ids, None, mask), masked)
        self._same(model(ids, attention_mask=mask, training=False), masked)
        self._same(model({"input_ids": ids, "attention_mask": mask}), masked)

    def test_wrong_forms_of_a_call(self) -> None:
        model, inputs = self.shared("base"), self.tensors("base")
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        with pytest.raises(TypeError, match="attention_musk"):
            model({"input_ids": ids, "attention_musk": mask})
        with pytest.raises(TypeError, match="twice"):
            model([ids, None, mask], attention_mask=mask)
        with pytest.raises((TypeError, ValueError), match="at most"):
            model([ids] * 40)
        with pytest.raises(ValueError, match="input_ids"):
            model([[1, 2, 3], [1, 2]])

    def test_second_input_is_past(self, task: str) -> None:
        """Read in two parts, a sequence gives what it gives whole: past as a list, a tuple, one array; in a list."""
        model, ids = self.shared(task), self.spec.inputs(task)["input_ids"]
        whole = self.run(model, {"input_ids": ids})
        name = "last_hidden_state" if task == "base" else "logits"
        past = model(ids[:, :4]).past
        arrays = [np.asarray(each) for each in past]
        for given in (past, list(past), arrays, np.stack(arrays)):
            for output in (model(ids[:, 4:], given), model([ids[:, 4:], given]), model(ids[:, 4:], past=given)):
                found = self.backend.named(output)
                assert_close(found[name], whole[name][:, 4:], 1e-5, name)
                assert_close(found["past"], whole["past"], 1e-5, "past")

    def test_past_of_padded_sentences(self) -> None:
        model, inputs = self.shared("causal-lm"), self.spec.inputs("causal-lm")
        ids, mask = inputs["input_ids"][:, ::-1].copy(), inputs["attention_mask"][:, ::-1].copy()
        whole = self.run(model, {"input_ids": ids, "attention_mask": mask})["logits"]
        past = model(ids[:, :5], attention_mask=mask[:, :5]).past
        rest = model(ids[:, 5:], past=past, attention_mask=mask).logits
        assert_close(self.backend.numpy(rest), whole[:, 5:], 1e-5)

    def test_wrong_past_is_refused(self) -> None:
        model, ids = self.shared("base"), self.spec.inputs("base")["input_ids"]
        past = model(ids).past
        with pytest.raises(ValueError, match="each of 2 layers"):
            model(ids, past=past[:1])
        with pytest.raises(ValueError, match="each of 2 layers"):
            model(ids, past=[each[0] for each in past])
        with pytest.raises(ValueError, match=r"41 tokens.*only 40 positions"):
            model(np.ones((3, 34), np.int64), past=past)

    def test_cache_can_be_switched_off(self) -> None:
        model, ids = self.shared("base"), self.spec.inputs("base")["input_ids"]
        assert "past" not in model(ids, use_cache=False)._fields
        model = self.cls("base")(self.spec.make_config(use_cache=False))
        assert "past" not in model(ids)._fields
        assert "past" in model(ids, use_cache=True)._fields

    def test_one_trace_continues_any_length(self) -> None:
        model, ids = self.shared("causal-lm"), self.spec.inputs("causal-lm")["input_ids"]
        past = tf.TensorSpec((2, None, 4, None, 8), tf.float32)
        signature = [tf.TensorSpec((None, None), tf.int64), (past, past)]

        @tf.function(input_signature=signature)  # type: ignore[untyped-decorator]
        def run(ids: tf.Tensor, past: tuple[tf.Tensor, ...]) -> tf.Tensor:
            return model(ids, past=past).logits

        whole = self.run(model, {"input_ids": ids})["logits"]
        for split in (2, 5):
            found = np.asarray(run(ids[:, split:], model(ids[:, :split]).past))
            assert_close(found, whole[:, split:], 1e-5)
        assert run.experimental_get_tracing_count() == 1

    def test_language_model_learns(self) -> None:
        """Compile and fit; what ``predict`` returns is the model's scores, for batches of different sizes too."""
        model = self.model("causal-lm", **dict.fromkeys(self.spec.dropouts, 0.0))
        inputs, _ = self._dataset("causal-lm")
        ids = inputs["input_ids"]
        model.compile(
            optimizer=keras.optimizers.Adam(5e-3), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        )
        history = model.fit(ids[:, :-1], ids[:, 1:], batch_size=4, epochs=5, verbose=0).history["loss"]
        assert history[-1] < 0.9 * history[0], history
        logits = model.predict(ids, batch_size=3, verbose=0)[0]
        assert_close(logits, self.run(model, {"input_ids": ids})["logits"], 1e-5)
