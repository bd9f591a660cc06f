"""What all Keras models share, tried on a tiny model of its own."""

import inspect
import json
import logging
from collections import UserDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from tx_core.config import PretrainedConfig
from tx_core.models.inputs_tf import check_ids, choices, flatten_choices, input_shape
from tx_core.models.layers_tf import Embedding, LayerNorm, Linear, Module, ModuleList, Normal, OutputEmbedding
from tx_core.models.main_layer_tf import TFMainLayer
from tx_core.models.pretrained_tf import TFPreTrainedModel
from tx_core.models.pruning_tf import prune_linear, replace_layer
from tx_core.models.switches_tf import skipping_initialization
from tx_core.models.variables_tf import named_parameters
from tx_core.outputs import output
from tx_core.weights import Row, Tied, WeightsError, WeightTable, embedding, linear, norm

TABLE = WeightTable(
    prefix="tiny",
    rows=(
        embedding("tiny.words"),
        *linear("tiny.layer.{i}"),
        *norm("tiny.norm"),
        Row("lm.bias"),
        *linear("classifier"),
    ),
    tied=(Tied("lm.decoder.weight", "tiny.words.weight"),),
)


@dataclass(init=False, eq=False, repr=False)
class TinyConfig(PretrainedConfig):
    model_type = "tiny"

    vocab_size: int = 11
    hidden_size: int = 6
    num_hidden_layers: int = 2
    num_attention_heads: int = 2
    max_positions: int = 8


class TFTinyMainLayer(TFMainLayer):
    config_class = TinyConfig

    def __init__(self, config: Any, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.words = Embedding(config.vocab_size, config.hidden_size, name="words")
        layers = (Linear(config.hidden_size, config.hidden_size, name=str(i)) for i in range(config.num_hidden_layers))
        self.layer = ModuleList(layers, name="layer")
        self.norm = LayerNorm(config.hidden_size, 1e-6, name="norm")
        self.dropout = keras.layers.Dropout(0.5)

    def get_input_embeddings(self) -> Any:
        return self.words

    def set_input_embeddings(self, value: Any) -> None:
        replace_layer(self, "words", value)

    def call(self, input_ids: Any = None, attention_mask: Any = None, training: Any = None) -> Any:
        input_shape(input_ids, None, self.config.max_positions, attention_mask)
        input_ids, _ = check_ids("input_ids", input_ids, self.config.vocab_size, "words")
        states = self.words(input_ids)
        if attention_mask is not None:
            states = states * ops.expand_dims(ops.cast(attention_mask, states.dtype), -1)
        for layer in self.layer:
            states = states + layer(states)
        return output("TinyOutput", last_hidden_state=self.norm(self.dropout(states)))


class TFTinyPreTrainedModel(TFPreTrainedModel):
    config_class = TinyConfig
    base_model_prefix = "tiny"
    weight_table = TABLE


class TFTinyModel(TFTinyPreTrainedModel, published=True):
    def __init__(self, config: Any, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.tiny = TFTinyMainLayer(config, name="tiny")
        self.init_weights()

    def call(self, input_ids: Any = None, attention_mask: Any = None, training: Any = None) -> Any:
        return self.tiny(input_ids, attention_mask)


class TFTinyHead(Module):
    def __init__(self, config: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.decoder = OutputEmbedding(config.hidden_size, config.vocab_size, name="decoder")
        self.bias_initializer = keras.initializers.Zeros()

    def build(self, input_shape: Any = None) -> None:
        super().build()
        self.bias = self.add_weight((self.decoder.num_embeddings,), initializer=self.bias_initializer, name="bias")

    def call(self, states: Any) -> Any:
        return ops.add(self.decoder(states), self.bias)


class TFTinyLM(TFTinyPreTrainedModel, published=True):
    new_heads = (("lm",),)

    def __init__(self, config: Any, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.tiny = TFTinyMainLayer(config, name="tiny")
        self.lm = TFTinyHead(config, name="lm")
        self.init_weights()

    def get_output_embeddings(self) -> Any:
        return self.lm.decoder

    def _output_bias(self) -> tuple[Any, str]:
        return self.lm, "bias"

    def call(self, input_ids: Any = None, attention_mask: Any = None, training: Any = None) -> Any:
        return self._output(logits=self.lm(self.tiny(input_ids, attention_mask)[0]))


class TFTinyClassifier(TFTinyPreTrainedModel, published=True):
    new_heads = (("classifier",),)

    def __init__(self, config: Any, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.tiny = TFTinyMainLayer(config, name="tiny")
        self.classifier = Linear(config.hidden_size, config.num_labels, name="classifier")
        self.init_weights()

    def call(self, input_ids: Any = None, attention_mask: Any = None, labels: Any = None, training: Any = None) -> Any:
        states = self.tiny(input_ids, attention_mask)[0]
        loss = None if labels is None else ops.mean(ops.cast(labels, "float32"))
        logits = self.classifier(states[:, 0])
        return self._output(loss=loss, logits=logits, hidden_states=(states,))


IDS = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
MASK = np.array([[1, 1, 1, 1], [0, 1, 1, 1]])


def arrays(model: Any) -> dict[str, Any]:
    return {parameter.name: parameter.read() for parameter in named_parameters(model)}


# --- construction


def test_weights_exist_without_a_call() -> None:
    model = TFTinyLM(TinyConfig())
    assert [name for name, _ in model.named_weights()] == [
        "tiny.words.weight",
        "tiny.layer.0.weight",
        "tiny.layer.0.bias",
        "tiny.layer.1.weight",
        "tiny.layer.1.bias",
        "tiny.norm.weight",
        "tiny.norm.bias",
        "lm.bias",
    ]
    assert [name for name in arrays(model) if name not in dict(model.named_weights())] == ["lm.decoder.weight"]
    assert model.num_parameters() == 11 * 6 + 2 * (36 + 6) + 12 + 11
    model.tiny.layer[0].trainable = False
    assert model.num_parameters(only_trainable=True) == model.num_parameters() - 42
    assert TFTinyLM(TinyConfig(), trainable=False).num_parameters(only_trainable=True) == 0
    assert model.tiny.layer[1].kernel.path == f"{model.name}/tiny/layer/1/kernel"


def test_each_weight_is_drawn_for_itself() -> None:
    model = TFTinyModel(TinyConfig(hidden_size=6, vocab_size=6))
    words, first, second = (arrays(model)[f"tiny.{n}.weight"] for n in ("words", "layer.0", "layer.1"))
    assert np.abs(first - second).max() > 0
    assert np.abs(words - first.T).max() > 0


def test_the_seed_is_keras() -> None:
    keras.utils.set_random_seed(3)
    one = arrays(TFTinyModel(TinyConfig()))
    keras.utils.set_random_seed(3)
    two = arrays(TFTinyModel(TinyConfig()))
    np.testing.assert_array_equal(one["tiny.words.weight"], two["tiny.words.weight"])


def test_constructor_refuses() -> None:
    with pytest.raises(TypeError, match=r"use TFTinyModel\.from_pretrained"):
        TFTinyModel("tiny")
    with pytest.raises(TypeError, match="colour"):
        TFTinyModel(TinyConfig(), colour="red")
    for dtype in ("int32", "floaty", 7):
        with pytest.raises(ValueError, match=f"not {dtype!r}"):
            TFTinyModel(TinyConfig(), dtype=dtype)


@pytest.mark.parametrize("dtype", ["bfloat16", tf.bfloat16, keras.DTypePolicy("bfloat16")])
def test_dtype(dtype: Any) -> None:
    model = TFTinyModel(TinyConfig(), dtype=dtype)
    assert {v.dtype for v in model.trainable_variables} == {"bfloat16"}
    assert model(IDS)[0].dtype == "bfloat16"


def test_global_policy() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = TFTinyLM(TinyConfig())
        assert {v.dtype for v in model.trainable_variables} == {"float32"}
        assert model(IDS)[0].dtype == "bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")


def test_normal_survives_serialisation() -> None:
    initializer = Normal(0.5, seed=3)
    again = keras.initializers.deserialize(keras.initializers.serialize(initializer))
    np.testing.assert_array_equal(again((2, 3)), initializer((2, 3)))
    with skipping_initialization.on():
        assert initializer((2, 3)).shape == (2, 3)


# --- calls


def test_forms_of_a_call() -> None:
    model = TFTinyModel(TinyConfig())
    wanted = model(IDS, MASK)[0]
    tensor, mask = tf.constant(IDS), tf.constant(MASK)
    for found in (
        model([tensor, mask]),
        model((tensor, mask)),
        model({"input_ids": tensor, "attention_mask": mask}),
        model(UserDict(input_ids=IDS.tolist(), attention_mask=MASK)),
        model({"input_ids": IDS.tolist()}, attention_mask=MASK.tolist()),
        model(IDS.tolist(), MASK.tolist()),
        model(input_ids=tensor, attention_mask=mask, training=False),
        model([IDS.tolist(), mask]),
        model(input_ids={"input_ids": tensor, "attention_mask": mask}),
    ):
        np.testing.assert_array_equal(found[0], wanted)
    np.testing.assert_array_equal(model([tensor, None])[0], model(tensor)[0])
    np.testing.assert_array_equal(model.tiny([tensor, mask])[0], wanted)


def test_training() -> None:
    model = TFTinyModel(TinyConfig())
    np.testing.assert_array_equal(model(IDS)[0], model(IDS)[0])
    assert np.abs(model(IDS, training=True)[0] - model(IDS)[0]).max() > 0


def test_wrong_calls() -> None:
    model = TFTinyModel(TinyConfig())
    with pytest.raises(TypeError, match="no input 'attention_musk'; it has input_ids, attention_mask"):
        model(IDS, attention_musk=MASK)
    with pytest.raises(TypeError, match="no input 'attention_musk'"):
        model({"input_ids": IDS, "attention_musk": MASK})
    with pytest.raises(TypeError, match="'attention_mask' twice"):
        model([IDS, MASK], attention_mask=MASK)
    with pytest.raises(TypeError, match="at most 2 inputs"):
        model([IDS, MASK, MASK])
    with pytest.raises(TypeError, match="at most 2 inputs"):
        model(IDS, MASK, MASK)
    with pytest.raises(TypeError, match="both as a dict and by position"):
        model({"input_ids": IDS}, MASK)
    with pytest.raises(ValueError, match="input_ids: the rows have different lengths"):
        model([[1, 2], [3]])
    with pytest.raises(ValueError, match="either input_ids or inputs_embeds"):
        model()
    with pytest.raises(ValueError, match="9 tokens, but the model knows only 8 positions"):
        model(np.ones((1, 9), int))
    with pytest.raises(ValueError, match=r"input_ids must have shape \(batch, sequence\), not \(4,\)"):
        model(IDS[0])
    with pytest.raises(ValueError, match=r"attention_mask has shape \(2, 3\), but there are 4 tokens"):
        model(IDS, MASK[:, :3])
    for wrong in (-1, 11):
        with pytest.raises(ValueError, match=f"input_ids holds {wrong}, but the vocabulary has only the ids 0 to 10"):
            model(np.array([[1, wrong]]))
    with pytest.raises(ValueError, match="input_ids must be integers, not <dtype: 'float32'>"):
        model(IDS.astype("float32"))
    for wrong in (tf.ragged.constant([[1, 2], [3]]), tf.sparse.from_dense(IDS), "a text"):
        with pytest.raises(TypeError, match=f"must be a tensor.*not a {type(wrong).__name__}: pad rows"):
            model(wrong)
    with pytest.raises(ValueError, match=r"inputs_embeds must have shape \(batch, sequence, hidden\)"):
        input_shape(None, tf.ones((2, 3)))
    with pytest.raises(ValueError, match="not both"):
        input_shape(tf.ones((2, 3), tf.int32), tf.ones((2, 3, 4)))


def test_choices() -> None:
    ids = tf.zeros((2, 3, 4), tf.int32)
    assert choices(ids, None) == 3
    assert flatten_choices(ids).shape == (6, 4)
    assert flatten_choices(None) is None
    for wrong in (tf.zeros((2, 3), tf.int32), None):
        with pytest.raises(ValueError, match=r"\(batch, choices, sequence\)"):
            choices(wrong, None)


# --- functional models and files of Keras and TensorFlow


def test_functional_model_is_saved_and_loaded(tmp_path: Path) -> None:
    ids, mask = (keras.Input((None,), dtype="int32", name=name) for name in ("ids", "mask"))
    functional = keras.Model([ids, mask], keras.layers.Dense(3)(TFTinyModel(TinyConfig())([ids, mask])[0]))
    functional.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again([IDS, MASK]), functional([IDS, MASK]))


def test_symbolic_inputs_may_be_longer_than_the_positions() -> None:
    model = TFTinyModel(TinyConfig())
    assert model(keras.Input(batch_shape=(2, 2000), dtype="int32"))[0].shape == (2, 2000, 6)
    with pytest.raises(ValueError, match="2000 tokens"):
        model(tf.ones((2, 2000), tf.int32))


def test_tensorflow_checkpoints_hold_everything(tmp_path: Path) -> None:
    model, other = TFTinyLM(TinyConfig()), TFTinyLM(TinyConfig())
    path = tf.train.Checkpoint(model=model).save(str(tmp_path / "checkpoint"))
    stored = [name for name, _ in tf.train.list_variables(path) if name.startswith("model/")]
    assert len(stored) == len(dict(model.named_weights()))
    tf.train.Checkpoint(model=other).restore(path)
    for name, array in arrays(other).items():
        np.testing.assert_array_equal(array, arrays(model)[name])


@pytest.mark.skipif(
    "input_signature" not in inspect.signature(keras.Model.export).parameters,
    reason="this Keras exports a model only with the inputs it was called with last",
)
def test_export(tmp_path: Path) -> None:
    model = TFTinyModel(TinyConfig())
    spec = {name: keras.InputSpec(shape=(None, None), dtype="int32") for name in ("input_ids", "attention_mask")}
    model.export(tmp_path, input_signature=[spec], verbose=False)
    inputs = {"input_ids": tf.constant(IDS, tf.int32), "attention_mask": tf.constant(MASK, tf.int32)}
    served = tf.saved_model.load(str(tmp_path))
    np.testing.assert_allclose(tf.nest.flatten(served.serve(inputs))[0], model(IDS, MASK)[0], atol=1e-6)


def test_export_by_default(tmp_path: Path) -> None:
    """No input has to be described; outputs within the output are numbered."""
    for model in (TFTinyClassifier(TinyConfig()), TFExtended(TinyConfig())):
        model.export(tmp_path / model.name)
        inputs = {"input_ids": tf.constant(IDS, tf.int32), "attention_mask": tf.ones_like(IDS, tf.int32)}
        loaded = tf.saved_model.load(str(tmp_path / model.name))
        found, wanted = loaded.signatures["serving_default"](**inputs), model(IDS)
        if isinstance(model, TFExtended):
            assert set(found) == {"output_0", "output_1"}
            np.testing.assert_allclose(found["output_0"], wanted[0], atol=1e-6)
        else:
            assert set(found) == {"logits", "hidden_states_0"}
            np.testing.assert_allclose(found["logits"], wanted.logits, atol=1e-6)
            np.testing.assert_allclose(found["hidden_states_0"], wanted.hidden_states[0], atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_functional_model_of_a_main_layer_is_saved_and_loaded(dtype: str, tmp_path: Path) -> None:
    ids = keras.Input((None,), dtype="int32")
    functional = keras.Model(ids, TFTinyMainLayer(TinyConfig(), dtype=dtype)(ids)[0])
    functional.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(tf.cast(again(IDS), "float32"), tf.cast(functional(IDS), "float32"))
    assert again.layers[1].layer[0].compute_dtype == keras.DTypePolicy(dtype).compute_dtype


# --- loading and saving


@pytest.mark.parametrize("form", ["safetensors", "bin", "h5"])
@pytest.mark.parametrize("cls", [TFTinyModel, TFTinyLM, TFTinyClassifier])
def test_round_trip(cls: Any, form: str, tmp_path: Path) -> None:
    model = cls(TinyConfig(num_labels=3))
    model.save_pretrained(tmp_path, format=form)
    again, report = cls.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report.values())
    for name, array in arrays(again).items():
        np.testing.assert_array_equal(array, arrays(model)[name])
    assert json.loads((tmp_path / "config.json").read_text())["architectures"] == [cls.__name__.removeprefix("TF")]


def test_a_new_head_is_initialised(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    base = TFTinyModel(TinyConfig())
    base.save_pretrained(tmp_path)
    with caplog.at_level(logging.WARNING):
        model, report = TFTinyClassifier.from_pretrained(tmp_path, num_labels=4, output_loading_info=True)
    assert "classifier.weight, classifier.bias" in caplog.text
    assert report.newly_initialized == ["classifier.weight", "classifier.bias"]
    assert 0 < np.abs(arrays(model)["classifier.weight"]).max() < 0.2
    np.testing.assert_array_equal(arrays(model)["classifier.bias"], 0)


def test_loading_is_strict(tmp_path: Path) -> None:
    TFTinyModel(TinyConfig(num_hidden_layers=1)).save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match=r"missing from the file \(2\):\n  tiny\.layer\.1\.weight"):
        TFTinyModel.from_pretrained(tmp_path, num_hidden_layers=2)
    with pytest.raises(WeightsError, match=r"the file has shape \(11, 6\), the model wants \(12, 6\)"):
        TFTinyModel.from_pretrained(tmp_path, vocab_size=12)


def test_loading_into_a_model_keeps_a_head_that_the_file_lacks(tmp_path: Path) -> None:
    base = TFTinyModel(TinyConfig())
    base.save_pretrained(tmp_path)
    model = TFTinyClassifier(TinyConfig())
    before = arrays(model)["classifier.weight"]
    model.load_weights(tmp_path)
    np.testing.assert_array_equal(arrays(model)["classifier.weight"], before)
    np.testing.assert_array_equal(arrays(model)["tiny.words.weight"], arrays(base)["tiny.words.weight"])


def test_a_users_own_head(tmp_path: Path) -> None:
    class TFProbe(TFTinyPreTrainedModel):
        def __init__(self, config: Any, **kwargs: Any) -> None:
            super().__init__(config, **kwargs)
            self.tiny = TFTinyMainLayer(config, name="tiny")
            self.probes = [Linear(config.hidden_size, 2, name=f"probe_{i}") for i in range(2)]
            self.init_weights()

        def call(self, input_ids: Any = None, training: Any = None) -> Any:
            states = self.tiny(input_ids)[0]
            return tuple(probe(states) for probe in self.probes)

    TFTinyModel(TinyConfig()).save_pretrained(tmp_path / "base")
    model, report = TFProbe.from_pretrained(tmp_path / "base", output_loading_info=True)
    assert report.newly_initialized == [f"probes.{i}.{leaf}" for i in range(2) for leaf in ("weight", "bias")]
    model.save_pretrained(tmp_path / "probe")
    again, report = TFProbe.from_pretrained(tmp_path / "probe", output_loading_info=True)
    assert not any(report.values())
    np.testing.assert_array_equal(again(IDS)[1], model(IDS)[1])


def test_a_users_layer_without_a_size_is_named(tmp_path: Path) -> None:
    class TFUnsized(TFTinyPreTrainedModel):
        def __init__(self, config: Any, **kwargs: Any) -> None:
            super().__init__(config, **kwargs)
            self.tiny = TFTinyMainLayer(config, name="tiny")
            self.probe = keras.layers.Dense(2)
            self.init_weights()

        def call(self, input_ids: Any = None, training: Any = None) -> Any:
            return self.probe(self.tiny(input_ids)[0])

    model = TFUnsized(TinyConfig())
    with pytest.raises(ValueError, match=r"layer 'probe' \(Dense\) has no variables yet: call the model"):
        model.save_pretrained(tmp_path)
    model(IDS)
    model.save_pretrained(tmp_path)


class TFExtended(TFTinyClassifier):
    """A class in the manner of users: more layers on a finished model, whose sizes Keras learns from a call."""

    def __init__(self, config: Any, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.probe = keras.layers.Dense(3)

    def call(self, input_ids: Any = None, attention_mask: Any = None, training: Any = None) -> Any:
        states = self.tiny(input_ids, attention_mask)[0]
        return self.classifier(states[:, 0]), self.probe(states)


def test_a_model_can_be_extended(tmp_path: Path) -> None:
    TFTinyClassifier(TinyConfig()).save_pretrained(tmp_path)
    model, report = TFExtended.from_pretrained(tmp_path, output_loading_info=True)
    assert report.newly_initialized == ["probe.weight", "probe.bias"]
    model.save_pretrained(tmp_path)
    np.testing.assert_array_equal(TFExtended.from_pretrained(tmp_path)(IDS)[1], model(IDS)[1])


def test_an_extended_model_trains_without_a_call_before() -> None:
    model = TFExtended(TinyConfig())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(loss=[loss, loss])
    model.fit(IDS, (np.array([0, 1]), IDS % 3), verbose=0)
    assert len(model.trainable_variables) == 11
    assert int(model.optimizer.iterations) == 1


def test_keras_saves_an_extended_model(tmp_path: Path) -> None:
    model = TFExtended(TinyConfig())
    wanted = model(IDS)[1]
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(IDS)[1], wanted)
    model.save_weights(tmp_path / "model.weights.h5")
    for name in ("model.weights.h5", "model.keras"):
        fresh = TFExtended(TinyConfig())
        fresh.load_weights(tmp_path / name)
        np.testing.assert_array_equal(fresh(IDS)[1], wanted)


def test_arguments_that_only_keras_formats_have(tmp_path: Path) -> None:
    model = TFTinyModel(TinyConfig())
    model.save_pretrained(tmp_path)
    with pytest.raises(TypeError, match=r"skip_mismatch.* only for Keras 3's own formats, not for .*safetensors"):
        model.load_weights(tmp_path / "model.safetensors", skip_mismatch=True)


# --- changes


def test_resize() -> None:
    model = TFTinyLM(TinyConfig())
    words, path = arrays(model)["tiny.words.weight"], model.get_input_embeddings().embeddings.path
    model.lm.bias.assign(np.arange(11.0))
    assert model.resize_token_embeddings() is model.get_input_embeddings()
    assert model.resize_token_embeddings(14) is model.get_input_embeddings()
    assert model.config.vocab_size == 14
    new = arrays(model)
    np.testing.assert_array_equal(new["tiny.words.weight"][:11], words)
    np.testing.assert_allclose(new["tiny.words.weight"][11:], [words.mean(0)] * 3, rtol=1e-6)
    np.testing.assert_array_equal(new["lm.bias"], [*np.arange(11.0), 5, 5, 5])
    assert model(IDS)[0].shape == (2, 4, 14)
    assert model.get_input_embeddings().embeddings.path == path
    assert len(model.trainable_variables) == len(dict(model.named_weights()))
    model.resize_token_embeddings(9)
    np.testing.assert_array_equal(arrays(model)["lm.decoder.weight"], words[:9])
    with pytest.raises(ValueError, match="at least 1, not 0"):
        model.resize_token_embeddings(0)


def test_resize_untied() -> None:
    model = TFTinyLM(TinyConfig(tie_word_embeddings=False))
    before = arrays(model)
    assert np.abs(before["tiny.words.weight"] - before["lm.decoder.weight"]).max() > 0
    model.resize_token_embeddings(14)
    np.testing.assert_array_equal(arrays(model)["lm.decoder.weight"][:11], before["lm.decoder.weight"])
    mean = before["lm.decoder.weight"].mean(0)
    np.testing.assert_allclose(arrays(model)["lm.decoder.weight"][11:], [mean] * 3, rtol=1e-6)
    assert model(IDS)[0].shape == (2, 4, 14)


def test_other_input_embeddings() -> None:
    model = TFTinyLM(TinyConfig())
    new = keras.layers.Embedding(11, 6)
    model.set_input_embeddings(new)
    assert model.get_input_embeddings() is new
    assert len(model.trainable_variables) == len(dict(model.named_weights()))
    np.testing.assert_array_equal(arrays(model)["lm.decoder.weight"], new.embeddings.numpy())
    with pytest.raises(TypeError, match=r"keras\.layers\.Embedding"):
        model.set_input_embeddings("words")


def test_a_changed_model_has_its_variables_in_the_order_of_a_new_one() -> None:
    """Also if it is frozen meanwhile, and with embeddings that Keras, not this library, initialises."""
    model = TFTinyLM(TinyConfig())
    model.set_input_embeddings(keras.layers.Embedding(11, 6))
    model.tiny.trainable = False
    model.resize_token_embeddings(14)
    prune_linear(model.tiny.layer[0], np.arange(6)[::-1])
    assert [v.path for v in model.trainable_variables] == [model.lm.bias.path]
    rows = model.get_input_embeddings().embeddings.numpy()
    assert np.abs(rows[11:]).min() > 0
    assert np.abs(rows[11:] - rows[:3]).min() > 0
    model.tiny.trainable = True
    new = TFTinyLM(model.config)
    new.set_weights(model.get_weights())
    assert len(new.trainable_variables) == len(model.trainable_variables)
    np.testing.assert_array_equal(new(IDS)[0], model(IDS)[0])


def test_a_model_with_low_rank_changes_is_not_resized_or_pruned(tmp_path: Path) -> None:
    model = TFTinyModel(TinyConfig())
    model.tiny.layer[1].enable_lora(2)
    model.tiny.layer[1].lora_kernel_b.assign(np.ones((2, 6)))
    for change in (lambda: model.resize_token_embeddings(14), lambda: model.prune_heads({0: [1]})):
        with pytest.raises(ValueError, match=r"tiny/layer/1 has LoRA weights.*save_pretrained"):
            change()
    model.save_pretrained(tmp_path)
    merged = TFTinyModel.from_pretrained(tmp_path)
    np.testing.assert_allclose(merged(IDS)[0], model(IDS)[0], atol=1e-6)
    merged.resize_token_embeddings(14)


def test_output_embeddings_score_by_the_input_embeddings() -> None:
    model = TFTinyLM(TinyConfig())
    states = tf.random.normal((2, 3, 6))
    wanted = states.numpy() @ model.get_input_embeddings().embeddings.numpy().T
    np.testing.assert_allclose(model.lm.decoder(states), wanted, atol=1e-6)


def test_pruned_linear() -> None:
    layer = Linear(4, 6)
    layer.build()
    kernel, bias = layer.kernel.numpy(), layer.bias.numpy()
    prune_linear(layer, np.array([0, 3]))
    prune_linear(layer, np.array([1, 2, 3]), dim=1)
    assert (layer.in_features, layer.out_features) == (3, 2)
    np.testing.assert_array_equal(layer.kernel.numpy(), kernel[1:][:, [0, 3]])
    np.testing.assert_array_equal(layer.bias.numpy(), bias[[0, 3]])
    assert layer(tf.ones((5, 3))).shape == (5, 2)
    assert len(layer.trainable_variables) == 2


def test_a_model_without_heads_to_prune_says_so() -> None:
    with pytest.raises(NotImplementedError, match="TFTinyMainLayer does not support the removal of heads"):
        TFTinyModel(TinyConfig()).prune_heads({0: [1]})


def test_list_of_layers() -> None:
    layers = ModuleList(Linear(2, 2) for _ in range(3))
    assert len(layers) == 3
    assert layers[-1] is list(layers)[2]
    for index in (3, -4):
        with pytest.raises(IndexError, match=f"no layer {index}: there are 3"):
            layers[index]
    # PyTorch, as Keras's backend, does not list attributes that are numbers; Keras saves those that are listed.
    assert {"0", "1", "2", "call"} <= set(dir(layers))


# --- training


def compiled(model: Any, **options: Any) -> Any:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    metric = keras.metrics.SparseCategoricalAccuracy("accuracy")
    optimizer = keras.optimizers.Adam(learning_rate=3e-5, epsilon=1e-08, clipnorm=1.0)
    model.compile(optimizer=optimizer, loss=loss, metrics=[metric], **options)
    return model


def test_fit_traces_once_and_takes_the_first_output() -> None:
    model, traces = TFTinyClassifier(TinyConfig()), []
    step = model.train_step

    def counted(data: Any) -> Any:
        traces.append(data)
        return step(data)

    model.train_step = counted
    data = ({"input_ids": IDS, "attention_mask": MASK}, np.array([0, 1]))
    history = compiled(model).fit(tf.data.Dataset.from_tensor_slices(data).batch(1), epochs=2, verbose=0).history
    assert set(history) == {"loss", "accuracy"}
    assert len(traces) == 1
    assert isinstance(model.predict(data[0], verbose=0), tuple)


def test_sample_weights_and_labels_in_the_inputs() -> None:
    model = compiled(TFTinyClassifier(TinyConfig()))
    logits = model(IDS).logits
    wanted = keras.losses.sparse_categorical_crossentropy(np.array([0, 1]), logits, from_logits=True).numpy()
    loss, _ = model.evaluate(IDS, np.array([0, 1]), sample_weight=np.array([0.0, 2.0]), verbose=0)
    np.testing.assert_allclose(loss, wanted[1], rtol=1e-5)
    # The losses that the model gives with labels among its inputs are no predictions.
    loss, _ = model.evaluate({"input_ids": IDS, "labels": np.array([0, 1])}, np.array([0, 1]), verbose=0)
    np.testing.assert_allclose(loss, wanted.mean(), rtol=1e-5)

    class TFTwoLosses(TFTinyClassifier):
        def call(self, input_ids: Any = None, labels: Any = None, training: Any = None) -> Any:
            loss, logits, _ = super().call(input_ids, labels=labels)
            return output("TwoLossesOutput", loss=loss, mc_loss=loss, logits=logits)

    model = compiled(TFTwoLosses(TinyConfig()))
    wanted = keras.losses.sparse_categorical_crossentropy(np.array([0, 1]), model(IDS, [0, 1])[2], from_logits=True)
    loss, _ = model.evaluate({"input_ids": IDS, "labels": np.array([0, 1])}, np.array([0, 1]), verbose=0)
    np.testing.assert_allclose(loss, wanted.numpy().mean(), rtol=1e-5)


def test_labels_by_output() -> None:
    model = compiled(TFTinyClassifier(TinyConfig()))
    wanted = model.evaluate(IDS, np.array([0, 1]), verbose=0)
    np.testing.assert_allclose(model.evaluate(IDS, {"logits": np.array([0, 1])}, verbose=0), wanted, rtol=1e-6)
    with pytest.raises(ValueError, match="labels are given for scores, but the outputs are logits, hidden_states"):
        model.evaluate(IDS, {"scores": np.array([0, 1])}, verbose=0)
    with pytest.raises(ValueError, match="there are 3 labels, but only 2 outputs"):
        model.evaluate(IDS, (np.array([0, 1]),) * 3, verbose=0)
