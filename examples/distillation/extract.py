#!/usr/bin/env python3
"""Makes a student of some layers of a trained model, its teacher: what a distillation begins with.

    python examples/distillation/extract.py --model_type bert --model_name bert-base-uncased --vocab_transform \\
        --dump_checkpoint student
    python examples/distillation/extract.py --model_type gpt2 --model_name gpt2 --dump_checkpoint student

The student of a BERT is a DistilBERT, that of any other model the same with fewer layers, as a shorter BERT is with
--student_type bert. It has the teacher's embeddings and, if it is of the same type, the teacher's head. Of twelve
layers it gets 0, 2, 4, 7, 9 and 11, of another number every second one; --layers 0,3,5 names others. A DistilBERT has
no segments: each of its positions begins with the sum of the teacher's position and first segment. The folder of
--dump_checkpoint has its configuration, weights and tokenizer, for from_pretrained and --student_pretrained_weights.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from tx_core import AutoConfig
from tx_core.architecture import Task, find, load
from tx_core.files import saving

OF_TWELVE = (0, 2, 4, 7, 9, 11)
# What BERT's fields and parameters are called in DistilBERT.
FIELDS = {
    "vocab_size": "vocab_size",
    "max_position_embeddings": "max_position_embeddings",
    "num_attention_heads": "n_heads",
    "hidden_size": "dim",
    "intermediate_size": "hidden_dim",
    "hidden_dropout_prob": "dropout",
    "attention_probs_dropout_prob": "attention_dropout",
    "hidden_act": "activation",
    "initializer_range": "initializer_range",
    "pad_token_id": "pad_token_id",
    "tie_word_embeddings": "tie_word_embeddings",
}
NAMES = {
    "bert.encoder.": "distilbert.transformer.",
    "bert.embeddings.": "distilbert.embeddings.",
    "attention.self.query.": "attention.q_lin.",
    "attention.self.key.": "attention.k_lin.",
    "attention.self.value.": "attention.v_lin.",
    "attention.output.dense.": "attention.out_lin.",
    "attention.output.LayerNorm.": "sa_layer_norm.",
    "intermediate.dense.": "ffn.lin1.",
    ".output.dense.": ".ffn.lin2.",
    ".output.LayerNorm.": ".output_layer_norm.",
    "cls.predictions.transform.dense.": "vocab_transform.",
    "cls.predictions.transform.LayerNorm.": "vocab_layer_norm.",
    "cls.predictions.decoder.weight": "vocab_projector.weight",
    "cls.predictions.bias": "vocab_projector.bias",
}
# What a BERT has that a DistilBERT, or its masked language model, does not.
LEFT_OUT = ("bert.pooler.", "bert.embeddings.token_type_embeddings.", "cls.seq_relationship.", "classifier.",
            "qa_outputs.")  # fmt: skip


def default_layers(count: int) -> tuple[int, ...]:
    """The layers that a student begins with, of a teacher that has so many."""
    return OF_TWELVE if count == 12 else tuple(range(0, count, 2))


def check_layers(layers: Sequence[int], count: int) -> None:
    """Raises ValueError if a teacher with so many layers does not have these, in this order, once each."""
    if not layers or [*layers] != sorted({*layers}) or layers[0] < 0 or layers[-1] >= count:
        given = ",".join(map(str, layers))
        raise ValueError(f"--layers {given}: the teacher has the layers 0 to {count - 1}; name some, in their order")


def shorter(teacher: Any, layers: Sequence[int]) -> Any:
    """The same model with some of its layers only; what changes one does not change the other."""
    config = type(teacher.config).from_dict(teacher.config.to_dict())
    check_layers(layers, config.num_hidden_layers)
    pruned = teacher.config.pruned_heads
    config.pruned_heads = {place: pruned[layer] for place, layer in enumerate(layers) if layer in pruned}
    config.num_hidden_layers = len(layers)
    at = re.compile(rf"((?:^|\.){re.escape(teacher.base_model.layers_at)}\.)(\d+)(?=\.)")
    weights = {}
    for name, value in teacher.state_dict().items():
        found = at.search(name)
        if found and int(found[2]) not in layers:
            continue
        if found:
            name = at.sub(lambda match: f"{match[1]}{layers.index(int(match[2]))}", name)
        weights[name] = value.clone()
    return type(teacher).from_pretrained(None, config=config, state_dict=weights)


def distilbert(teacher: Any, layers: Sequence[int], vocab_transform: bool = False) -> Any:
    """A DistilBERT of some layers of a BERT; what changes one does not change the other.

    Args:
        teacher: with any head, or without one.
        layers: their numbers, from 0.
        vocab_transform: make a masked language model, with the head of the teacher, which has to be one; otherwise the
            bare model is made.

    Raises:
        ValueError: if the teacher has no such layers, or no such head, or what DistilBERT cannot be.
    """
    short = shorter(teacher, layers)
    kinds: dict[Task, str] = find("distilbert").torch
    config: Any = load(find("distilbert").config)
    if short.config.is_decoder or short.config.pruned_heads:
        raise ValueError("a DistilBERT reads in both directions, with all its heads: the teacher is another model")
    if vocab_transform and not hasattr(short, "cls"):
        raise ValueError(f"--vocab_transform: {type(short).__name__} has no head that predicts words")
    fields = {own: getattr(short.config, name) for name, own in FIELDS.items()}
    known: Mapping[str, Tensor] = {
        (name if hasattr(short, "bert") else f"bert.{name}"): value for name, value in short.state_dict().items()
    }
    weights: dict[str, Tensor] = {}
    for name, value in known.items():
        own = name
        for theirs, ours in NAMES.items():
            own = own.replace(theirs, ours)
        if not name.startswith(LEFT_OUT) and (vocab_transform or own.startswith("distilbert.")):
            weights[own] = value
    segment = known["bert.embeddings.token_type_embeddings.weight"][0]
    weights["distilbert.embeddings.position_embeddings.weight"] += segment
    made: Any = load(kinds[Task.MASKED_LM if vocab_transform else Task.BASE])
    return made.from_pretrained(None, config=config(n_layers=len(layers), **fields), state_dict=weights)


def numbers(text: str) -> list[int]:
    """Of "0,3,5"."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"numbers such as 0,3,5 are wanted, not {text!r}") from None


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--model_type", metavar="TYPE", help="of the teacher: bert, roberta, gpt2, …; by default what its files say")
    add("--model_name", required=True, metavar="MODEL", help="the teacher: a folder, or a name on the hub")
    add("--student_type", metavar="TYPE", help="distilbert, or the teacher's own type (distilbert for a bert)")
    add("--layers", type=numbers, metavar="N,N", help="layers, from 0")
    add("--vocab_transform", action="store_true", help="a DistilBERT gets the head that predicts words, too")
    add("--dump_checkpoint", type=Path, required=True, metavar="FOLDER", help="for the student")
    options = parser.parse_args(arguments)
    if options.dump_checkpoint.exists() and (
        not options.dump_checkpoint.is_dir() or any(options.dump_checkpoint.iterdir())
    ):
        parser.error(f"--dump_checkpoint: {options.dump_checkpoint} is there already: choose another folder")
    return options


def main(arguments: list[str] | None = None) -> None:
    """Writes the student."""
    options = parse(arguments)
    name = options.model_name
    config_class: Any = load(find(options.model_type).config) if options.model_type else AutoConfig
    config = config_class.from_pretrained(name)
    record = find(config.model_type)
    kind = record.model_type
    wanted = options.student_type or ("distilbert" if kind == "bert" else kind)
    converted = (kind, wanted) == ("bert", "distilbert")
    if not converted and wanted != kind:
        raise ValueError(f"--student_type {wanted}: the student of a {kind} is another, or of a bert a distilbert")
    if options.vocab_transform and not converted:
        raise ValueError(f"--vocab_transform is for a distilbert: a {wanted} has the teacher's head in any case")
    # The class that wrote the teacher, so that a head is kept.
    classes = {dotted.rpartition(":")[2]: dotted for dotted in record.torch.values()}
    teacher_class: Any = load(classes.get((config.architectures or [""])[0], record.torch[Task.BASE]))
    teacher = teacher_class.from_pretrained(name, config=config)
    layers = options.layers or default_layers(config.num_hidden_layers)
    student = distilbert(teacher, layers, options.vocab_transform) if converted else shorter(teacher, layers)
    tokenizer_class: Any = load(find(wanted).tokenizer)
    tokenizer = tokenizer_class.from_pretrained(name)
    options.dump_checkpoint.mkdir(parents=True, exist_ok=True)
    with saving(options.dump_checkpoint):
        student.save_pretrained(options.dump_checkpoint)
        tokenizer.save_pretrained(options.dump_checkpoint)
    size, whole = (sum(each.numel() for each in model.parameters()) for model in (student, teacher))
    print(f"{type(student).__name__} of the layers {', '.join(map(str, layers))}: {size:,} parameters of {whole:,}")


if __name__ == "__main__":
    main()
