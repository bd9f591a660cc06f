"""An encoder and a decoder as one model, in Keras. Mirrors ``encoder_decoder_torch``.

Shapes: B batch, K the encoder's sequence, S the decoder's, H hidden size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import keras

from .batches_tf import Predicts
from .encoder_decoder import EncoderDecoder, SameModel, check_parts, cross_attended, joined, routed
from .heads import ENCODER_INPUTS
from .inputs_tf import Kept, NamedInputs, input_names
from .layers_tf import build_children
from .training_tf import Trains

Tensor = Any


@dataclass(frozen=True, slots=True)
class _Options:
    """The inputs that are no tensors. Keras takes no dictionary that mixes the two."""

    values: Mapping[str, Any]


@keras.saving.register_keras_serializable("tx_core")
class TFPreTrainedEncoderDecoder(EncoderDecoder, NamedInputs, Trains, Predicts, keras.Model):
    """An encoder, and a decoder that attends to its states: of any architecture, and of any that can decode.

    See Rothe et al. 2020, https://arxiv.org/abs/1907.12461.

    Args:
        encoder: a bare model, whose first output is its states (B, K, H).
        decoder: a model built with ``is_decoder=True``, of the same hidden size, usually with a language model head.
        name: the Keras model's name.
        trainable: whether the parameters are.

    Raises:
        ValueError: if the encoder is a decoder, the decoder is none that attends to an encoder, or their widths differ.
    """

    _loaders: ClassVar[Mapping[str, str]] = {"encoder": "TFAutoModel", "decoder": "TFAutoModelWithLMHead"}

    def __init__(self, encoder: Any, decoder: Any, *, name: str | None = None, trainable: bool = True) -> None:
        super().__init__(name=name, dtype=decoder.dtype_policy, trainable=trainable)
        check_parts(type(self).__name__, encoder, decoder)
        self.encoder = encoder
        self.decoder = decoder
        self.build()

    def build(self, input_shape: Any = None) -> None:
        """Create all variables; no input is needed for it."""
        build_children(self)

    def get_config(self) -> dict[str, Any]:
        """What :meth:`from_config` builds the same model from (without its weights)."""
        parts = {part: keras.saving.serialize_keras_object(getattr(self, part)) for part in ("encoder", "decoder")}
        return {**parts, "name": self.name, "trainable": self.trainable}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """A model with the configuration that :meth:`get_config` gave."""
        load = keras.saving.deserialize_keras_object
        parts = {part: load(config[part], custom_objects) for part in ("encoder", "decoder")}
        return cls(**{**config, **parts})

    def _inputs(self) -> tuple[str, ...]:
        read, written = (
            part._inputs() if isinstance(part, NamedInputs) else input_names(type(part))  # type: ignore[arg-type]
            for part in (self.encoder, self.decoder)
        )
        read = tuple(name for name in read if name not in ("input_ids", *ENCODER_INPUTS))
        written = tuple(name for name in written if name not in ("input_ids", ENCODER_INPUTS[0]))
        return (
            *("encoder_input_ids", "decoder_input_ids"),
            *(f"encoder_{name}" for name in (*read, "hidden_states")),
            *(f"decoder_{name}" for name in written),
            *(name for name in read if name in written),
        )

    def _arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        # A functional model calls again with what Keras was called with.
        again = kwargs.pop("options", _Options({})).values
        kwargs = {**kwargs, **again}
        given = {name: value for name, value in self._named(args, kwargs).items() if value is not None}
        training = {name: given.pop(name) for name in ("training",) if name in given}
        options = {name: given.pop(name) for name, value in [*given.items()] if isinstance(value, bool | Kept)}
        return (given,), {**({"options": _Options(options)} if options else {}), **training}

    def call(self, inputs: dict[str, Any], options: _Options | None = None) -> tuple[Any, ...]:
        """Encode one batch, and decode another that attends to it.

        A model is called with a dictionary, a list in this order, or keywords:

        Args:
            encoder_input_ids: (B, K). decoder_input_ids: (B, S).
            kwargs: arguments of both parts, or with the prefix ``encoder_`` or ``decoder_`` of one.
                ``encoder_attention_mask`` (B, K) goes for the decoder's attention to the encoder too, unless there is
                ``decoder_encoder_attention_mask``. ``decoder_lm_labels`` (B, S), each to be predicted from the tokens
                before it, give a loss. ``encoder_hidden_states`` (B, K, H), what an earlier call returned as
                ``encoder_last_hidden_state``, are decoded without encoding anything.

        Returns:
            The decoder's outputs, with labels the loss first, and then the encoder's, as the fields
            ``encoder_last_hidden_state`` and so on; those are not there if ``encoder_hidden_states`` were given.

        Raises:
            TypeError: if a part does not know an argument.
            ValueError: as the parts; if the encoder's mask is (B, K, K) and the decoder has none of its own.
        """
        named = inputs if options is None else {**inputs, **options.values}
        given = routed(named, "encoder")
        states = given.pop("hidden_states", None)
        encoded: tuple[Any, ...] = ()
        if states is None:
            encoded = self.encoder(**given)
            states = encoded[0]  # (B, K, H)
        own = cross_attended(routed(named, "decoder"), states, given.get("attention_mask"))
        decoded = self.decoder(**own)
        return joined(f"{type(self).__name__.removeprefix('TF')}Output", decoded, encoded)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Tensor:
        """The compiled loss of the outputs that the labels are for.

        Where labels are among the inputs (``decoder_lm_labels``), and none beside them, it is the decoder's own.
        """
        if y is None and getattr(y_pred, "_fields", ("",))[0].endswith("loss"):
            return sum(self.losses, start=y_pred[0])
        return super().compute_loss(x, y, y_pred, sample_weight, training)


@keras.saving.register_keras_serializable("tx_core")
class TFModel2Model(SameModel, TFPreTrainedEncoderDecoder):
    """A BERT that encodes and a BERT that decodes, loaded from one checkpoint; afterwards they share nothing."""
