"""The standard tests of models in TensorFlow (Keras 3)."""

from __future__ import annotations

import inspect
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tx_core.models.main_layer_tf import part
from tx_core.models.variables_tf import named_parameters

from .base import exports, in_graphs, of_shared_code, once
from .model import ModelSuite
from .model_core import CoreSuite
from .models import FLAGS, SAME
from .models_tf import TFModels
from .spec import POSITIONS, RANKED, assert_close, leaves, load


class TFCoreSuite(TFModels, CoreSuite):
    """What every variant of the configuration has to do, in TensorFlow."""


class TFModelSuite(TFModels, ModelSuite):
    """What :class:`ModelSuite` has, and what only TensorFlow has."""

    # --- calls

    def _listed(self, task: str, inputs: Mapping[str, Any], *names: str) -> list[Any]:
        """The first arguments of a call up to the last of ``names``, which alone are given."""
        order = self.spec.tf_orders.get(task, self.spec.arguments)
        last = max(order.index(name) for name in names)
        return [inputs[name] if name in names else None for name in order[: last + 1]]

    def test_inputs_in_a_list(self, task: str) -> None:
        """In the order of the class's call."""
        model, arrays = self.shared(task), self.spec.inputs(task)
        names = [name for name in self.spec.arguments if name in arrays]
        listed = self._listed(task, self.backend.tensors(arrays), *names)
        self._same(model(listed), self.run(model, {name: arrays[name] for name in names}))

    @of_shared_code
    def test_forms_of_a_call(self, task: str) -> None:
        """A tensor, a list, a tuple, a dictionary, keywords, NumPy arrays, nested lists of numbers, None in a list."""
        model, arrays = self.shared(task), self.spec.inputs(task)
        inputs = self.backend.tensors(arrays)
        ids = inputs["input_ids"]
        full, alone = self.run(model, arrays), self.run(model, {"input_ids": arrays["input_ids"]})
        self._same(model(inputs), full)
        self._same(model(inputs, training=False), full)
        self._same(model(arrays), full)
        for form in (ids, [ids], arrays["input_ids"].tolist()):
            self._same(model(form), alone)
        self._same(model(input_ids=ids), alone)
        for name in [name for name in self.spec.arguments[1:] if name in arrays]:
            pair = {"input_ids": ids, name: inputs[name]}
            listed = self._listed(task, inputs, *pair)
            wanted = self.run(model, {each: arrays[each] for each in pair})
            for form in (pair, listed, tuple(listed), [*listed, None]):
                self._same(model(form), wanted)
            self._same(model(*listed), wanted)
            self._same(model(ids, **{name: inputs[name]}, training=False), wanted)

    def test_wrong_forms_of_a_call(self) -> None:
        model, inputs = self.shared("base"), self.tensors("base")
        ids = inputs["input_ids"]
        with pytest.raises(TypeError, match="attention_musk"):
            model({"input_ids": ids, "attention_musk": ids})
        name = next((name for name in self.spec.arguments[1:] if name in inputs), "input_ids")
        with pytest.raises(TypeError, match="twice"):
            model(self._listed("base", inputs, "input_ids", name), **{name: inputs[name]})
        with pytest.raises((TypeError, ValueError), match="at most"):
            model([ids] * 40)
        with pytest.raises(ValueError, match="input_ids"):
            model([[1, 2, 3], [1, 2]])

    def test_deterministic_unless_training(self, task: str) -> None:
        model, inputs = self.shared(task), self.tensors(task)
        one, two = (np.asarray(model(inputs)[0]) for _ in range(2))
        np.testing.assert_array_equal(one, two)
        trained, again = (np.asarray(model(inputs, training=True)[0]) for _ in range(2))
        assert np.abs(trained - one).max() > 1e-4
        assert np.abs(trained - again).max() > 1e-4
        np.testing.assert_array_equal(np.asarray(model(inputs)[0]), one)

    def test_constructor(self, task: str) -> None:
        config = self.spec.make_config()
        model = self.cls(task)(config=config, name="my_model")
        assert model.config is config
        assert model.name == "my_model"
        assert model.built, "the weights exist without a call"
        with pytest.raises(TypeError, match="from_pretrained"):
            self.cls(task)("a-published-name")

    @of_shared_code
    def test_variables_are_all_tracked(self, task: str, tmp_path: Path) -> None:
        """Keras and TensorFlow's own checkpoints see each variable once."""
        model = self.shared(task)
        parameters = self.backend.arrays(model)
        assert len(model.trainable_variables) == len(parameters)
        assert len(model.trainable_weights) == len({id(v) for v in model.trainable_weights})
        path = tf.train.Checkpoint(model=model).save(str(tmp_path / "checkpoint"))
        fresh = self.cls(task)(self.spec.make_config())
        tf.train.Checkpoint(model=fresh).restore(path).assert_existing_objects_matched()
        for name, array in self.backend.arrays(fresh).items():
            np.testing.assert_array_equal(array, parameters[name], err_msg=name)

    @of_shared_code
    @pytest.mark.parametrize("name", ["model.weights.h5", "tf_model.h5"])
    def test_keras_weights_files(self, name: str, task: str, tmp_path: Path) -> None:
        """Keras 3's own files, and those of 2019."""
        model = self.shared(task)
        model.save_weights(str(tmp_path / name))
        fresh = self.cls(task)(self.spec.make_config())
        fresh.load_weights(str(tmp_path / name))
        wanted = self.backend.arrays(model)
        for parameter, array in self.backend.arrays(fresh).items():
            np.testing.assert_array_equal(array, wanted[parameter], err_msg=parameter)
        if name == "tf_model.h5":
            with pytest.raises(FileExistsError, match="overwrite=True"):
                model.save_weights(tmp_path / name, overwrite=False)
            model.save_weights(tmp_path / name, save_format="h5")
            with pytest.raises(ValueError, match="save_format must be 'h5', not 'tf'"):
                model.save_weights(tmp_path / name, save_format="tf")

    def test_outputs_are_known_to_keras_and_tensorflow(self) -> None:
        output = self.shared("base")(self.tensors("base"), **FLAGS)
        for flat in (tf.nest.flatten(output), keras.tree.flatten(output)):
            assert len(flat) == len(leaves(self.backend.named(output)))
        mapped = tf.nest.map_structure(lambda x: x, output)
        assert mapped._fields == output._fields
        arrays = self.backend.named(output)
        again = pickle.loads(pickle.dumps(type(output)._make(arrays.values())))  # noqa: S301 - our own output
        assert again._fields == output._fields

    # --- what can be saved

    def _layers(self, model: Any) -> Any:
        return part(model.base_model, model.base_model.layers_at)

    @once
    @pytest.mark.parametrize("form", ["safetensors", "bin", "h5"])
    def test_layers_that_share_parameters(self, form: str, tmp_path: Path) -> None:
        for task in dict.fromkeys(("base", self.tasks()[-1])):
            model = self.model(task)
            layers = self._layers(model)
            setattr(layers, "1", layers[0])
            model.save_pretrained(tmp_path / task, format=form)
            again = self.cls(task).from_pretrained(str(tmp_path / task))
            wanted = {each.name: each.read() for each in named_parameters(model)}
            for name, array in self.backend.arrays(again).items():
                np.testing.assert_array_equal(array, wanted[name], err_msg=name)
            model.save_pretrained(tmp_path / task, format=form)

    @pytest.mark.parametrize(
        ("fault", "match"),
        [
            ("deleted", "is missing"),
            ("wrapped", "_Wrapped.*merge what wraps it"),
            ("added", r"extra\.weight is no parameter of"),
        ],
    )
    def test_what_would_be_refused_is_not_saved(self, fault: str, match: str, tmp_path: Path) -> None:
        model = self.model("base")
        layers = self._layers(model)

        class _Wrapped(keras.layers.Layer):
            def __init__(self, base_layer: Any) -> None:
                super().__init__()
                self.base_layer = base_layer
                self.built = True

        layers._tracker.unlock()  # Keras locks what is built; people unlock it to adapt a model

        def add() -> None:
            model.extra = keras.layers.Dense(3)
            model.extra.build((None, 2))

        {
            "deleted": lambda: setattr(layers, "1", None),
            "wrapped": lambda: setattr(layers, "1", _Wrapped(layers[1])),
            "added": add,
        }[fault]()
        (tmp_path / "kept").write_text("")
        with pytest.raises(ValueError, match=match):
            model.save_pretrained(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["kept"]

    # --- classes that users write

    @once
    def test_a_users_own_head(self, tmp_path: Path) -> None:
        """A class in the manner of 2019, whatever its head is called, takes the bare model's weights."""
        base: Any = self.cls("base")
        parent: Any = next(cls for cls in base.__mro__ if cls.__name__.endswith("PreTrainedModel"))
        prefix = base.base_model_prefix
        layer: Any = type(self.shared("base").base_model)

        class Users(parent):
            def __init__(self, config: Any) -> None:
                super().__init__(config)
                setattr(self, prefix, layer(config, name=prefix))
                self.classifier = keras.layers.Dense(2, name="classifier")
                self.init_weights()

            def call(self, inputs: Any, **kwargs: Any) -> Any:
                return self.classifier(getattr(self, prefix)(inputs, **kwargs)[0])

        bare = self.shared("base")
        bare.save_pretrained(tmp_path / "bare")
        model, report = Users.from_pretrained(tmp_path / "bare", output_loading_info=True)
        assert report.newly_initialized == ["classifier.weight", "classifier.bias"]
        for name, array in self.backend.arrays(bare).items():
            np.testing.assert_array_equal(self.backend.arrays(model)[name], array, err_msg=name)
        model.save_pretrained(tmp_path / "trained")
        again, report = Users.from_pretrained(tmp_path / "trained", output_loading_info=True)
        assert not any(report.values())
        inputs = self.tensors("base")
        names = [name for name in self.spec.arguments if name in ("input_ids", "attention_mask")]
        wanted = self.backend.numpy(model({name: inputs[name] for name in names}))
        named = {name: inputs[name] for name in names[1:]}
        assert_close(self.backend.numpy(again(inputs["input_ids"], **named)), wanted, 1e-6)
        positions = {name: i for i, name in enumerate(inspect.signature(layer.call).parameters)}
        listed = [inputs.get(name) if name in names else None for name in positions][1 : positions[names[-1]] + 1]
        assert_close(self.backend.numpy(again(listed)), wanted, 1e-6)

    def test_a_class_that_extends_one(self, task: str, tmp_path: Path) -> None:
        cls: Any = self.cls(task)

        class Users(cls):
            pass

        self.shared("base").save_pretrained(tmp_path)
        _, wanted = cls.from_pretrained(tmp_path, output_loading_info=True)
        _, report = Users.from_pretrained(tmp_path, output_loading_info=True)
        assert report.newly_initialized == wanted.newly_initialized

    # --- compilation

    @in_graphs
    def test_tf_function(self, task: str) -> None:
        """One trace serves every batch size and length."""
        model = self.shared(task)
        shape = [None] * self.spec.inputs(task)["input_ids"].ndim
        traces = []

        @tf.function(input_signature=[{n: tf.TensorSpec(shape, tf.int32, name=n) for n in self.spec.inputs(task)}])
        def run(inputs: Any) -> Any:
            traces.append(inputs)
            return model(inputs, **FLAGS)

        for batch in (self.spec.inputs(task), {n: a[:1, ..., :5] for n, a in self.spec.inputs(task, seed=7).items()}):
            narrow = {name: array.astype(np.int32) for name, array in batch.items()}
            self._same(run(self.backend.tensors(narrow)), self.run(model, narrow, **FLAGS))
        assert len(traces) == 1

    def test_mask_of_another_length_is_refused_in_a_graph(self) -> None:
        """Where the sizes are found out only while it runs; sums of products do not always look at them."""
        self.needs_padding()
        model, ids = self.shared("base"), self.tensors("base")["input_ids"]
        spec = tf.TensorSpec((None, None), ids.dtype)

        @tf.function(input_signature=[spec, spec])
        def run(ids: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
            return model(ids, attention_mask=mask)[0]

        assert run(ids, tf.ones_like(ids)).shape[:2] == ids.shape
        for wrong in (ids[:, 1:], tf.concat((ids, ids), 1)):
            with pytest.raises(tf.errors.InvalidArgumentError):
                run(ids, tf.ones_like(wrong))

    def test_xla(self) -> None:
        model, inputs = self.shared("base"), self.tensors("base")
        compiled = tf.function(lambda inputs: model(inputs), jit_compile=True)
        self._same(compiled(inputs), self.run(model, self.spec.inputs("base")))

    @exports
    def test_export(self, task: str, tmp_path: Path) -> None:
        """``model.export`` writes what serves, with no input described: it takes what the tokenizer gives."""
        model = self.model(task, **FLAGS)
        tokenizer: Any = load(self.spec.record().tokenizer)
        arrays = self.spec.inputs(task)
        zeros = np.zeros_like(arrays["input_ids"])
        given = {name: arrays.get(name, zeros).astype(np.int32) for name in tokenizer.model_input_names}
        model.export(tmp_path / "model", verbose=False)
        served = tf.saved_model.load(str(tmp_path / "model")).signatures["serving_default"]
        off = {"use_cache": False} if self.spec.past else {}
        wanted = {re.sub(r"\[(\d+)\]", r"_\1", name): a for name, a in leaves(self.run(model, given, **off)).items()}
        lite = tf.lite.Interpreter(
            model_content=tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "model")).convert()
        )
        for found in (served(**self.backend.tensors(given)), lite.get_signature_runner()(**given)):
            assert set(found) == set(wanted)
            for name, value in found.items():
                assert_close(value, wanted[name], SAME, name)

    def test_functional_model(self) -> None:
        """On a symbolic input that is longer than the model's positions, as in 2019; then compiled."""
        ids = keras.Input(batch_shape=(2, 2000), dtype="int32")
        outputs = self.model("base")(ids)
        assert outputs[0].shape == (2, 2000, self.spec.make_config().hidden_size)
        functional = keras.Model(inputs=ids, outputs=outputs[0])
        functional.compile(optimizer="adam", loss="mse")

    def test_functional_model_runs(self) -> None:
        base = self.model("base")
        arrays = {n: a.astype(np.int32) for n, a in self.spec.inputs("base").items()}
        symbolic = {n: keras.Input((None,), dtype="int32", name=n) for n in arrays}
        classifier = keras.layers.Dense(3)(base(symbolic)[0])
        functional = keras.Model(symbolic, classifier)
        result = functional(arrays)
        assert result.shape == (*arrays["input_ids"].shape, 3)
        assert len(functional.trainable_variables) == len(base.trainable_variables) + 2

    def test_tf_function_around_inputs(self) -> None:
        """Inputs that a compiled function finds outside of itself are checked as any."""
        model, inputs = self.shared("base"), self.tensors("base")
        compiled = tf.function(lambda: model(inputs)[0])
        assert_close(self.backend.numpy(compiled()), self.backend.numpy(model(inputs)[0]), 1e-5)
        wrong = {**inputs, "input_ids": inputs["input_ids"] + self.spec.vocab_size()}
        with pytest.raises(ValueError, match="the vocabulary has only"):
            tf.function(lambda: model(wrong)[0])()

    @in_graphs
    def test_numbers_outside_their_range_in_a_graph(self, task: str) -> None:
        """TensorFlow raises an error, which names the argument."""
        model = self.shared(task)
        compiled = tf.function(lambda inputs: model(**inputs))
        for case in (*self.ids_outside(task), *self.labels_outside(task)):
            with pytest.raises(tf.errors.InvalidArgumentError, match=case.said):
                compiled(self.backend.tensors(case.inputs))

    @exports
    def test_numbers_outside_their_range_where_sizes_are_found_out_later(self, task: str) -> None:
        model = self.shared(task)
        compiled: dict[frozenset[str], Any] = {}
        for case in (*self.ids_outside(task), *self.labels_outside(task)):
            tensors = self.backend.tensors(case.inputs)
            names = frozenset(tensors)
            if names not in compiled:
                compiled[names] = self._of_any_size(model, tensors)
            with pytest.raises(tf.errors.InvalidArgumentError, match=case.said):
                compiled[names](tensors)
        # Positions that the model makes itself.
        if self.spec.max_positions is not None and task == self.spec.exported_tasks()[0]:
            longest, table = model.config.longest_sequence, int(getattr(model.config, self.spec.max_positions))
            run = self._of_any_size(model, {"input_ids": tf.fill((1, longest), 5)})
            assert np.isfinite(run({"input_ids": tf.fill((1, longest), 5)})[0]).all()
            with pytest.raises(tf.errors.InvalidArgumentError, match=rf"position_ids holds\] \[{table}\]"):
                run({"input_ids": tf.fill((1, longest + 1), 5)})

    @staticmethod
    def _of_any_size(model: Any, inputs: Mapping[str, Any]) -> Any:
        """A model's call as one trace for such inputs, of whatever size."""
        described = {name: tf.TensorSpec([None] * len(x.shape), x.dtype) for name, x in inputs.items()}
        return tf.function(lambda inputs: tuple(model(**inputs)), input_signature=[described])

    @exports
    def test_numbers_outside_their_range_under_xla(self, task: str) -> None:
        """XLA raises no errors: what comes of a wrong number is NaN, and nothing else is."""
        model = self.shared(task)
        compiled = tf.function(lambda inputs: model(**inputs), jit_compile=True)
        rows = len(self.spec.inputs(task)["input_ids"])
        for case in self.ids_outside(task):
            for name, value in self.backend.named(compiled(self.backend.tensors(case.inputs))).items():
                if name in POSITIONS:
                    continue  # no integer says that it is none
                for each in value if isinstance(value, tuple) else (value,):
                    wrong = np.isnan(np.moveaxis(each, self.spec.batch_axes.get(name, 0) or 0, 0).reshape(rows, -1))
                    assert wrong.any(1).tolist() == [True] + [False] * (rows - 1), (case.name, case.wrong, name)
        for case in self.labels_outside(task):
            found = self.backend.named(compiled(self.backend.tensors(case.inputs)))
            field = {"mc_token_ids": "mc_logits", "mc_labels": "mc_loss"}.get(case.name, "loss")
            assert np.isnan(found[field]).any(), (case.name, case.wrong)
            assert all(np.isfinite(found[name]).all() for name in ("logits", "prediction_logits") if name in found)

    @once
    def test_numbers_outside_their_range_while_keras_predicts_and_trains(self) -> None:
        task = self.classes_task()
        model = self.model(task)
        inputs, labels = self._dataset(task)
        model.compile(optimizer="sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        inputs["input_ids"][3, 1] = -1
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"input_ids holds\] \[-1\]"):
            model.predict(inputs, verbose=0)
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"input_ids holds\] \[-1\]"):
            model.fit(inputs, labels, verbose=0)

    # --- training with Keras

    def _tour(self, model: Any, data: Any, *, learning_rate: float = 3e-5, epochs: int = 1, whole: bool = False) -> Any:
        """The README's quick tour of 2019; ``whole``: with its metric and validation, which cost a trace more."""
        dataset = tf.data.Dataset.from_tensor_slices(data).batch(4).repeat()
        optimizer = keras.optimizers.Adam(learning_rate=learning_rate, epsilon=1e-08, clipnorm=1.0)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        metric = keras.metrics.SparseCategoricalAccuracy("accuracy")
        model.compile(optimizer=optimizer, loss=loss, metrics=[metric] if whole else None)
        validation = {"validation_data": dataset, "validation_steps": 2} if whole else {}
        return model.fit(dataset, epochs=epochs, steps_per_epoch=4, verbose=0, **validation)

    def test_fit(self, tmp_path: Path) -> None:
        """Compile and fit as the quick tour does; the model learns, predicts and survives a save."""
        task = self.classes_task()
        model = self.model(task, **dict.fromkeys(self.spec.dropouts, 0.0))
        inputs, labels = self._dataset(task)
        history = self._tour(model, (inputs, labels), learning_rate=5e-3, epochs=6, whole=True).history
        assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
        assert np.isfinite(history["loss"]).all()
        assert history["loss"][-1] < 0.5 * history["loss"][0], history["loss"]
        logits = model.predict(inputs, verbose=0)
        assert isinstance(logits, tuple)
        assert logits[0].shape == (8, model.config.num_labels)
        assert_close(logits[0], self.run(model, inputs)["logits"], SAME)
        assert (logits[0].argmax(-1) == labels).mean() >= 0.75
        model.save_pretrained(str(tmp_path))
        again = self.cls(task).from_pretrained(str(tmp_path))
        assert_close(self.run(again, inputs)["logits"], logits[0], SAME)

    def test_language_model_learns(self) -> None:
        """Compile and fit; what ``predict`` returns is the model's scores, for batches of different sizes too."""
        if not self.spec.generates:
            pytest.skip("does not apply: no class of this architecture predicts next tokens")
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

    @exports
    def test_predict_joins_batches(self, task: str) -> None:
        """Batches are joined on the axis that counts rows, also in memories, and also if the last is smaller."""
        model = self.model(task, **FLAGS)
        inputs = {name: array.astype(np.int32) for name, array in self.spec.inputs(task).items()}
        rows = len(inputs["input_ids"])
        wanted = self.run(model, inputs)
        for size in (rows - 1, rows):
            self._same(model.predict(inputs, batch_size=size, verbose=0), wanted)
        self._same(model.predict_on_batch(inputs), wanted)

    @once
    def test_predict_joins_batches_of_several_steps(self) -> None:
        model = self.model("base")
        inputs = {name: array.astype(np.int32) for name, array in self.spec.inputs("base").items()}
        model.compile(steps_per_execution=2)
        self._same(model.predict(inputs, batch_size=1, verbose=0), self.run(model, inputs))

    @once
    def test_fit_with_tuple_outputs(self) -> None:
        """Hidden states and attentions in the output do not disturb the loss."""
        task = self.classes_task()
        model = self.model(task, **FLAGS)
        history = self._tour(model, self._dataset(task)).history
        assert np.isfinite(history["loss"]).all()

    @once
    def test_fit_with_tuple_labels(self) -> None:
        """Two labels, two outputs: an answer's start and end."""
        wanted = {"start_positions", "end_positions"}
        task = next((task for task in self.tasks() if self.spec.label_keywords(task).keys() == wanted), None)
        if task is None:
            pytest.skip("does not apply: no class of this architecture answers questions")
        model = self.model(task)
        inputs, labels = self._dataset(task)
        history = self._tour(model, (inputs, (labels, labels + 1))).history
        assert np.isfinite(history["loss"]).all()

    # --- precision

    @pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
    def test_dtype(self, dtype: str, tmp_path: Path) -> None:
        task = self.tasks()[-1]
        model = self.model(task, dtype=dtype)
        assert {keras.backend.standardize_dtype(v.dtype) for v in model.trainable_variables} == {dtype}
        exact = self.run(self.shared(task), self.spec.inputs(task))
        output = model(self.tensors(task))
        wanted = leaves(exact)
        for name, value in leaves(dict(zip(output._fields, output, strict=True))).items():
            assert keras.backend.standardize_dtype(value.dtype) == (dtype if name not in POSITIONS else "int32")
            if name not in RANKED:
                assert_close(np.asarray(tf.cast(value, "float32")), wanted[name], 0.1, name)
        model.save_pretrained(str(tmp_path))
        again = self.cls(task).from_pretrained(str(tmp_path), dtype=dtype)
        for one, two in zip(model.trainable_variables, again.trainable_variables, strict=True):
            assert bool(tf.reduce_all(tf.equal(one.value, two.value)))

    def test_mixed_precision(self) -> None:
        model = self.model("base", dtype="mixed_bfloat16")
        assert {keras.backend.standardize_dtype(v.dtype) for v in model.trainable_variables} == {"float32"}
        output = model(self.tensors("base"))
        exact = self.run(self.shared("base"), self.spec.inputs("base"))
        assert_close(np.asarray(tf.cast(output[0], "float32")), next(iter(exact.values())), 0.1)

    # --- embeddings

    def test_embeddings_are_keras_layers(self, task: str) -> None:
        model = self.shared(task)
        assert isinstance(model.get_input_embeddings(), keras.layers.Embedding)
        output = model.get_output_embeddings()
        assert output is None or isinstance(output, keras.layers.Layer)

    def test_untied_weights(self, task: str, tmp_path: Path) -> None:
        if task not in self.spec.output_heads:
            return
        model = self.cls(task)(self.spec.make_config(tie_word_embeddings=False))
        one, two = (self.backend.embedding(e) for e in (model.get_input_embeddings(), model.get_output_embeddings()))
        assert np.abs(one - two).max() > 0
        model.save_pretrained(str(tmp_path))
        loaded, report = self.cls(task).from_pretrained(str(tmp_path), output_loading_info=True)
        assert not any(report.values())
        np.testing.assert_array_equal(self.backend.embedding(loaded.get_output_embeddings()), two)

    @of_shared_code
    def test_changed_model_has_the_variables_of_a_new_one(self, task: str) -> None:
        """In the same order, though it was frozen when it changed: so optimizers and Keras's files fit both."""
        model = self.model(task)
        model.base_model.trainable = False
        model.resize_token_embeddings(self.spec.vocab_size() + 7)
        if self.spec.prunes:
            model.prune_heads({0: [1], -1: [0, 2]})
        model.base_model.trainable = True
        fresh = self.cls(task)(model.config)
        assert len(fresh.trainable_variables) == len(model.trainable_variables)
        fresh.set_weights(model.get_weights())
        self._same(fresh(self.tensors(task)), self.run(model, self.spec.inputs(task)))

    @once
    def test_resized_model_trains(self) -> None:
        task = self.classes_task()
        model = self.model(task)
        model.resize_token_embeddings(self.spec.vocab_size() + 7)
        inputs, labels = self._dataset(task)
        inputs["input_ids"][0, 0] = self.spec.vocab_size() + 6
        before = self.backend.embedding(model.get_input_embeddings())
        self._tour(model, (inputs, labels), learning_rate=1e-2)
        after = self.backend.embedding(model.get_input_embeddings())
        assert np.abs(after[-1] - before[-1]).max() > 0, "the new row is not trained"
