"""How models of both frameworks are called and changed, and which inputs they refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from .base import of_shared_code, once
from .model_core import same_pruned
from .models import FLAGS, SAME, Models
from .spec import CHOICES, LENGTHS, SEQUENCE, Array, assert_close, leaves


class CallSuite(Models):
    """Standard tests of calls, pruning, embeddings and decoders."""

    # --- flags

    def test_flags_in_the_configuration(self) -> None:
        wanted = self.run(self.shared("base"), self.spec.inputs("base"), **FLAGS)
        model = self.model("base", **FLAGS)
        assert model.config.output_attentions
        output = self.run(model, self.spec.inputs("base"))
        assert list(output) == list(wanted)
        for name, value in wanted.items():
            assert_close(output[name], value, 1e-7, name)
        off = self.run(model, self.spec.inputs("base"), output_attentions=False)
        assert list(off) == list(wanted)[:-1]

    # --- inputs

    def test_outputs_of_choices(self) -> None:
        """Each choice is a row: what it gives keeps the choices' axis, but for ``past``, which is of all rows."""
        task = "double-heads"
        if task not in self.tasks():
            pytest.skip("does not apply: no class of this architecture has two heads")
        model = self.shared(task)
        # As many rows as three questions have choices.
        rows = {n: np.concatenate((a, a[::-1], a)) for n, a in self.spec.inputs(task).items()}
        inputs = {name: array.reshape(-1, CHOICES, SEQUENCE) for name, array in rows.items()}
        found, wanted = (self.run(model, each, **FLAGS) for each in (inputs, rows))
        assert list(found) == list(wanted)
        for name, value in leaves(wanted).items():
            axis = self.spec.batch_axes.get(name.partition("[")[0], 0)
            assert axis is not None
            if axis == 0:
                value = value.reshape(-1, CHOICES, *value.shape[1:])
            assert_close(leaves(found)[name], value, SAME, name)

    @pytest.mark.parametrize("axes", [(), (1, 3), (3, 1, 1)], ids=str)
    def test_ids_of_any_axes(self, axes: tuple[int, ...]) -> None:
        """Outputs have the axes of the ids; past, where there is one, is that of all rows."""
        if not self.spec.any_axes:
            pytest.skip("does not apply: ids are (B, S)")
        for task in ("base", "causal-lm"):
            inputs = {name: array[:1] if axes == () else array for name, array in self.spec.inputs(task).items()}
            if task == "causal-lm":
                inputs["labels"] = inputs["input_ids"]
            wanted = leaves(self.run(self.shared(task), inputs, **FLAGS))
            shaped = {name: array.reshape(*axes, SEQUENCE) for name, array in inputs.items()}
            found = leaves(self.run(self.shared(task), shaped, **FLAGS))
            assert list(found) == list(wanted)
            for name, rows in wanted.items():
                of_rows = name.partition("[")[0] in (*self.spec.batch_axes, "loss")
                shape = rows.shape if of_rows else (*axes, *rows.shape[1:])
                assert found[name].shape == shape, name
                assert_close(found[name], rows.reshape(shape), 1e-6, name)

    def test_mask_dtypes(self) -> None:
        inputs = self.spec.inputs("base")
        wanted = self.run(self.shared("base"), inputs)
        for dtype in (np.int32, np.float32, np.bool_) if self.spec.padded else ():
            other = {**inputs, "attention_mask": inputs["attention_mask"].astype(dtype)}
            for name, value in self.run(self.shared("base"), other).items():
                assert_close(value, wanted[name], 1e-7, f"{name} with a {dtype.__name__} mask")
        narrow = {name: a.astype(np.int32) for name, a in inputs.items()}
        for name, value in self.run(self.shared("base"), narrow).items():
            assert_close(value, wanted[name], 1e-7, f"{name} with int32 ids")

    def test_dummy_inputs(self, task: str) -> None:
        model = self.shared(task)
        dummy = model.dummy_inputs
        assert "input_ids" in dummy
        arrays = {name: self.backend.numpy(value) for name, value in dummy.items()}
        for value in self.run(model, arrays).values():
            assert np.isfinite(np.asarray(value)).all()

    def test_wrong_inputs_are_refused(self) -> None:
        model, inputs = self.shared("base"), self.spec.inputs("base")
        ids = inputs["input_ids"]
        if not self.spec.any_axes:
            with pytest.raises(ValueError, match="input_ids"):
                self.run(model, {"input_ids": ids[0]})
        with pytest.raises(ValueError, match="input_ids"):
            self.run(model, {"head_mask": np.ones((self.spec.layers(), self.spec.heads()), np.float32)})
        embeds = np.zeros((*ids.shape, model.config.hidden_size), np.float32)
        with pytest.raises(ValueError, match="inputs_embeds"):
            self.run(model, {"input_ids": ids, "inputs_embeds": embeds})
        with pytest.raises(TypeError, match="attention_musk"):
            self.run(model, {"input_ids": ids, "attention_musk": ids})
        if self.spec.padded:
            with pytest.raises(ValueError, match="input_ids"):
                self.run(model, {"attention_mask": inputs["attention_mask"]})
            with pytest.raises(ValueError, match="attention_mask"):
                self.run(model, {"input_ids": ids, "attention_mask": np.ones((len(ids), SEQUENCE - 1), np.int64)})
        with pytest.raises(ValueError, match="head_mask"):
            self.run(model, {"input_ids": ids, "head_mask": np.ones((self.spec.layers() + 1, self.spec.heads()))})

    def test_word_beyond_the_vocabulary_is_refused(self) -> None:
        ids = self.spec.inputs("base")["input_ids"].copy()
        ids[0, 0] = self.spec.vocab_size()
        with pytest.raises((ValueError, IndexError), match=str(self.spec.vocab_size())):
            self.run(self.shared("base"), {"input_ids": ids})

    def test_too_long_sequence_is_refused(self) -> None:
        if self.spec.max_positions is None:
            pytest.skip("does not apply: this architecture has no limit")
        most = self.shared("base").config.longest_sequence
        longest = np.full((1, most), 5)
        assert np.isfinite(next(iter(self.run(self.shared("base"), {"input_ids": longest}).values()))).all()
        with pytest.raises(ValueError, match=rf"(?s)({most + 1}\b.*\b{most}\b|{most}\b.*\b{most + 1}\b)"):
            self.run(self.shared("base"), {"input_ids": np.full((1, most + 1), 5)})

    def test_labels_of_a_wrong_shape_are_refused(self, task: str) -> None:
        inputs, labels = self.spec.inputs(task), self.spec.make_labels(task)
        for name, label in labels.items():
            wrong = {**inputs, **labels, name: label[:-1]}
            with pytest.raises(ValueError, match=r"\d"):
                self.run(self.shared(task), wrong)

    # --- heads

    def test_head_mask_receives_a_gradient(self) -> None:
        mask = np.ones((self.spec.layers(), self.spec.heads()), np.float32)
        mask[0, 0] = 0
        inputs = {**self.spec.inputs("base"), "head_mask": mask}
        gradient = self.backend.input_gradient(self.shared("base"), inputs, "head_mask")
        assert gradient is not None
        assert gradient.shape == mask.shape
        assert np.isfinite(gradient).all()
        assert (np.abs(gradient) > 1e-9).all()

    def test_prune_heads_of_every_class(self, task: str) -> None:
        self.needs_pruning()
        model = self.model(task)
        model.prune_heads({1: [1, 3]})
        output = self.run(model, self.spec.inputs(task), **FLAGS)
        assert output["attentions"][1].shape[1] == self.spec.heads() - 2
        same_pruned(self.spec, model.config.pruned_heads, {1: [1, 3]})

    def test_heads_that_do_not_exist_are_not_pruned(self) -> None:
        self.needs_pruning()
        for wrong in ({0: [self.spec.heads()]}, {self.spec.layers(): [0]}):
            with pytest.raises(ValueError, match=r"\d"):
                self.model("base").prune_heads(wrong)

    # --- embeddings

    @of_shared_code
    def test_get_and_set_input_embeddings(self, task: str) -> None:
        model = self.model(task)
        layer = model.get_input_embeddings()
        values = self.backend.embedding(layer)
        assert values.shape == (self.spec.vocab_size(), model.config.hidden_size)
        inputs = self.spec.inputs(task)
        before = self.run(model, inputs)
        model.set_input_embeddings(layer)
        assert model.get_input_embeddings() is layer
        self.backend.set_embedding(layer, values[::-1].copy())
        after = self.run(model, inputs)
        name = next(iter(before))
        assert np.abs(before[name] - after[name]).max() > 1e-4, "the embeddings have no effect on the output"

    @once
    @of_shared_code
    @pytest.mark.parametrize("more", [0, 11, -11])
    def test_set_input_embeddings_of_another_size(self, task: str, more: int, tmp_path: Path) -> None:
        """Tied output embeddings follow, with their bias; the model reads the new tokens, and is saved with them."""
        model, old = self.model(task), self.spec.vocab_size()
        values = self.backend.embedding(model.get_input_embeddings())
        new = np.concatenate((2 * values[::-1], values))[: old + more].copy()
        layer = self.backend.make_embedding(new)
        model.set_input_embeddings(layer)
        assert model.get_input_embeddings() is layer
        assert model.config.vocab_size == old + more
        inputs = self.spec.inputs(task)
        inputs["input_ids"] = np.minimum(inputs["input_ids"], old + more - 1)
        inputs["input_ids"][..., 0] = old + more - 1
        found = self.run(model, inputs)
        if task in self.spec.output_heads:
            np.testing.assert_array_equal(self.backend.embedding(model.get_output_embeddings()), new)
        with pytest.raises(ValueError, match=f"{old + more}.*0 to {old + more - 1}"):
            self.run(model, {"input_ids": np.full_like(inputs["input_ids"], old + more)})
        model.save_pretrained(tmp_path)
        again = self.run(self.cls(task).from_pretrained(str(tmp_path)), inputs)
        for name, value in found.items():
            assert_close(again[name], value, SAME, name)

    @of_shared_code
    def test_embeddings_of_another_width(self, task: str, tmp_path: Path) -> None:
        """They can be set, as in 2019, but such a model can neither be called nor saved."""
        model, (_, width) = self.model(task), self.backend.embedding(self.model(task).get_input_embeddings()).shape
        model.set_input_embeddings(self.backend.make_embedding(np.ones((10, 10), np.float32)))
        with pytest.raises(ValueError, match=f"width 10, .* {width}"):
            self.run(model, {"input_ids": np.minimum(self.spec.inputs(task)["input_ids"], 9)})
        with pytest.raises(ValueError, match="10"):
            model.save_pretrained(tmp_path)

    @of_shared_code
    def test_embeddings_that_do_not_fit_are_not_set(self, task: str) -> None:
        model = self.cls(task)(self.spec.make_config(tie_word_embeddings=False))
        values = self.backend.embedding(model.get_input_embeddings())
        more = self.backend.make_embedding(np.concatenate((values, values)))
        if task not in self.spec.output_heads:
            model.set_input_embeddings(more)
            return
        with pytest.raises(ValueError, match=rf"resize_token_embeddings\({2 * len(values)}\)"):
            model.set_input_embeddings(more)
        model.resize_token_embeddings(2 * len(values))
        model.set_input_embeddings(more)
        assert self.run(model, self.spec.inputs(task))

    def test_outputs_without_names(self, task: str) -> None:
        """``return_dict=False`` gives a plain tuple; True gives names, as is the default."""
        model = self.shared(task)
        inputs = {**self.spec.inputs(task), **self.spec.make_labels(task)}
        named = self.backend.call(model, inputs, return_dict=True)
        assert type(named) is type(self.backend.call(model, inputs))
        assert named._fields
        plain = self.backend.call(model, inputs, return_dict=False)
        assert type(plain) is tuple
        assert len(plain) == len(named)
        for one, two in zip(self.backend._numpy(plain), self.backend._numpy(named), strict=True):
            assert_close(one, two, SAME)

    def test_resize_to_an_impossible_size(self) -> None:
        for size in (0, -1):
            with pytest.raises(ValueError, match=str(size)):
                self.model("base").resize_token_embeddings(size)

    # --- decoder

    def test_decoder_is_causal(self) -> None:
        if not self.spec.cross_attention:
            pytest.skip("does not apply: no decoder")
        model = self.cls("base").from_pretrained(str(self.folder("base", is_decoder=True)))
        inputs = {"input_ids": self.spec.inputs("base")["input_ids"]}
        changed = inputs["input_ids"].copy()
        changed[:, 4:] = 6
        one, other = (
            self.run(model, {"input_ids": ids})["last_hidden_state"] for ids in (inputs["input_ids"], changed)
        )
        assert_close(other[:, :4], one[:, :4], SAME)
        assert np.abs(other[:, 4:] - one[:, 4:]).max() > 1e-3

    def test_cross_attention(self) -> None:
        if not self.spec.cross_attention:
            pytest.skip("does not apply: no cross-attention")
        model = self.cls("base").from_pretrained(str(self.folder("base", is_decoder=True)))
        inputs = self.spec.inputs("base")
        rng = np.random.default_rng(3)
        encoder = rng.standard_normal((len(LENGTHS), 9, model.config.hidden_size)).astype(np.float32)
        keep = np.ones((len(LENGTHS), 9), np.int64)

        def hidden(**extra: Array) -> Array:
            return np.asarray(self.run(model, {**inputs, **extra})["last_hidden_state"])

        alone = hidden()
        crossed = hidden(encoder_hidden_states=encoder)
        assert np.abs(alone - crossed).max() > 1e-3
        assert_close(hidden(encoder_hidden_states=encoder, encoder_attention_mask=keep), crossed, SAME)
        keep[:, 6:] = 0
        masked = hidden(encoder_hidden_states=encoder, encoder_attention_mask=keep)
        assert np.abs(masked - crossed).max() > 1e-3
        other = encoder.copy()
        other[:, 6:] = 9
        assert_close(hidden(encoder_hidden_states=other, encoder_attention_mask=keep), masked, SAME)
        assert_close(hidden(encoder_hidden_states=encoder[:, :6]), masked, SAME)

    def test_cross_attention_keeps_its_heads(self) -> None:
        """Pruning is of self-attention; a head mask means the heads of both."""
        if not self.spec.cross_attention:
            pytest.skip("does not apply: no cross-attention")
        model = self.cls("base").from_pretrained(str(self.folder("base", is_decoder=True)))
        states = np.random.default_rng(3).standard_normal((len(LENGTHS), 9, model.config.hidden_size))
        inputs = {**self.spec.inputs("base"), "encoder_hidden_states": states.astype(np.float32)}
        masks = np.ones((2, self.spec.layers(), self.spec.heads()), np.float32)
        masks[:, 0, 1] = 0
        masks[1, 0, 2] = 0
        wanted = [self.run(model, {**inputs, "head_mask": mask})["last_hidden_state"] for mask in masks]
        model.prune_heads({0: [1]})
        found = [self.run(model, {**inputs, "head_mask": mask})["last_hidden_state"] for mask in masks]
        for one, two in zip(found, wanted, strict=True):
            assert_close(one, two, SAME)
        assert np.abs(found[0] - found[1]).max() > 1e-3
        # Without a mask the head that is gone from self-attention still attends to the encoder.
        assert np.abs(self.run(model, inputs)["last_hidden_state"] - found[0]).max() > 1e-3

    def test_encoder_states_need_a_decoder(self) -> None:
        if not self.spec.cross_attention:
            pytest.skip("does not apply: no cross-attention")
        states = np.zeros((len(LENGTHS), 9, self.shared("base").config.hidden_size), np.float32)
        with pytest.raises(ValueError, match="is_decoder"):
            self.run(self.shared("base"), {**self.spec.inputs("base"), "encoder_hidden_states": states})
