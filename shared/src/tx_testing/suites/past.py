"""Models that read a text in parts: they return ``past`` and take it for the tokens before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from .models import SAME, Models
from .spec import SEQUENCE, Array, ModelSpec, assert_close


class PastSuite(Models):
    """Standard tests that are the same in both frameworks."""

    @classmethod
    def applies(cls, spec: ModelSpec) -> bool:
        return spec.past

    def ids(self, task: str = "base") -> Array:
        return self.spec.inputs(task)["input_ids"]

    def scores(self, task: str) -> str:
        """The field of an output that has a vector for every token."""
        return "last_hidden_state" if task == "base" else "logits"

    def read(self, model: Any, ids: Array, **inputs: Any) -> Any:
        """A model's own output, for arrays and for what is passed on as it is."""
        arrays = {name: value for name, value in inputs.items() if isinstance(value, np.ndarray)}
        rest = {name: value for name, value in inputs.items() if name not in arrays}
        return self.backend.call(model, {"input_ids": ids, **arrays}, **rest)

    def forms(self, past: Any) -> Iterator[Any]:
        """Forms in which ``past`` may be given."""
        yield past
        yield list(past)

    def test_shape(self, task: str) -> None:
        """Per layer keys and values, (2, B, N, S, D), as in 2019."""
        config = self.shared(task).config
        past = self.run(self.shared(task), {"input_ids": self.ids(task)})["past"]
        width = config.hidden_size // self.spec.heads()
        wanted = (2, len(self.ids(task)), self.spec.heads(), SEQUENCE, width)
        assert [layer.shape for layer in past] == [wanted] * self.spec.layers()

    def test_parts_equal_the_whole(self, task: str) -> None:
        model, ids, name = self.shared(task), self.ids(task), self.scores(task)
        whole = self.run(model, {"input_ids": ids})
        past = None
        for start, stop in ((0, 3), (3, 4), (4, SEQUENCE)):
            output = self.read(model, ids[:, start:stop], past=past)
            past = output.past
            found = self.backend.named(output)
            assert_close(found[name], whole[name][:, start:stop], SAME, name)
        assert_close(found["past"], whole["past"], SAME, "past")

    def test_forms_of_past(self, task: str) -> None:
        model, ids, name = self.shared(task), self.ids(task), self.scores(task)
        whole = self.run(model, {"input_ids": ids})
        for past in self.forms(self.read(model, ids[:, :4]).past):
            found = self.backend.named(self.read(model, ids[:, 4:], past=past))
            assert_close(found[name], whole[name][:, 4:], SAME, name)
            assert_close(found["past"], whole["past"], SAME, "past")

    def test_second_argument_is_past(self, task: str) -> None:
        """As in 2019."""
        assert self.spec.arguments[1] == "past"
        model, ids, name = self.shared(task), self.ids(task), self.scores(task)
        past = self.read(model, ids[:, :4]).past
        output = model(self.backend.tensor(ids[:, 4:]), past)
        found = self.backend.named(output)[name]
        assert_close(found, self.run(model, {"input_ids": ids})[name][:, 4:], SAME, name)

    def test_past_of_padded_sentences(self, task: str) -> None:
        """The mask covers past and new tokens; a row is what it is alone."""
        self.needs_padding()
        model, ids, name = self.shared(task), self.ids(task), self.scores(task)
        mask = np.ones_like(ids)
        mask[0, :3] = 0
        alone = self.run(model, {"input_ids": ids[:1, 3:]})[name]
        whole = self.run(model, {"input_ids": ids, "attention_mask": mask})[name]
        past = self.read(model, ids[:, :5], attention_mask=mask[:, :5]).past
        for stop in (6, SEQUENCE):
            output = self.read(model, ids[:, 5:stop], attention_mask=mask[:, :stop], past=past)
            found = self.backend.named(output)[name]
            assert_close(found, whole[:, 5:stop], SAME, name)
            assert_close(found[:1], alone[:, 2 : stop - 3], SAME, name)

    def test_wrong_past_is_refused(self) -> None:
        model, ids, layers = self.shared("base"), self.ids(), self.spec.layers()
        past = self.read(model, ids).past
        for wrong in (past[:1], [each[0] for each in past]):
            with pytest.raises(ValueError, match=f"each of {layers} layers"):
                self.read(model, ids, past=wrong)
        if self.spec.padded:
            with pytest.raises(ValueError, match=rf"{2 * SEQUENCE}\b"):
                self.read(model, ids, past=past, attention_mask=np.ones_like(ids))
        if self.spec.max_positions is not None:
            most = int(getattr(model.config, self.spec.max_positions))
            with pytest.raises(ValueError, match=rf"{most + 1} tokens.*only {most} positions"):
                self.read(model, np.ones((len(ids), most - SEQUENCE + 1), np.int64), past=past)

    def test_past_can_be_switched_off(self, task: str) -> None:
        model, ids = self.shared(task), self.ids(task)
        assert "past" not in self.read(model, ids, use_cache=False)._fields
        model = self.model(task, use_cache=False)
        assert "past" not in self.read(model, ids)._fields
        assert "past" in self.read(model, ids, use_cache=True)._fields
