"""An encoder and a decoder as one model, in PyTorch. Mirrored by ``encoder_decoder_tf``.

Shapes: B batch, K the encoder's sequence, S the decoder's, H hidden size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from .encoder_decoder import EncoderDecoder, SameModel, check_parts, cross_attended, joined, routed
from .heads_torch import Head


class PreTrainedEncoderDecoder(EncoderDecoder, nn.Module):
    """An encoder, and a decoder that attends to its states: of any architecture, and of any that can decode.

    See Rothe et al. 2020, https://arxiv.org/abs/1907.12461.

    Args:
        encoder: a bare model, whose first output is its states (B, K, H).
        decoder: a model built with ``is_decoder=True``, of the same hidden size, usually with a language model head.

    Raises:
        ValueError: if the encoder is a decoder, the decoder is none that attends to an encoder, or their widths differ.
    """

    _loaders: ClassVar[Mapping[str, str]] = {"encoder": "AutoModel", "decoder": "AutoModelWithLMHead"}

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        check_parts(type(self).__name__, encoder, decoder)
        self.encoder = encoder
        self.decoder = decoder

    def _loaded(self) -> None:
        self.eval()

    @property
    def _ddp_params_and_buffers_to_ignore(self) -> list[str]:
        """What DistributedDataParallel does not wait for: parameters that no loss of the decoder gives a gradient."""
        ignored = [f"decoder.{name}" for name in getattr(self.decoder, "_ddp_params_and_buffers_to_ignore", ())]
        # Of the encoder, too, the states alone are read.
        same = isinstance(self.decoder, Head) and isinstance(self.encoder, self.decoder.bare)
        unread = tuple(f"encoder.{name}." for name in self.decoder.unread) if same else ()
        return ignored + [name for name, _ in self.named_parameters() if name.startswith(unread)]

    def forward(
        self, encoder_input_ids: Tensor | None = None, decoder_input_ids: Tensor | None = None, **kwargs: Any
    ) -> tuple[Any, ...]:
        """Encode one batch, and decode another that attends to it.

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
        given = routed(kwargs, "encoder")
        states = given.pop("hidden_states", None)
        encoded: tuple[Any, ...] = ()
        if states is None:
            encoded = self.encoder(encoder_input_ids, **given)
            states = encoded[0]  # (B, K, H)
        own = cross_attended(routed(kwargs, "decoder"), states, given.get("attention_mask"))
        decoded = self.decoder(decoder_input_ids, **own)
        return joined(f"{type(self).__name__}Output", decoded, encoded)


class Model2Model(SameModel, PreTrainedEncoderDecoder):
    """A BERT that encodes and a BERT that decodes, loaded from one checkpoint; afterwards they share nothing."""
