"""The configuration of Transformer-XL (Dai et al. 2019, https://arxiv.org/abs/1901.02860)."""

from __future__ import annotations

from dataclasses import dataclass, field

from tx_core.config import PretrainedConfig, check_choice, check_not_negative, check_positive, check_probability

from .architecture import ARCHITECTURE
from .common import check_cutoffs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tx_core.checkpoints import Checkpoint


@dataclass(init=False, eq=False, repr=False)
class TransfoXLConfig(PretrainedConfig, architecture=ARCHITECTURE):
    """The sizes and choices of a Transformer-XL model; the defaults are those of transfo-xl-wt103.

    Attributes:
        vocab_size: number of words, the most frequent ones first.
        cutoffs: the first ids of the clusters that the less frequent words are cut into, in rising order; none for one
            softmax over all words.
        d_model: width of the hidden states, an even number.
        d_embed: width of the vectors of the most frequent words.
        n_head: attention heads of a layer.
        d_head: width of a head.
        d_inner: width of the feed-forward layers.
        div_val: by how much each cluster's vectors are narrower than those of the one before. With 1 all words are in
            one table, as wide as `d_embed`.
        pre_lnorm: whether a layer normalises what its parts read, rather than their sums.
        n_layer: number of layers.
        tgt_len: the length of the segments that it was trained with; without effect.
        ext_len: how many tokens at the end of a segment are left out of the memory, for segments that overlap by so
            many.
        mem_len: how many states of each layer are kept as `mems` for the next segment; 0 for none.
        clamp_len: the largest distance that is told from larger ones; none if it is not positive.
        same_length: whether a token attends to just `mem_len` places, itself among them, as in the authors' evaluation;
            without effect if `mem_len` is 0.
        proj_share_all_but_first: which projections of the softmax are the embeddings', where `tie_projs` does not say:
            all but the most frequent words', or none.
        tie_projs: for the most frequent words and each cluster, whether the projection is the embeddings'.
        attn_type: 0, the authors' relative attention, which is the only one supported.
        sample_softmax: not positive: a softmax over a sample of the words is not supported.
        adaptive: in files of 2019; without effect, an adaptive softmax is one with `cutoffs`.
        dropout: dropout of hidden states and of the encodings of distances.
        dropatt: dropout of attention probabilities.
        untie_r: whether each layer has biases of its own for contents and distances, rather than all layers the same.
        init: how new weights are distributed, `normal` or `uniform`.
        init_range: with `uniform`, their largest size.
        proj_init_std: standard deviation of new projections of embeddings.
        init_std: with `normal`, the standard deviation of new weights; with both, of normalisations around 1.
        layer_norm_epsilon: added to variances in layer normalisation.
        bos_token_id, eos_token_id, pad_token_id: the tokens that begin, end and pad a text, for `generate`.

    Raises:
        ValueError: a value is impossible; the message names it.
    """

    aliases = {  # noqa: RUF012 - an annotation would make it a field
        "hidden_size": "d_model",
        "initializer_range": "init_std",
        "n_token": "vocab_size",
        "num_attention_heads": "n_head",
        "num_hidden_layers": "n_layer",
        "tie_weight": "tie_word_embeddings",
    }

    checkpoint_names = ("model.pt",)

    vocab_size: int = 267735
    cutoffs: list[int] = field(default_factory=lambda: [20000, 40000, 200000])
    d_model: int = 1024
    d_embed: int = 1024
    n_head: int = 16
    d_head: int = 64
    d_inner: int = 4096
    div_val: int = 4
    pre_lnorm: bool = False
    n_layer: int = 18
    tgt_len: int = 128
    ext_len: int = 0
    mem_len: int = 1600
    clamp_len: int = 1000
    same_length: bool = True
    proj_share_all_but_first: bool = True
    tie_projs: list[bool] | None = None
    attn_type: int = 0
    sample_softmax: int = -1
    adaptive: bool = True
    dropout: float = 0.1
    dropatt: float = 0.0
    untie_r: bool = True
    init: str = "normal"
    init_range: float = 0.01
    proj_init_std: float = 0.01
    init_std: float = 0.02
    layer_norm_epsilon: float = 1e-5
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = 0
    pad_token_id: int | None = None

    @property
    def max_position_embeddings(self) -> int:
        """As in 2019, how many tokens take part in a call: a segment, what overlaps, and the memory. It is no limit."""
        return self.tgt_len + self.ext_len + self.mem_len

    @property
    def longest_sequence(self) -> int | None:
        """None: there is none."""
        return None

    @property
    def tied_projections(self) -> list[bool]:
        """For the most frequent words and each cluster, whether the softmax's projection is the embeddings'."""
        if self.tie_projs is not None:
            return self.tie_projs
        return [False] + [self.proj_share_all_but_first] * len(self.cutoffs)

    def _read(self, values: Mapping[str, Any]) -> None:
        from .original import MARKS, flags

        super()._read(flags(values) if any(mark in values for mark in MARKS) else values)

    def _values_of(self, checkpoint: Checkpoint) -> dict[str, Any]:
        from .original import fields

        return fields(checkpoint)

    def validate(self) -> None:
        """Check each value by itself (see `PretrainedConfig.validate`)."""
        super().validate()
        sizes = ("vocab_size", "d_model", "d_embed", "n_head", "d_head", "d_inner", "div_val", "n_layer")
        check_positive(self, *sizes)
        check_not_negative(self, "tgt_len", "ext_len", "mem_len")
        check_probability(self, "dropout", "dropatt")
        check_not_negative(self, "init_range", "proj_init_std", "init_std", "layer_norm_epsilon")
        check_choice(self, "init", ("normal", "uniform"))
        if self.attn_type != 0:
            raise ValueError(
                f"attn_type is {self.attn_type}, but only 0 is supported, relative attention to sinusoidal encodings: "
                "no model with learnt or absolute ones was published"
            )
        if self.sample_softmax > 0:
            raise ValueError(
                f"sample_softmax is {self.sample_softmax}, but a softmax over a sample of the words is not supported: "
                "its losses are estimates, and no model trained with it was published. Leave it at -1: with cutoffs, "
                "the adaptive softmax makes large vocabularies cheap, and exact"
            )

    def validate_relations(self) -> None:
        """Check the values against each other (see `PretrainedConfig.validate_relations`)."""
        super().validate_relations()
        if self.pruned_heads:
            raise ValueError(
                f"pruned_heads is {self.pruned_heads}, but the heads of Transformer-XL cannot be removed: leave it "
                "empty, and give calls a head_mask"
            )
        if self.d_model % 2:
            raise ValueError(f"d_model is {self.d_model}, but must be even: half of it is for sines, half for cosines")
        check_cutoffs(self.vocab_size, self.cutoffs)
        if self.d_embed // self.div_val ** len(self.cutoffs) < 1:
            raise ValueError(
                f"with a div_val of {self.div_val} the vectors of the last of {len(self.cutoffs)} clusters would have "
                f"no number left of d_embed, {self.d_embed}: lower div_val, or have fewer cutoffs"
            )
        if len(self.tied_projections) != len(self.cutoffs) + 1:
            raise ValueError(
                f"tie_projs is {self.tie_projs}, expected {len(self.cutoffs) + 1} values, one for the most frequent "
                f"words and one for each of cutoffs, {self.cutoffs}; None for what proj_share_all_but_first says"
            )
