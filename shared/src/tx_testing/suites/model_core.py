"""What every model has to do, in every variant of its configuration and in both frameworks."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .base import of_shared_code
from .models import FILES, FLAGS, OTHERS, SAME, Models, read_safetensors
from .spec import LENGTHS, POSITIONS, SEQUENCE, Array, ModelSpec, assert_close, at_tokens, leaves, trimmed


def same_pruned(spec: ModelSpec, found: Mapping[int, Any], wanted: Mapping[int, Any]) -> None:
    """Assert that a configuration's ``pruned_heads`` name the heads that are gone."""
    layers = spec.layers()
    assert all(isinstance(layer, int) for layer in found), f"the layers of {found!r} are to be integers"
    assert {layer % layers: sorted(heads) for layer, heads in found.items()} == wanted


class CoreSuite(Models):
    """Standard tests that run for every variant of the configuration."""

    # --- outputs

    def test_outputs_are_named_tuples(self, task: str) -> None:
        inputs, labels = self.spec.inputs(task), self.spec.make_labels(task)
        output: Any = self.backend.call(self.shared(task), inputs)
        assert type(output) is not tuple
        assert issubclass(type(output), tuple)
        assert "loss" not in output._fields
        assert getattr(output, output._fields[0]) is output[0]
        with pytest.raises(AttributeError, match="attentions"):
            output.attentions  # noqa: B018
        if labels:
            labelled = self.backend.call(self.shared(task), {**inputs, **labels}, **FLAGS)
            fields = self.spec.fields_with_labels(task, output._fields, self.backend.name)
            assert labelled._fields == (*fields, "hidden_states", "attentions")
            assert fields[0] == "loss"
            loss = self.backend.numpy(labelled.loss)
            assert loss.shape == self.spec.loss_shape(task)
            assert np.isfinite(loss).all()
            found, wanted = (leaves(self.backend.named(each)) for each in (labelled, output))
            mask = self.spec.mask(task)
            for name in found.keys() & wanted.keys():
                assert_close(at_tokens(found[name], mask), at_tokens(wanted[name], mask), SAME, name)

    def test_hidden_states_and_attentions(self, task: str) -> None:
        inputs = self.spec.inputs(task)
        mask = self.spec.mask(task).reshape(-1, SEQUENCE)
        rows, layers, heads = len(mask), self.spec.layers(), self.spec.heads()
        plain = self.run(self.shared(task), inputs)
        full = self.run(self.shared(task), inputs, **FLAGS)
        *first, hidden_states, attentions = full.values()
        assert list(full)[-2:] == ["hidden_states", "attentions"]
        assert len(first) == len(plain)
        given, found = (leaves(each) for each in (plain, full))
        for name, value in given.items():
            assert_close(at_tokens(found[name], mask), at_tokens(value, mask), SAME, name)
        assert len(hidden_states) == layers + 1
        assert {h.shape for h in hidden_states} == {(rows, SEQUENCE, int(self.shared(task).config.hidden_size))}
        assert len(attentions) == layers
        for weights in attentions:
            assert weights.shape == (rows, heads, SEQUENCE, self.spec.memory_keys + SEQUENCE)
            np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
            if self.spec.padded:
                to_tokens = weights[..., self.spec.memory_keys :]
                hidden = (1 - mask[:, None, None, :]) * (1 - np.eye(SEQUENCE) * self.spec.sees_itself)
                assert np.abs(to_tokens * hidden).max() < 1e-12, "padding is attended to"
        if task == "base":
            np.testing.assert_array_equal(full["last_hidden_state"], hidden_states[-1])
        for one, other in itertools.pairwise(hidden_states):
            assert np.abs(one - other).max() > 1e-2, "a layer's output is its input"

    def test_loss_ignores_labels_of_both_conventions(self, task: str) -> None:
        """-100 and, as in 2019, -1."""
        kinds = self.spec.label_keywords(task)
        inputs, labels = self.spec.inputs(task), self.spec.make_labels(task)
        if not any(kinds[name].startswith("token") for name in labels):
            return
        old = {name: np.where(label == -100, -1, label) for name, label in labels.items()}
        loss = self.run(self.shared(task), {**inputs, **labels})["loss"]
        np.testing.assert_array_equal(self.run(self.shared(task), {**inputs, **old})["loss"], loss)
        nothing = {n: np.full_like(v, -100) if kinds[n].startswith("token") else v for n, v in labels.items()}
        unlabelled = self.run(self.shared(task), {**inputs, **nothing})["loss"]
        assert np.isfinite(unlabelled).all(), "no label is left: not a number"

    # --- padding

    def _each_alone(self, task: str, batch: Mapping[str, Array], *, left: bool) -> None:
        model = self.shared(task)
        together = self.run(model, batch, **FLAGS)
        source = self.spec.inputs(task)
        for row in range(len(source["input_ids"])):
            alone = {name: array[row : row + 1] for name, array in source.items()}
            if task == "multiple-choice":
                # The choices of one question differ in length: only the question as a whole is one row.
                single = self.run(model, alone)
                assert_close(together["logits"][row : row + 1], single["logits"], SAME, f"row {row} logits")
                continue
            length = LENGTHS[row]
            alone = {name: array[:, :length] for name, array in alone.items()}
            alone.pop("attention_mask", None)
            alone |= self.spec.place_of_answers(task, np.ones((1, length), np.int64))
            for name, value in self.run(model, alone, **FLAGS).items():
                layers = value if isinstance(value, tuple) else (value,)
                of_batch = together[name] if isinstance(value, tuple) else (together[name],)
                axis = self.spec.batch_axes.get(name, 0)
                if axis is None:
                    continue
                for layer, (one, many) in enumerate(zip(layers, of_batch, strict=True)):
                    cut = trimmed(np.take(many, [row], axis), length, left=left, memory=self.spec.memory_keys)
                    if left and name in POSITIONS:
                        cut = cut - (SEQUENCE - length)
                    assert_close(cut, one, SAME, f"row {row}, {name}[{layer}]")

    def test_batch_equals_single(self, task: str) -> None:
        answers = self.spec.place_of_answers(task, self.spec.mask(task))
        self._each_alone(task, {**self.spec.inputs(task), **answers}, left=False)

    def test_left_padding_equals_unpadded(self, task: str) -> None:
        self.needs_padding()
        inputs, mask = self.spec.inputs(task), self.spec.mask(task)
        shift = SEQUENCE - mask.sum(-1)
        order = (np.arange(SEQUENCE) - shift[..., None]) % SEQUENCE
        inputs = {n: np.take_along_axis(a, order, -1) for n, a in inputs.items()}
        answers = self.spec.place_of_answers(task, np.take_along_axis(mask, order, -1))
        self._each_alone(task, {**inputs, **answers}, left=True)

    # --- inputs

    def test_inputs_embeds(self, task: str) -> None:
        inputs = self.spec.inputs(task)
        model = self.shared(task)
        wanted = leaves(self.run(model, inputs))
        table = self.backend.embedding(model.get_input_embeddings())
        embedded = {**inputs, "inputs_embeds": table[inputs["input_ids"]]}
        del embedded["input_ids"]
        for name, value in leaves(self.run(model, embedded)).items():
            # Only ids may say which places are padding, and so what positions those have.
            found, expected = (at_tokens(each, self.spec.mask(task)) for each in (value, wanted[name]))
            assert_close(found, expected, 1e-6, name)

    def test_defaults_of_optional_inputs(self) -> None:
        ids = self.spec.inputs("base")["input_ids"]
        given = {"input_ids": ids}
        if self.spec.padded:
            pad = int(getattr(self.shared("base").config, "pad_token_id", 0) or 0)
            given["attention_mask"] = (ids != pad).astype(np.int64) if self.spec.finds_padding else np.ones_like(ids)
        if "token_type_ids" in self.spec.arguments and self.spec.zero_token_types:
            given["token_type_ids"] = np.zeros_like(ids)
        wanted = self.run(self.shared("base"), given)
        for name, value in self.run(self.shared("base"), {"input_ids": ids}).items():
            assert_close(value, wanted[name], SAME, name)

    # --- training

    def test_loss_and_gradients_are_finite(self, task: str) -> None:
        model = self.model(task)
        inputs = {**self.spec.inputs(task), **self.spec.make_labels(task)}
        unused = (*self.spec.without_gradient.get(task, ()), *self.spec.untrained)
        gradients = self.backend.gradients(model, inputs)
        assert set(gradients) == set(self.backend.arrays(model))
        for name, gradient in gradients.items():
            if self.published(task, name).startswith(unused) and unused:
                assert gradient is None or not gradient.any(), f"{name} was said to have no gradient"
                continue
            assert gradient is not None, f"{name} has no gradient"
            assert np.isfinite(gradient).all(), f"the gradient of {name} is not finite"
            # A number that is added to the score of every choice changes no probability.
            added_to_all = task == "multiple-choice" and gradient.size == 1
            if not name.endswith(self.spec.without_effect) and not added_to_all:
                assert np.abs(gradient).max() > 1e-12, f"the gradient of {name} is zero"

    # --- heads

    def test_head_mask(self) -> None:
        layers, heads = self.spec.layers(), self.spec.heads()
        model, inputs = self.shared("base"), self.spec.inputs("base")
        wanted = self.run(model, inputs, **FLAGS)
        ones = self.run(model, {**inputs, "head_mask": np.ones((layers, heads), np.float32)}, **FLAGS)
        for name, value in wanted.items():
            assert_close(ones[name], value, SAME, name)
        mask = np.ones((layers, heads), np.float32)
        mask[0, 0] = 0
        mask[-1, 1:] = 0
        masked = self.run(model, {**inputs, "head_mask": mask}, **FLAGS)
        for layer, weights in enumerate(masked["attentions"]):
            for head in range(heads):
                total = np.abs(weights[:, head]).sum()
                assert (total == 0) == (mask[layer, head] == 0), f"layer {layer}, head {head}"
        first = next(iter(wanted))
        assert np.abs(masked[first] - wanted[first]).max() > 1e-3
        plain = self.run(model, {**inputs, "head_mask": mask})
        assert_close(plain[first], masked[first], SAME)
        same = np.array([0, 1, 1, 0] + [1] * (heads - 4), np.float32)
        for_all = self.run(model, {**inputs, "head_mask": same}, **FLAGS)
        for weights in for_all["attentions"]:
            assert (np.abs(weights).sum((0, 2, 3)) == 0).tolist() == (same == 0).tolist()

    def test_prune_heads(self, tmp_path: Path) -> None:
        self.needs_pruning()
        layers, heads = self.spec.layers(), self.spec.heads()
        inputs = self.spec.inputs("base")
        mask = np.ones((layers, heads), np.float32)
        mask[0, 0] = mask[0, 2] = mask[-1, 1] = 0
        wanted = self.run(self.shared("base"), {**inputs, "head_mask": mask}, **FLAGS)

        model = self.model("base")
        size = model.num_parameters()
        model.prune_heads({0: [0], -1: [1]})
        model.prune_heads({0: [2, 0]})  # numbered as in the full model; what is gone already stays gone
        assert model.num_parameters() < size
        kept = {0: [0, 2], layers - 1: [1]}
        same_pruned(self.spec, model.config.pruned_heads, kept)
        model.save_pretrained(str(tmp_path))
        reloaded = self.cls("base").from_pretrained(str(tmp_path))
        same_pruned(self.spec, reloaded.config.pruned_heads, kept)
        reloaded.prune_heads({})
        assert reloaded.num_parameters() == model.num_parameters()
        for pruned in (model, reloaded):
            output = self.run(pruned, inputs, **FLAGS)
            assert [weights.shape[1] for weights in output["attentions"]] == [
                heads - 2 if layer == 0 else heads - 1 if layer == layers - 1 else heads for layer in range(layers)
            ]
            assert_close(output["attentions"][0][:, 0], wanted["attentions"][0][:, 1], SAME)
            assert_close(output["hidden_states"], wanted["hidden_states"], SAME)

        config = self.spec.make_config(pruned_heads={0: [0, 2], -1: [1]})
        assert self.cls("base")(config).num_parameters() == model.num_parameters()

    # --- embeddings

    def test_output_embeddings_are_tied(self, task: str) -> None:
        model = self.model(task)
        layer = model.get_output_embeddings()
        if task not in self.spec.output_heads:
            assert layer is None
            return
        tied = model.config.tie_word_embeddings
        values = self.backend.embedding(model.get_input_embeddings())
        scoring = self.backend.embedding(layer)
        assert np.array_equal(scoring, values) == tied
        self.backend.set_embedding(model.get_input_embeddings(), values + 1)
        wanted = values + 1 if tied else scoring
        np.testing.assert_array_equal(self.backend.embedding(layer), wanted)
        model.tie_weights()
        np.testing.assert_array_equal(self.backend.embedding(layer), wanted)

    @of_shared_code
    def test_resize_token_embeddings(self, task: str, tmp_path: Path) -> None:
        old = self.spec.vocab_size()
        model = self.model(task)
        inputs = self.spec.inputs(task)
        inputs["input_ids"] = np.minimum(inputs["input_ids"], old - 11)
        before = self.run(model, inputs)
        size = model.num_parameters()
        values = self.backend.embedding(model.get_input_embeddings())

        unchanged = model.resize_token_embeddings()
        assert unchanged is model.get_input_embeddings()
        assert model.config.vocab_size == old
        assert model.num_parameters() == size

        for new in (old + 10, old - 10):
            layer = model.resize_token_embeddings(new)
            assert layer is model.get_input_embeddings()
            assert model.config.vocab_size == new
            resized = self.backend.embedding(layer)
            assert resized.shape == (new, values.shape[1])
            same = min(old, new)
            np.testing.assert_array_equal(resized[:same], values[:same])
            if new > old:
                # The mean: a model whose scores are all low would else say nothing but new tokens.
                mean = np.broadcast_to(values.mean(0), (new - old, values.shape[1]))
                np.testing.assert_allclose(resized[old:], mean, atol=1e-6)
            after = leaves(self.run(model, inputs))
            for name, value in leaves(before).items():
                if value.shape[-1] == old:
                    assert after[name].shape[-1] == new, name
                    assert_close(after[name][..., :same], value[..., :same], SAME, name)
                    if new > old:
                        mean = value.mean(-1, keepdims=True)
                        assert_close(after[name][..., old:], np.repeat(mean, new - old, -1), SAME, name)
                else:
                    assert_close(after[name], value, SAME, name)
            if task in self.spec.output_heads:
                scoring = self.backend.embedding(model.get_output_embeddings())
                assert np.array_equal(scoring, resized) == model.config.tie_word_embeddings
            if new > old:
                with_new = {**inputs, "input_ids": np.full_like(inputs["input_ids"], new - 1)}
                assert np.isfinite(next(iter(self.run(model, with_new).values()))).all()

        model.save_pretrained(str(tmp_path))
        reloaded = self.cls(task).from_pretrained(str(tmp_path))
        assert reloaded.config.vocab_size == old - 10
        for name, value in leaves(self.run(reloaded, inputs)).items():
            np.testing.assert_array_equal(value, after[name], err_msg=name)

    def test_resize_untied_embeddings(self, task: str) -> None:
        """Output embeddings that are a table of their own score new tokens as the mean of the old ones, too."""
        if task not in self.spec.output_heads:
            pytest.skip("does not apply: no output embeddings")
        folder, old = self.folder(task, tie_word_embeddings=False), self.spec.vocab_size()
        model = self.cls(task).from_pretrained(str(folder))
        inputs = self.spec.inputs(task)
        before = leaves(self.run(model, inputs))
        model.resize_token_embeddings(old + 3)
        after = leaves(self.run(model, inputs))
        scores = [name for name, value in before.items() if value.shape[-1] == old]
        assert scores
        for name in scores:
            assert_close(after[name][..., :old], before[name], SAME, name)
            mean = before[name].mean(-1, keepdims=True)
            assert_close(after[name][..., old:], np.repeat(mean, 3, -1), SAME, name)

    # --- parameters

    def test_initialisation(self, task: str) -> None:
        """Weights of a range of 0 start at exactly 0 or 1; others are spread, and differ between two models.

        What is computed is the same in all.
        """
        zero = self.cls(task)(self.spec.make_config(**dict.fromkeys(self.spec.zero_init, 0.0)))
        computed = [n for n in self.backend.arrays(zero) if self.published(task, n).startswith(self.spec.untrained)]
        for name, array in self.backend.arrays(zero).items():
            if name in computed:
                continue
            assert set(np.unique(array)) in ({0.0}, {1.0}), f"{name} is not all 0 or all 1"
        one, other = (self.backend.arrays(self.cls(task)(self.spec.make_config())) for _ in range(2))
        for name, array in one.items():
            if name in computed:
                np.testing.assert_array_equal(array, other[name], err_msg=name)
            elif array.ndim == 2:
                assert np.abs(array - other[name]).max() > 0, f"{name} is the same in two models"

    def test_num_parameters(self, task: str) -> None:
        model = self.shared(task)
        assert model.num_parameters() == sum(array.size for array in self.backend.arrays(model).values())

    def test_parameters_are_those_of_the_table(self, task: str) -> None:
        table, layers, model = self.cls(task).weight_table, self.spec.layers(), self.shared(task)
        tied = model._tied()
        names = [self.published(task, name) for name in self.backend.arrays(model)]
        assert len(set(names)) == len(names)
        for name in names:
            assert table.row(name) is not None, f"{name} is in no row of the weight table"
            assert name not in tied, f"{name} is a second name of {tied.get(name)}"
        counted: dict[str, int] = {}
        for name in names:
            row = table.row(name)
            counted[row.name] = counted.get(row.name, 0) + 1
        for template, count in counted.items():
            shared = [alias for alias in tied if table.row(alias).name == template]
            wanted = layers - len(shared) if "{i}" in template else count if "{j}" in template else 1
            assert count == wanted, f"{template} stands for {count} parameters"

    # --- files

    def test_save_and_load_is_exact(self, task: str, tmp_path: Path) -> None:
        self._is_exact(task, "safetensors", tmp_path)

    @of_shared_code
    @pytest.mark.parametrize("file_format", OTHERS)
    def test_save_and_load_of_other_formats_is_exact(self, task: str, file_format: str, tmp_path: Path) -> None:
        self._is_exact(task, file_format, tmp_path)

    def _is_exact(self, task: str, file_format: str, tmp_path: Path) -> None:
        model = self.shared(task)
        model.save_pretrained(str(tmp_path), format=file_format)
        assert (tmp_path / "config.json").is_file()
        assert [path.name for path in tmp_path.iterdir() if path.name != "config.json"] == [FILES[file_format]]
        loaded, report = self.cls(task).from_pretrained(
            str(tmp_path), output_loading_info=True, **self.backend.load_flags.get(file_format, {})
        )
        assert not any(report.values()), dict(report)
        wanted = self.backend.arrays(model)
        arrays = self.backend.arrays(loaded)
        assert list(arrays) == list(wanted)
        for name, array in wanted.items():
            assert arrays[name].dtype == array.dtype
            np.testing.assert_array_equal(arrays[name], array, err_msg=name)
        assert loaded.config.to_dict() == model.config.to_dict()
        inputs = self.spec.inputs(task)
        expected = self.run(model, inputs)
        for name, value in self.run(loaded, inputs).items():
            np.testing.assert_array_equal(value, expected[name], err_msg=name)

    def test_saved_names_are_the_published_ones(self, task: str, tmp_path: Path) -> None:
        model = self.shared(task)
        model.save_pretrained(str(tmp_path))
        prefix = "" if task != "base" else f"{self.cls(task).base_model_prefix}."
        saved = {f"{prefix}{name}": a for name, a in read_safetensors(tmp_path / FILES["safetensors"]).items()}
        arrays = self.backend.arrays(model)
        assert set(saved) - set(model._tied()) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(saved[name], array, err_msg=name)
