"""An encoder and a decoder as one model, of BERT, in Keras."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tx_bert import BertConfig, TFBertForMaskedLM, TFBertModel
from tx_core import TFModel2Model, TFPreTrainedEncoderDecoder
from tx_testing.suites.spec import assert_close

SIZES: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 20,
    "initializer_range": 0.3,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
READ = np.array([[2, 7, 9, 31, 4, 12, 3], [2, 8, 5, 3, 0, 0, 0]])
MASK = (READ != 0).astype(np.int64)
WRITTEN = np.array([[2, 17, 21, 30, 3], [2, 11, 6, 3, 0]])
LABELS = np.where(WRITTEN == 0, -100, WRITTEN)
SAME = 1e-5  # two ways to compute the same in float32


def make(**fields: Any) -> TFPreTrainedEncoderDecoder:
    keras.utils.set_random_seed(0)
    sizes = {**SIZES, **fields}
    return TFPreTrainedEncoderDecoder(
        TFBertModel(BertConfig(**sizes)), TFBertForMaskedLM(BertConfig(**sizes, is_decoder=True))
    )


@pytest.fixture(scope="module")
def model() -> TFPreTrainedEncoderDecoder:
    """One that no test changes."""
    return make()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT as it was trained: no decoder."""
    folder = tmp_path_factory.mktemp("plain")
    TFBertForMaskedLM(BertConfig(**SIZES)).save_pretrained(folder)
    return folder


def test_it_gives_what_its_parts_give_by_hand(model: TFPreTrainedEncoderDecoder) -> None:
    output = model(READ, WRITTEN, encoder_attention_mask=MASK, decoder_lm_labels=LABELS, output_hidden_states=True)
    states, pooled, encoder_layers = model.encoder(READ, attention_mask=MASK, output_hidden_states=True)
    decoded = model.decoder(
        WRITTEN, encoder_hidden_states=states, encoder_attention_mask=MASK, lm_labels=LABELS, output_hidden_states=True
    )
    assert output._fields == (
        *("loss", "logits", "hidden_states"),
        *("encoder_last_hidden_state", "encoder_pooler_output", "encoder_hidden_states"),
    )
    assert output.logits.shape == (2, 5, 40)
    assert output.encoder_last_hidden_state.shape == (2, 7, 16)
    wanted = (*decoded, states, pooled, encoder_layers)
    for found, each in zip(keras.tree.flatten(tuple(output)), keras.tree.flatten(wanted), strict=True):
        assert np.array_equal(found, each)


def test_the_loss_is_the_cross_entropy_of_the_next_tokens(model: TFPreTrainedEncoderDecoder) -> None:
    loss, logits = model(READ, WRITTEN, encoder_attention_mask=MASK, decoder_lm_labels=LABELS)[:2]
    counted = LABELS[:, 1:] != -100
    each = keras.losses.sparse_categorical_crossentropy(WRITTEN[:, 1:], logits[:, :-1], from_logits=True)
    assert float(loss) == pytest.approx(float(np.asarray(each)[counted].mean()))


def test_forms_of_inputs(model: TFPreTrainedEncoderDecoder) -> None:
    wanted = model(encoder_input_ids=READ, decoder_input_ids=WRITTEN, encoder_attention_mask=MASK).logits
    named = {"decoder_input_ids": WRITTEN, "encoder_input_ids": READ, "encoder_attention_mask": MASK}
    for found in (
        model(named),
        model([READ, WRITTEN, MASK]),
        model(tf.constant(READ), tf.constant(WRITTEN), encoder_attention_mask=tf.constant(MASK)),
        model(READ.tolist(), WRITTEN.tolist(), encoder_attention_mask=MASK.tolist(), training=False),
        model([READ, WRITTEN], encoder_attention_mask=MASK, output_attentions=True),
        tf.function(lambda **inputs: model(inputs))(**named),
    ):
        assert_close(found.logits.numpy(), wanted.numpy(), SAME, "logits")
    with pytest.raises(TypeError, match="has no input 'encoder_langs'; it has encoder_input_ids, decoder_input_ids"):
        model(READ, WRITTEN, encoder_langs=READ)
    with pytest.raises(TypeError, match="has no input 'lm_labels'"):
        model(READ, WRITTEN, lm_labels=LABELS)
    with pytest.raises(ValueError, match="give either input_ids or inputs_embeds"):
        model(decoder_input_ids=WRITTEN)
    assert type(model(READ, WRITTEN, return_dict=False)) is tuple


def test_flags_go_to_the_part_that_they_name(model: TFPreTrainedEncoderDecoder) -> None:
    fields = model(READ, WRITTEN, encoder_output_attentions=True)._fields
    assert fields == ("logits", "encoder_last_hidden_state", "encoder_pooler_output", "encoder_attentions")
    fields = model(READ, WRITTEN, output_attentions=True, encoder_output_attentions=False)._fields
    assert fields == ("logits", "attentions", "encoder_last_hidden_state", "encoder_pooler_output")


def test_padding_of_the_encoder_changes_nothing(model: TFPreTrainedEncoderDecoder) -> None:
    logits = model(READ, WRITTEN, encoder_attention_mask=MASK).logits.numpy()
    assert_close(model(READ[1:, :4], WRITTEN[1:]).logits.numpy(), logits[1:], SAME)
    others = np.where(MASK == 0, 33, READ)
    assert_close(model(others, WRITTEN, encoder_attention_mask=MASK).logits.numpy(), logits, SAME)
    assert np.abs(model(READ, WRITTEN).logits.numpy() - logits)[1].max() > 1e-3
    each = np.repeat(MASK[:, None], 7, 1)
    with pytest.raises(ValueError, match=r"encoder_attention_mask has shape \(2, 7, 7\).*decoder_encoder_attention"):
        model(READ, WRITTEN, encoder_attention_mask=each)
    found = model(READ, WRITTEN, encoder_attention_mask=each, decoder_encoder_attention_mask=MASK)
    assert_close(found.logits.numpy(), logits, SAME)


def test_given_states_are_decoded_without_the_encoder(model: TFPreTrainedEncoderDecoder) -> None:
    whole = model(READ, WRITTEN, encoder_attention_mask=MASK)
    output = model(
        decoder_input_ids=WRITTEN,
        encoder_hidden_states=whole.encoder_last_hidden_state,
        encoder_attention_mask=MASK,
    )
    assert output._fields == ("logits",)
    assert np.array_equal(output.logits, whole.logits)


def test_every_parameter_that_the_loss_depends_on_gets_a_gradient(model: TFPreTrainedEncoderDecoder) -> None:
    with tf.GradientTape() as tape:
        loss = model(READ, WRITTEN, encoder_attention_mask=MASK, decoder_lm_labels=LABELS, training=True)[0]
    variables = model.trainable_variables
    assert len(variables) == len(model.encoder.trainable_variables) + len(model.decoder.trainable_variables)
    without, still = [], []
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        if gradient is None:
            without.append(variable.path)
        elif not np.any(tf.convert_to_tensor(gradient)):
            still.append(variable.path)
    assert len(without) == 4
    assert all("/pooler/" in path for path in without)
    assert all(path.endswith("key/bias") for path in still)


def test_fit_by_a_compiled_loss_and_by_the_decoders_own() -> None:
    model = make(num_hidden_layers=1)
    inputs = {"encoder_input_ids": READ, "decoder_input_ids": WRITTEN, "encoder_attention_mask": MASK}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-100)
    model.compile(keras.optimizers.Adam(5e-3), loss, run_eagerly=True)
    history = model.fit(inputs, LABELS, epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]
    model.compile(keras.optimizers.Adam(5e-3), jit_compile=False)
    labelled = {**inputs, "decoder_lm_labels": LABELS}
    own = float(model(labelled)[0])
    history = model.fit(labelled, epochs=15, verbose=0).history["loss"]
    assert history[0] == pytest.approx(own, rel=1e-5)
    assert history[-1] < own / 2
    model.run_eagerly = True
    assert model.evaluate(labelled, verbose=0) == pytest.approx(float(model(labelled)[0]), rel=1e-5)
    logits = model.predict(inputs, batch_size=1, verbose=0)[0]
    assert_close(logits, model(inputs).logits.numpy(), SAME)


def test_functional_models_and_keras_files(model: TFPreTrainedEncoderDecoder, tmp_path: Path) -> None:
    read, written = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    output = model({"encoder_input_ids": read, "decoder_input_ids": written}, encoder_output_attentions=True)
    functional = keras.Model([read, written], [output.logits, output.encoder_attentions[0]])
    logits, attentions = functional([READ, WRITTEN])
    wanted = model(READ, WRITTEN).logits.numpy()
    assert_close(logits.numpy(), wanted, SAME)
    assert attentions.shape == (2, 2, 7, 7)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again) is TFPreTrainedEncoderDecoder
    assert np.array_equal(again(READ, WRITTEN).logits, wanted)


def test_one_checkpoint_makes_both_parts_and_what_is_saved_loads_bit_for_bit(tmp_path: Path, plain: Path) -> None:
    model, reports = TFModel2Model.from_pretrained(str(plain), output_loading_info=True)
    assert type(model.encoder) is TFBertModel
    assert type(model.decoder) is TFBertForMaskedLM
    assert (model.encoder.config.is_decoder, model.decoder.config.is_decoder) == (False, True)
    assert reports["encoder"].newly_initialized == []
    new = reports["decoder"].newly_initialized
    assert len(new) == 20
    assert all(".crossattention." in name for name in new)
    model.save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["decoder", "encoder"]
    loads = [
        TFPreTrainedEncoderDecoder.from_pretrained(tmp_path / "encoder", str(tmp_path / "decoder")),
        TFPreTrainedEncoderDecoder.from_pretrained(tmp_path),
        TFModel2Model.from_pretrained(str(tmp_path)),
    ]
    for loaded in loads:
        for name in ("encoder", "decoder"):
            one, two = (dict(getattr(each, name).named_weights()) for each in (loaded, model))
            assert one.keys() == two.keys()
            assert all(np.array_equal(one[key], two[key]) for key in one)
        assert np.array_equal(loaded(READ, WRITTEN).logits, model(READ, WRITTEN).logits)
    assert type(loads[2]) is TFModel2Model


@pytest.mark.parametrize("name", ["does-not-exist", "roberta", "distilbert", "gpt2"])
def test_what_is_not_bert_is_refused_without_a_request(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a request was sent")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(ValueError, match="TFModel2Model takes 'bert' only"):
        TFModel2Model.from_pretrained(name)
    if name in ("distilbert", "gpt2"):
        with pytest.raises(ValueError, match="cannot be the decoder of an encoder"):
            TFPreTrainedEncoderDecoder.from_pretrained("bert-base-uncased", name)


def test_parts_that_do_not_fit_are_refused(model: TFPreTrainedEncoderDecoder) -> None:
    with pytest.raises(ValueError, match="does not attend to an encoder: build or load TFBertForMaskedLM with is_deco"):
        TFPreTrainedEncoderDecoder(model.encoder, TFBertForMaskedLM(BertConfig(**SIZES)))
    with pytest.raises(ValueError, match="the encoder of TFModel2Model is a decoder"):
        TFModel2Model(TFBertModel(BertConfig(**SIZES, is_decoder=True)), model.decoder)


def test_an_encoder_of_ones_own(model: TFPreTrainedEncoderDecoder) -> None:
    class Reversed(keras.layers.Layer):
        """States of the encoder in the reversed order."""

        def call(self, input_ids: Any) -> tuple[Any]:
            return (keras.ops.flip(model.encoder(input_ids)[0], 1),)

    output = TFPreTrainedEncoderDecoder(Reversed(), model.decoder)(READ, WRITTEN)
    assert type(output) is tuple
    assert_close(output[0].numpy(), model(READ, WRITTEN).logits.numpy(), SAME)  # attention does not know an order
