"""What is converted: where its weights are, of which architecture they are, and what lies beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tx_core.architecture import Architecture, find, installed, load
from tx_core.checkpoints import Checkpoint, open_checkpoint
from tx_core.checkpoints.tf1 import STATE_FILE
from tx_core.config import read_config
from tx_core.config_files import find_beside
from tx_core.files import CONFIG_NAME, Source
from tx_core.models.pretrained import weight_files
from tx_core.weights import Weights, WeightTable

if TYPE_CHECKING:
    from tx_core.config import PretrainedConfig

_TOKENIZER_FILES = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.json")


@dataclass(frozen=True)
class Opened:
    """A checkpoint, open, and what it is of.

    Attributes:
        path: the file that it was opened by.
        weights: it seen through the table; to be closed.
        format: its format.
        is_bare: whether its names are those of a bare model, without the architecture's prefix.
        tokenizer_files: the files of the tokenizer beside it.
    """

    path: Path
    architecture: Architecture
    table: WeightTable
    config: PretrainedConfig
    weights: Weights
    format: str
    is_bare: bool
    tokenizer_files: tuple[Path, ...]


def open_source(source: Path, model_type: str | None) -> Opened:
    """Find out what lies at a path, and open it.

    Raises:
        FileNotFoundError: nothing is there, or no weights, or no configuration.
        CheckpointError: the weights are damaged or dishonest.
        ValueError: the architecture cannot be told, or the configuration makes no model.
        ImportError: the architecture's package is not installed.
    """
    told = model_type or _told(source)
    known = [find(told)] if told is not None else [find(each) for each in installed()]
    path = _find_weights(source, [_table(each) for each in known])
    checkpoint = open_checkpoint(path)
    try:
        architecture = known[0] if told is not None else _recognise(path, checkpoint, known)
        table = _table(architecture)
        config_class: Any = load(architecture.config)
        where = find_beside(config_class, path, Source(local_files_only=True))
        config: PretrainedConfig = config_class.from_pretrained(where)
        try:
            config.validate_relations()
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        weights = Weights(checkpoint, table, source=str(path))
        names = [name[len(weights.prefix) :] for name in checkpoint.names() if name.startswith(weights.prefix)]
        is_bare = weights.spelling == "published" and not any(name.startswith(f"{table.prefix}.") for name in names)
        beside = _tokenizer_files(architecture, path)
    except BaseException:
        checkpoint.close()
        raise
    return Opened(path, architecture, table, config, weights, checkpoint.format, is_bare, beside)


def folder_of(source: Path) -> Path:
    """The folder that a path is, or that the file or prefix at it lies in."""
    return source if source.is_dir() else source.parent


def _table(architecture: Architecture) -> WeightTable:
    table = load(architecture.weights)
    assert isinstance(table, WeightTable)
    return table


def _told(source: Path) -> str | None:
    """The model type that ``config.json`` tells; None if there is none, or it tells none."""
    path = folder_of(source) / CONFIG_NAME
    found = read_config(path).get("model_type") if path.is_file() else None
    return None if found is None else str(found)


def _find_weights(source: Path, tables: Sequence[WeightTable]) -> Path:
    prefix = Path(f"{source}.index")
    if prefix.is_file():
        return prefix
    if source.is_file():
        return source
    if not source.is_dir():
        raise FileNotFoundError(f"{str(source)!r} is no folder, no file, and no prefix of a TensorFlow 1 checkpoint")
    names = dict.fromkeys(name for table in tables for name in weight_files(table, "safe", "torch", "tf"))
    names[STATE_FILE] = None
    found = next((source / name for name in names if (source / name).is_file()), None)
    if found is None:
        raise FileNotFoundError(
            f"{str(source)!r} holds no weights: none of {', '.join(names)} is there; name the file itself"
        )
    return found


def _recognise(path: Path, checkpoint: Checkpoint, known: Sequence[Architecture]) -> Architecture:
    """The architecture whose table knows all names of a checkpoint.

    Of several it is the one that ``architectures`` of the configuration names, or that has a file of its authors'
    beside the weights.
    """
    fitting = [each for each in known if _fits(Weights(checkpoint, _table(each)), _table(each))]
    if len(fitting) > 1:
        fitting = [each for each in fitting if _is_named(each, path.parent)] or fitting
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(each.model_type for each in fitting or known)
    what = "the names in the file fit several" if fitting else "no installed architecture knows all names in the file"
    raise ValueError(
        f"{path}: the architecture cannot be told, since {CONFIG_NAME} beside it has no model_type, and {what} "
        f"({listed}): pass model_type"
    )


def _fits(weights: Weights, table: WeightTable) -> bool:
    """Whether a table knows all names, of which some are of layers: short names alone may be of anything."""
    layer = re.compile(re.escape(f"{table.prefix}.") + r".*\.\d+(\..*)?")
    known = any(map(layer.fullmatch, weights.names()))
    return known and not weights.unexpected and not weights.misfits


def _is_named(architecture: Architecture, folder: Path) -> bool:
    config_class: Any = load(architecture.config)
    if any((folder / name).is_file() for name in config_class.file_names if name != CONFIG_NAME):
        return True
    path = folder / CONFIG_NAME
    values: Mapping[str, Any] = read_config(path) if path.is_file() else {}
    written = values.get("architectures")
    own = {architecture.name + end for end in architecture.tasks.values()}
    return isinstance(written, list) and any(str(name).removeprefix("TF") in own for name in written)


def _tokenizer_files(architecture: Architecture, weights: Path) -> tuple[Path, ...]:
    tokenizer: Any = load(architecture.tokenizer)
    own = [*tokenizer.vocab_files_names.values()]
    for names in (*tokenizer.original_files_names.values(), *tokenizer.pretrained_vocab_files_map.values()):
        own += [url.rpartition("/")[2] for url in (names.values() if isinstance(names, Mapping) else names)]
    paths = (weights.parent / name for name in dict.fromkeys((*own, *_TOKENIZER_FILES)))
    return tuple(path for path in paths if path.is_file() and path != weights)
