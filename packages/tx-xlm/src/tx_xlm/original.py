"""What XLM's own checkpoints hold beside the weights: the training's parameters and the dictionary.

The authors' code (https://github.com/facebookresearch/XLM) saves ``{"model": {name: tensor}, "params": {…},
"dico_id2word": {…}, "dico_word2id": {…}, "dico_counts": {…}, …}``. ``src/model/transformer.py`` says what the
parameters mean.
"""

from __future__ import annotations

import re
from typing import Any

from tx_core.checkpoints import Arguments, Checkpoint, CheckpointError, Shapes
from tx_core.messages import quoted

from .weights import WEIGHTS


def fields(checkpoint: Checkpoint) -> dict[str, Any]:
    """The fields of an XLMConfig.

    Raises:
        CheckpointError: it is no language model of XLM's, or its parameters are impossible.
    """
    params = checkpoint.note("params")
    params = params if isinstance(params, dict) else {}
    arguments = Arguments(checkpoint.path, params, "its params")
    shapes = Shapes(checkpoint, r"embeddings\.weight")
    if what := WEIGHTS.stranger(checkpoint.names()):
        raise CheckpointError(checkpoint.path, f"this is {what}")
    if not shapes:
        raise CheckpointError(
            checkpoint.path,
            "is no XLM of the authors', which has embeddings.weight, so it holds no configuration: pass config=, or "
            "put a config.json beside it",
        )
    tokens, width = shapes.matrix("embeddings.weight")
    positions, _ = shapes.matrix("position_embeddings.weight")
    layers = shapes.count(r"layer_norm1\.\d+\.weight")
    for name, size in (("n_words", tokens), ("emb_dim", width), ("n_layers", layers)):
        if arguments.count(name, max(size, 1)) != size:
            raise arguments.error(name, f", but the arrays are those of {size}")
    vectors = shapes.matrix("lang_embeddings.weight")[0] if "lang_embeddings.weight" in shapes else None
    languages = arguments.count("n_langs", vectors or 1)
    if vectors is not None and vectors != languages:
        raise arguments.error("n_langs", f", but the arrays are those of {vectors}")
    found = {
        "vocab_size": tokens,
        "emb_dim": width,
        "n_layers": layers,
        "n_heads": arguments.count("n_heads"),
        "dropout": arguments.probability("dropout", 0.1),
        "attention_dropout": arguments.probability("attention_dropout", 0.1),
        "gelu_activation": arguments.flag("gelu_activation", False),
        "sinusoidal_embeddings": arguments.flag("sinusoidal_embeddings", False),
        # A language model reads from left to right; one of masked words does not, even if it was trained for both.
        "causal": bool(arguments.value("clm_steps")) and not arguments.value("mlm_steps"),
        "tie_word_embeddings": arguments.flag("share_inout_emb", True),
        "n_langs": languages,
        "use_lang_emb": languages == 1 or vectors is not None,
        "max_position_embeddings": positions,
        "embed_init_std": float(width**-0.5),
        **{
            name: arguments.index(name, default)
            for name, default in (
                ("bos_index", 0),
                ("eos_index", 1),
                ("pad_index", 2),
                ("unk_index", 3),
                ("mask_index", 5),
            )
        },
        **_languages(arguments, languages),
    }
    if arguments.flag("asm", False):
        found |= {"asm": True, "asm_cutoffs": _cutoffs(arguments), "asm_div_value": arguments.value("asm_div_value")}
    return found


def _languages(arguments: Arguments, count: int) -> dict[str, Any]:
    """The names of the languages; none for a model of one language."""
    names = arguments.value("id2lang")
    if names is None or count == 1:
        return {}
    numbered = isinstance(names, dict) and len(names) == count
    if not numbered or sorted(map(str, names)) != sorted(map(str, range(count))):
        raise arguments.error("id2lang", f", expected the names of {count} languages (n_langs)")
    if not all(isinstance(name, str) for name in names.values()) or len({*names.values()}) < count:
        raise arguments.error("id2lang", ", expected a name of its own for each language")
    id2lang = {int(index): name for index, name in names.items()}
    return {"id2lang": id2lang, "lang2id": {name: index for index, name in id2lang.items()}}


def _cutoffs(arguments: Arguments) -> list[int]:
    given = arguments.value("asm_cutoffs")
    parts = given.split(",") if isinstance(given, str) else given
    if not isinstance(parts, list) or not all(re.fullmatch(r"\d{1,9}", str(part)) for part in parts):
        raise arguments.error("asm_cutoffs", ", expected numbers of words in rising order")
    return [int(part) for part in parts]


def dictionary(checkpoint: Checkpoint) -> dict[str, int] | None:
    """Words as the authors have them, ``th@@`` and ``e``, and their ids; None if the file has no dictionary.

    Raises:
        CheckpointError: it is no list of distinct words.
    """
    words = checkpoint.note("dico_id2word")
    if words is None:
        return None
    if not isinstance(words, dict) or not words or [*words] != [*range(len(words))]:
        raise CheckpointError(checkpoint.path, "its dico_id2word is no list of words by their ids from 0 on")
    found = {word: index for index, word in words.items() if isinstance(word, str)}
    if len(found) < len(words):
        wrong = next(word for index, word in words.items() if not isinstance(word, str) or found[word] != index)
        raise CheckpointError(checkpoint.path, f"its dico_id2word has {quoted(wrong)}, which is no word or there twice")
    return found
