"""The half of ``PreTrainedModel`` and ``TFPreTrainedModel`` that needs no framework."""

from __future__ import annotations

import copy
import glob
import inspect
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tx_core import checkpoints
from tx_core.checkpoints.base import measure
from tx_core.checkpoints.npy_shards import SHAPES_NAME
from tx_core.checkpoints.sharded import ShardedCheckpoint, files_of, read_index
from tx_core.checkpoints.tf1 import STATE_FILE
from tx_core.config import PretrainedConfig
from tx_core.config_files import find_beside
from tx_core.files import (
    SAFE_WEIGHTS_NAME,
    TF2_WEIGHTS_NAME,
    TF_WEIGHTS_NAME,
    WEIGHTS_NAME,
    LockError,
    Source,
    check_unchanged,
    locate,
    pinned,
    progress,
    refuse_file,
    remove,
    saving,
)
from tx_core.messages import nearest, quoted
from tx_core.weights import Array, Weights, WeightTable, keras_layers

logger = logging.getLogger(__name__)

# A progress bar is of use only where loading can be watched.
_BAR_FROM_BYTES = 20_000_000


def weight_files(table: WeightTable, *kinds: str) -> tuple[str, ...]:
    """The names that weights may have in a folder, in the order of the kinds: ``safe``, ``torch``, ``tf``."""
    names = {
        "safe": (SAFE_WEIGHTS_NAME, f"{SAFE_WEIGHTS_NAME}.index.json"),
        "torch": (WEIGHTS_NAME, f"{WEIGHTS_NAME}.index.json"),
        "tf": (TF2_WEIGHTS_NAME, f"{TF2_WEIGHTS_NAME}.index.json", f"{TF_WEIGHTS_NAME}.index", *table.original_files),
    }
    return tuple(name for kind in kinds for name in names[kind])


def take_dtype(dtype: Any, keywords: MutableMapping[str, Any]) -> Any:
    """The type that ``dtype`` or ``torch_dtype``, its other name, asks for; the latter is removed from the keywords.

    Raises:
        ValueError: if both are given and differ.
    """
    other = keywords.pop("torch_dtype", None)
    if other is None:
        return dtype
    if str(other).startswith("torch."):  # TensorFlow's models take it too
        other = str(other).removeprefix("torch.")
    if dtype is not None and other not in (dtype, str(dtype).removeprefix("torch."), getattr(dtype, "name", None)):
        raise ValueError(
            f"dtype is {quoted(dtype)} and torch_dtype, its other name, is {quoted(other)}: pass dtype alone"
        )
    return other


def resolve_config(
    model_class: Any,
    name_or_path: str | os.PathLike[str],
    config: PretrainedConfig | str | os.PathLike[str] | None,
    source: Source,
    keywords: Mapping[str, Any],
) -> tuple[PretrainedConfig, dict[str, Any], Source]:
    """The configuration of a model that is loaded, the keywords that are none of its fields, and the weights' source.

    The weights are to be fetched at the commit that the configuration is of, if it is of the same repository.

    Args:
        model_class: the model's class, for its ``config_class`` and what its constructor takes.
        name_or_path: the weights, beside which the configuration lies if ``config`` is None.
        config: a configuration, which becomes the model's own as in 2019 (a copy if keywords change it), or where to
            find one.
        keywords: fields, which override those of the configuration, and arguments of the constructor.

    Raises:
        TypeError: if a keyword is neither.
        ValueError: if the configuration makes no model; names the file.
    """
    config_class: type[PretrainedConfig] = model_class.config_class
    if isinstance(config, PretrainedConfig):
        changes = {name: value for name, value in keywords.items() if config.has_field(name)}
        if changes:
            config = config.changed(changes)
        unused = {name: value for name, value in keywords.items() if name not in changes}
        _refuse_unknown(model_class, config, unused)
        return config, unused, source
    if config is None and (os.path.isfile(name_or_path) or os.path.isfile(f"{os.fspath(name_or_path)}.index")):
        path = find_beside(config_class, name_or_path, source)
    else:
        path = config_class.find(name_or_path if config is None else config, source)
    loaded, unused = config_class.from_pretrained(path, return_unused_kwargs=True, **keywords)
    _refuse_unknown(model_class, loaded, unused)
    try:
        loaded.validate_relations()
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return loaded, unused, pinned(source, path, name_or_path)


def _refuse_unknown(model_class: Any, config: PretrainedConfig, keywords: Iterable[str]) -> None:
    """Raise TypeError, naming what may be meant, for keywords that the constructor does not take."""
    known = {*inspect.signature(model_class.from_pretrained).parameters, "torch_dtype", *Source.names()}
    for cls in model_class.__mro__:
        if "__init__" not in vars(cls):
            continue
        parameters = inspect.signature(cls.__init__).parameters
        known.update(parameters)
        if all(each.kind is not each.VAR_KEYWORD for each in parameters.values()):
            break
        if not model_class._published_class:
            return  # a user's own constructor knows what it takes
    known -= {"self", "config", "args", "kwargs", "model_args"}
    for name in keywords:
        if name not in known:
            raise TypeError(
                f"{model_class.__name__}.from_pretrained does not know the keyword {quoted(name)}"
                + (nearest(name, {*known, *config.field_names()}) or "; leave it out")
            )


def loading_bar(sizes: Mapping[str, int], title: str) -> Iterator[str]:
    """Go through the names of arrays, with a bar that counts their bytes where there is enough to be watched."""
    if sum(sizes.values()) < _BAR_FROM_BYTES:
        yield from sizes
        return
    with progress(sum(sizes.values()), title) as bar:
        for name, size in sizes.items():
            yield name
            bar.update(size)


def heads_left(
    config: PretrainedConfig, heads_to_prune: Mapping[int, Iterable[int]]
) -> Iterator[tuple[int, list[int]]]:
    """(layer, positions of the heads that stay) of every layer that changes; the configuration remembers each.

    Args:
        heads_to_prune: layer (negative ones count from the last) → heads, numbered as in the unpruned model.

    Raises:
        ValueError: if a layer or head does not exist, or no head of a layer would be left; nothing is changed then.
    """
    layers, heads = config.num_hidden_layers, config.num_attention_heads
    gone: dict[int, set[int]] = {}
    for index, removed in heads_to_prune.items():
        layer = index + layers if index < 0 else index
        if not 0 <= layer < layers:
            raise ValueError(f"heads_to_prune names layer {index}, but there are {layers} layers")
        if wrong := sorted(head for head in removed if not 0 <= head < heads):
            raise ValueError(f"heads_to_prune names the heads {wrong} of layer {index}, but there are {heads} heads")
        gone.setdefault(layer, set()).update(removed)
        if gone[layer].issuperset(config.kept_heads(layer)):
            raise ValueError(f"heads_to_prune would leave no head in layer {index}")
    for layer, removed_heads in gone.items():
        before = config.kept_heads(layer)
        kept = [position for position, head in enumerate(before) if head not in removed_heads]
        if len(kept) < len(before):
            yield layer, kept
            left = {before[position] for position in kept}
            config.pruned_heads = {**config.pruned_heads, layer: sorted(set(range(heads)) - left)}


def check_scored(size: int, scored: int | None) -> None:
    """Raise ValueError if output embeddings that are not tied score another number of tokens than there are to be.

    Args:
        size: how many tokens the new input embeddings have.
        scored: how many the output embeddings score; None if they are tied, or there are none.
    """
    if scored is not None and size != scored:
        raise ValueError(
            f"the new input embeddings have {size} tokens, but the output embeddings, which are not tied, score "
            f"{scored}: call resize_token_embeddings({size}) first"
        )


def check_words(size: int, scored: int) -> None:
    """Raise ValueError if a vocabulary is to have another size than the adaptive softmax that scores it."""
    if size != scored:
        raise ValueError(
            f"the vocabulary cannot be made {size} tokens: the adaptive softmax scores {scored}, in clusters by their "
            f"frequency. Build a new model with vocab_size={size}, and train its head, or build it with asm=False"
        )


def open_weights(
    name_or_path: str | os.PathLike[str],
    table: WeightTable,
    source: Source,
    order: Sequence[str],
    known: Mapping[str, str] | None = None,
    mmap: bool = False,
) -> Weights:
    """Find the weights of a folder, file, hub repository or URL, and open them.

    Args:
        name_or_path: what ``from_pretrained`` takes; also the prefix of a TensorFlow 1 checkpoint.
        table: the architecture's.
        source: how files are fetched.
        order: file names, the first that exists is taken.
        known: see :class:`Weights`.
        mmap: map the file, see :func:`tx_core.checkpoints.open_checkpoint`.

    Raises:
        FileNotFoundError: if none of the files exists.
        CheckpointError: if the file is damaged, dishonest or of an unknown kind.
        FilesError: if the folder was saved to since its configuration was read.
        LockError, IntegrityError: if a file is not in the lock of ``source``, or not as it is there.
    """
    prefix = Path(f"{os.fspath(name_or_path)}.index")
    # TensorFlow's own note of which checkpoint is the newest, "model.ckpt-1000" say, is of use beside that one only.
    latest = (STATE_FILE,) if os.path.isdir(name_or_path) and source.lock is None else ()
    refuse_file(name_or_path, source)
    path = prefix if os.path.isfile(prefix) else locate(name_or_path, (*order, *latest), source)
    if path is None:
        offline = f" (nothing was fetched: {source.offline_reason})" if source.offline_reason else ""
        raise FileNotFoundError(
            f"{os.fspath(name_or_path)!r} holds no weights: none of {', '.join(order)} is there{offline}"
        )
    source = pinned(source, path, name_or_path)
    locate_shards(name_or_path, path, source)
    if source.lock is not None:
        for part in _unnamed_parts(path):
            locate(name_or_path, [part], source)  # raises unless it is what the lock says
    checkpoint = checkpoints.open_checkpoint(path, mmap)
    try:
        check_unchanged(source)
        if source.lock is not None:
            _refuse_misnamed(checkpoint, path)
    except BaseException:
        checkpoint.close()
        raise
    return Weights(checkpoint, table, known, str(path))


def locate_shards(name_or_path: str | os.PathLike[str], path: Path, source: Source) -> None:
    """Fetch the shards that an index lists, if ``path``, which ``locate`` found, is one.

    Raises:
        FileNotFoundError: if there is no such shard.
        CheckpointError: if the index is damaged.
    """
    shards = sorted(set(read_index(path)[0].values())) if path.name.endswith(".index.json") else ()
    for shard in shards:
        if locate(name_or_path, [shard], source) is None:
            raise FileNotFoundError(f"{path} lists the shard {quoted(shard)}, which {os.fspath(name_or_path)!r} lacks")


def _unnamed_parts(path: Path) -> list[str]:
    """The names of the files that a checkpoint of its authors' is made of beside the one that it is opened by."""
    pattern = {SHAPES_NAME: "params_*.npy"}.get(path.name) or (
        f"{glob.escape(path.stem)}.data-*-of-*" if path.suffix == ".index" else ""
    )
    return sorted(part.name for part in path.parent.glob(pattern)) if pattern else []


def _refuse_misnamed(checkpoint: checkpoints.Checkpoint, path: Path) -> None:
    """Raise LockError for a file that by its content, and not by its name, brings others, which were not looked at."""
    named = {"tf1": path.suffix == ".index", "npy_shards": path.name == SHAPES_NAME}.get(checkpoint.format, True)
    if isinstance(checkpoint, ShardedCheckpoint):
        named = path.name.endswith(".index.json")
    if not named:
        raise LockError(f"{path} brings other files, which its name does not tell: they cannot be held to a lock file")


def save_model(
    save_directory: str | os.PathLike[str],
    config: PretrainedConfig,
    class_name: str | None,
    arrays: Mapping[str, Callable[[], Array]],
    aliases: Mapping[str, str],
    table: WeightTable,
    form: str,
    max_shard_size: int | None,
) -> None:
    """Write a model's configuration and weights into a folder.

    Args:
        save_directory: made if need be.
        class_name: the model's class, without TF; None for one that is not known.
        arrays: name as the file spells it → function that gives the array.
        aliases: alias → name in ``arrays``; written where readers of 2019 expect both (``bin``).
        table: the architecture's.
        form: ``safetensors``, ``bin`` (``pytorch_model.bin``) or ``h5`` (``tf_model.h5``).
        max_shard_size: bytes beyond which files are split; None for one file.

    Raises:
        ValueError: if a file that cannot be split would be larger than ``max_shard_size``.
        NotADirectoryError: if ``save_directory`` is a file.
    """
    names = {"safetensors": SAFE_WEIGHTS_NAME, "bin": WEIGHTS_NAME, "h5": TF2_WEIGHTS_NAME}
    if max_shard_size is not None and form != "safetensors":
        total = sum(int(np.prod(shape)) * dtype.itemsize for shape, dtype in measure(arrays).values())
        if total > max_shard_size:
            raise ValueError(
                f"max_shard_size splits safetensors files; {form!r} is written as one file, of {total} bytes here"
            )
    folder = Path(save_directory)
    if folder.is_file():
        raise NotADirectoryError(f"save_pretrained needs a folder, and {str(folder)!r} is a file")
    folder.mkdir(parents=True, exist_ok=True)
    written = copy.deepcopy(config)
    if class_name is not None:
        written.architectures = [class_name]
    with saving(folder):
        written.save_pretrained(folder)
        _write_weights(folder / names[form], form, class_name, arrays, aliases, table, max_shard_size)
        _clear(folder, names, form)


def _write_weights(
    path: Path,
    form: str,
    class_name: str | None,
    arrays: Mapping[str, Callable[[], Array]],
    aliases: Mapping[str, str],
    table: WeightTable,
    max_shard_size: int | None,
) -> None:
    if form == "safetensors":
        checkpoints.write_safetensors(path, arrays, metadata={"format": "pt"}, max_shard_size=max_shard_size)
        return
    if form == "bin":
        checkpoints.write_torch_bin(path, arrays, aliases)
    else:
        write_h5(path, class_name, arrays, table)
    for other in files_of(path):
        if other != path:
            remove(other)


def _clear(folder: Path, names: Mapping[str, str], form: str) -> None:
    """Remove older weights of other formats that would be read in the place of those that are written."""
    others = [path for kind, name in names.items() if kind != form for path in files_of(folder / name)]
    listed = ", ".join(sorted(path.name for path in others))
    if others and form == "safetensors":  # which is read before the others
        logger.warning("%s now also holds older weights: %s", folder, listed)
    elif others:
        logger.warning("%s: older weights are removed, which would be read in the place of these: %s", folder, listed)
        for path in others:
            remove(path)


def write_h5(path: Path, class_name: str | None, arrays: Mapping[str, Callable[[], Array]], table: WeightTable) -> None:
    """Write weights as the Keras models of 2019 did (``tf_model.h5``). Arguments as those of :func:`save_model`."""
    published = {table.published(name) or name: array for name, array in arrays.items()}
    # Keras calls a TFBertForMaskedLM tf_bert_for_masked_lm.
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", f"TF{class_name or 'Model'}")
    model_name = words.lower()
    checkpoints.write_keras_h5(path, keras_layers(published, table, model_name))
