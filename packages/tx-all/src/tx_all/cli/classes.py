"""Which parameters each class of an architecture has, told without a framework: by its weight table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tx_core.architecture import Architecture
    from tx_core.weights import WeightTable

_CROSS = (("*.layer.{i}.crossattention", lambda config: config.has_cross_attention),)
_DOUBLE_HEADS = (("multiple_choice_head", lambda config: config.summary_use_proj),)
_HAS_SUMMARY = ("sequence_summary", lambda config: config.summary_use_proj)

# Model type → (module or parameter, whether a configuration has it); those not named here are always there.
_CONDITIONS: Mapping[str, tuple[tuple[str, Callable[[Any], bool]], ...]] = {
    "bert": _CROSS,
    "roberta": _CROSS,
    "gpt2": _DOUBLE_HEADS,
    "openai-gpt": _DOUBLE_HEADS,
    "xlnet": (_HAS_SUMMARY,),
    "xlm": (
        _HAS_SUMMARY,
        ("transformer.lang_embeddings", lambda config: config.has_lang_embeddings),
        ("pred_layer.proj.weight", lambda config: not config.asm),
        ("pred_layer.proj.bias", lambda config: not config.asm),
        ("pred_layer.proj.head", lambda config: config.asm),
        ("pred_layer.proj.tail", lambda config: config.asm),
    ),
    "transfo-xl": (
        ("transformer.r_w_bias", lambda config: not config.untie_r),
        ("transformer.r_r_bias", lambda config: not config.untie_r),
        ("crit.cluster_weight", lambda config: len(config.cutoffs) > 0),
        ("crit.cluster_bias", lambda config: len(config.cutoffs) > 0),
    ),
}


def _layers(config: Any) -> int:
    return int(config.num_hidden_layers)


def _words_in_clusters(config: Any) -> int:
    return len(config.cutoffs) + 1 if config.div_val > 1 else 1


def _is_projected(config: Any) -> bool:
    return bool(config.div_val > 1 or config.d_embed != config.d_model)


# Module → how many there are, where it is not one for each layer.
_COUNTS: Mapping[str, Callable[[Any], int]] = {
    "pred_layer.proj.tail": lambda config: len(config.asm_cutoffs),
    "transformer.word_emb.emb_layers": _words_in_clusters,
    "transformer.word_emb.emb_projs": lambda config: _words_in_clusters(config) if _is_projected(config) else 0,
    "crit.out_layers": _words_in_clusters,
    "crit.out_projs": lambda config: len(config.cutoffs) + 1 if _is_projected(config) else 0,
}


def _within(name: str, modules: tuple[str, ...]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def in_head(name: str, table: WeightTable) -> bool:
    """Whether a published name is of a head, and not of the bare model."""
    return not name.startswith(f"{table.prefix}.")


def class_names(architecture: Architecture) -> dict[str, str]:
    """The PyTorch classes of an architecture → what follows its name in them; those of Keras have TF in front."""
    return {f"{architecture.name}{end}": end for end in dict.fromkeys(architecture.tasks.values())}


def parameters(
    architecture: Architecture, end: str, config: Any, table: WeightTable
) -> tuple[list[str], dict[str, str]]:
    """The published names of a class's parameters, tied ones once; and alias → parameter of what is tied in it.

    Args:
        architecture: its record.
        end: what the class is called behind the architecture's name, ``ForMaskedLM``.
        config: the model's configuration.
        table: the architecture's weight table.

    Raises:
        KeyError: the table does not tell the head of the class.
    """
    head = table.heads[end]
    own = [row.name for row in table.rows if not in_head(row.name, table) or _within(row.name, head)]
    aliases = [
        alias
        for alias in table.aliases()
        if _within(alias, head) and not (alias == "pred_layer.proj.weight" and config.asm)
    ]
    # An alias of a matrix is a parameter of its own where nothing is tied; the bias beside it never is.
    own += [alias for alias in aliases if alias.endswith(".weight") and not config.tie_word_embeddings]
    names = list(
        dict.fromkeys(name for template in own for name in _expanded(architecture.model_type, template, config))
    )
    tied = table.ties(config, bool(aliases), lambda: set(names))
    return [name for name in names if name not in tied], tied


def _expanded(model_type: str, template: str, config: Any) -> Iterator[str]:
    """The names that a template of the table stands for in a model of this configuration."""
    for module, condition in _CONDITIONS.get(model_type, ()):
        if re.match(re.escape(module).replace(r"\*", ".*") + r"(\.|$)", template) and not condition(config):
            return
    number = re.search(r"\{\w\}", template)
    if number is None:
        yield template
        return
    count = _COUNTS.get(template[: number.start()].rstrip("."), _layers)
    for i in range(count(config)):
        yield template.replace(number[0], str(i))
