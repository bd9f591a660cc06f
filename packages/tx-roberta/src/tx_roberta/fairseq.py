"""The configuration that fairseq's own checkpoints hold: the arguments of the training, and the sizes of the arrays.

fairseq (https://github.com/facebookresearch/fairseq) saves ``{"args": Namespace, "model": {name: tensor}, …}``, later
``{"cfg": {"model": …}, …}``. ``models/roberta/model.py`` says what the arguments mean.
"""

from __future__ import annotations

from typing import Any

from tx_core.checkpoints import Arguments, Checkpoint, CheckpointError, Shapes
from tx_core.messages import quoted

from .weights import WEIGHTS

_ENCODER = r"(?:de|en)coder\.sentence_encoder\."
# Symbols that fairseq's dictionaries begin with; the second one is padding.
_PADDING = 1
# fairseq's "gelu" is the exact one.
_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_accurate": "gelu_new",
    "gelu_fast": "gelu_new",
    "linear": "linear",
    "relu": "relu",
    "swish": "swish",
    "tanh": "tanh",
}


def fields(checkpoint: Checkpoint) -> dict[str, Any]:
    """The fields of a RobertaConfig.

    Raises:
        CheckpointError: it is no RoBERTa of fairseq's, or has other layers than RoBERTa's.
    """
    arguments = _arguments(checkpoint)
    shapes = Shapes(checkpoint, rf"{_ENCODER}embed_tokens\.weight")
    if what := WEIGHTS.stranger(checkpoint.names()):
        raise CheckpointError(checkpoint.path, f"this is {what}")
    if not shapes:
        kind = arguments.value("arch") or arguments.value("_name")
        raise CheckpointError(
            checkpoint.path,
            "is no RoBERTa of fairseq's, which has encoder.sentence_encoder.embed_tokens"
            + ("" if kind is None else f" (its architecture is {quoted(kind)})")
            + ", so it holds no configuration: pass config=, or put a config.json beside it",
        )
    tokens, width = shapes.matrix("sentence_encoder.embed_tokens.weight")
    positions, _ = shapes.matrix("sentence_encoder.embed_positions.weight")
    layers = shapes.count(rf"{_ENCODER}layers\.\d+\.fc1\.weight")
    inner, _ = shapes.matrix("sentence_encoder.layers.0.fc1.weight")
    for name, size in (
        ("encoder_layers", layers),
        ("encoder_embed_dim", width),
        ("encoder_ffn_embed_dim", inner),
        ("max_positions", positions - _PADDING - 1),
    ):
        if arguments.count(name, max(size, 1)) != size:
            raise arguments.error(name, f", but the arrays are those of {size}")
    found = {
        "vocab_size": tokens,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": arguments.count("encoder_attention_heads"),
        "intermediate_size": inner,
        "max_position_embeddings": positions,
        "type_vocab_size": 1,
        "hidden_act": _ACTIVATIONS[arguments.choice("activation_fn", [*_ACTIVATIONS], "gelu")],
        "hidden_dropout_prob": arguments.probability("dropout", 0.1),
        "attention_probs_dropout_prob": arguments.probability("attention_dropout", 0.1),
        "classifier_dropout": arguments.probability("pooler_dropout", 0.0),
        "layer_norm_eps": 1e-5,
        "tie_word_embeddings": not arguments.flag("untie_weights_roberta", False),
        "pad_token_id": _PADDING,
    }
    heads = shapes.named(r"classification_heads\..+\.out_proj\.weight")
    if heads:
        arguments.choice("pooler_activation_fn", ["tanh"], "tanh")
    if len(heads) == 1 and heads[0]:
        found["num_labels"] = heads[0][0]
    return found


def _arguments(checkpoint: Checkpoint) -> Arguments:
    args, config = checkpoint.note("args"), checkpoint.note("cfg")
    if isinstance(args, dict):
        return Arguments(checkpoint.path, args, "its args")
    model = config.get("model") if isinstance(config, dict) else None
    return Arguments(checkpoint.path, model if isinstance(model, dict) else {}, "its cfg.model")
