"""The configuration of XLM (Lample & Conneau 2019, https://arxiv.org/abs/1901.07291)."""

from __future__ import annotations

from dataclasses import dataclass, field

from tx_core.config import (
    PretrainedConfig,
    check_divisible,
    check_not_negative,
    check_positive,
    check_probability,
    check_summary,
)

from .architecture import ARCHITECTURE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tx_core.checkpoints import Checkpoint


@dataclass(init=False, eq=False, repr=False)
class XLMConfig(PretrainedConfig, architecture=ARCHITECTURE):
    """The sizes and choices of an XLM model; the defaults are those of xlm-mlm-en-2048.

    Attributes:
        vocab_size: number of tokens.
        emb_dim: width of the hidden states, divisible by `n_heads`; that of the feed-forward layers is four times it.
        n_layers: number of layers.
        n_heads: attention heads of a layer.
        dropout: dropout of hidden states.
        attention_dropout: dropout of attention probabilities.
        gelu_activation: whether the activation function is "gelu"; otherwise it is "relu".
        sinusoidal_embeddings: whether positions are sines and cosines, which nobody learns.
        causal: whether attention is to earlier positions only, as in a language model (CLM) that generates text.
        asm: whether the vocabulary is scored by an adaptive softmax (Grave et al. 2016).
        asm_cutoffs: there, the first ids of the less frequent words' clusters, in rising order.
        asm_div_value: there, by how much each cluster's vectors are narrower than those of the one before.
        n_langs: number of languages.
        use_lang_emb: whether a model of several languages adds the vector of its language to each token's.
        max_position_embeddings: longest sequence.
        embed_init_std: standard deviation of new embeddings.
        layer_norm_eps: added to variances in layer normalisation.
        init_std: standard deviation of other new weights.
        bos_index, eos_index, unk_index, mask_index: tokens; the model does not read them.
        pad_index: the token that is padding where a call has neither an `attention_mask` nor `lengths`. In PyTorch its
            embedding gets no gradient.
        is_encoder: True, the only one supported.
        summary_type, summary_use_proj, summary_activation, summary_proj_to_labels, summary_first_dropout: how a
            sequence is scored, see `tx_core.models.layers_torch.SequenceSummary`.
        start_n_top, end_n_top: how many starts of an answer, and ends for each, question answering keeps.
        mask_token_id: the token that stands for a masked one, for programs that predict it.
        lang_id: the language of text that `generate` is not told the language of.
        id2lang, lang2id: names of the languages.
        bos_token_id, eos_token_id, pad_token_id: the tokens that begin, end and pad a text, for `generate`.

    Raises:
        ValueError: a value is impossible; the message names it.
    """

    aliases = {  # noqa: RUF012 - an annotation would make it a field
        "hidden_size": "emb_dim",
        "initializer_range": "init_std",
        "num_attention_heads": "n_heads",
        "num_hidden_layers": "n_layers",
        "n_words": "vocab_size",
        "use_proj": "summary_use_proj",
    }
    unread = ("n_special",)

    checkpoint_names = (
        *("mlm_en_2048.pth", "mlm_ende_1024.pth", "mlm_enfr_1024.pth", "mlm_enro_1024.pth", "mlm_tlm_xnli15_1024.pth"),
        *("mlm_xnli15_1024.pth", "clm_enfr_1024.pth", "clm_ende_1024.pth", "mlm_17_1280.pth", "mlm_100_1280.pth"),
        *("best-valid_mlm_ppl.pth", "checkpoint.pth"),
    )

    vocab_size: int = 30145
    emb_dim: int = 2048
    n_layers: int = 12
    n_heads: int = 16
    dropout: float = 0.1
    attention_dropout: float = 0.1
    gelu_activation: bool = True
    sinusoidal_embeddings: bool = False
    causal: bool = False
    asm: bool = False
    asm_cutoffs: list[int] = field(default_factory=lambda: [8000, 20000])
    asm_div_value: float = 4.0
    n_langs: int = 1
    use_lang_emb: bool = True
    max_position_embeddings: int = 512
    embed_init_std: float = 2048**-0.5
    layer_norm_eps: float = 1e-12
    init_std: float = 0.02
    bos_index: int = 0
    eos_index: int = 1
    pad_index: int = 2
    unk_index: int = 3
    mask_index: int = 5
    is_encoder: bool = True
    summary_type: str = "first"
    summary_use_proj: bool = True
    summary_activation: str | None = None
    summary_proj_to_labels: bool = True
    summary_first_dropout: float = 0.1
    start_n_top: int = 5
    end_n_top: int = 5
    mask_token_id: int = 0
    lang_id: int = 0
    id2lang: dict[int, str] | None = None
    lang2id: dict[str, int] | None = None
    bos_token_id: int | None = 0
    eos_token_id: int | list[int] | None = None
    pad_token_id: int | None = 2

    @property
    def has_lang_embeddings(self) -> bool:
        """Whether the model adds a vector for the language of each token."""
        return self.n_langs > 1 and self.use_lang_emb

    @property
    def summary_width(self) -> int:
        """How many numbers a summary of a sequence has."""
        return self.num_labels if self.summary_use_proj and self.summary_proj_to_labels else self.emb_dim

    def _values_of(self, checkpoint: Checkpoint) -> dict[str, Any]:
        from .original import fields

        return fields(checkpoint)

    def validate(self) -> None:
        """Check each value by itself (see `PretrainedConfig.validate`)."""
        super().validate()
        sizes = ("vocab_size", "emb_dim", "n_layers", "n_heads", "n_langs", "max_position_embeddings")
        check_positive(self, *sizes, "start_n_top", "end_n_top")
        check_probability(self, "dropout", "attention_dropout")
        check_not_negative(self, "embed_init_std", "init_std", "layer_norm_eps", "pad_index", "lang_id")
        check_summary(self)
        if not self.is_encoder:
            raise ValueError(
                "is_encoder is False, but the decoder of XLM's translation models, with its attention to an encoder, "
                "is not supported: no model of this kind was published in this format"
            )
        if self.asm_div_value <= 0:
            raise ValueError(f"asm_div_value is {self.asm_div_value}, expected a number above 0")

    def validate_relations(self) -> None:
        """Check the values against each other (see `PretrainedConfig.validate_relations`)."""
        super().validate_relations()
        check_divisible(self, "emb_dim", "n_heads")
        if self.pad_index >= self.vocab_size:
            raise ValueError(f"pad_index is {self.pad_index}, but vocab_size is {self.vocab_size}")
        if self.sinusoidal_embeddings and self.emb_dim % 2:
            raise ValueError(f"emb_dim is {self.emb_dim}, but must be even: half of it is for sines, half for cosines")
        if self.asm:
            bounds = [0, *self.asm_cutoffs, self.vocab_size]
            if len(bounds) < 3 or bounds != sorted({*bounds}):
                raise ValueError(
                    f"asm_cutoffs is {self.asm_cutoffs}, expected at least one id in rising order, each from 1 to "
                    f"{self.vocab_size - 1} (vocab_size is {self.vocab_size})"
                )
