"""The conversion of a checkpoint."""

from __future__ import annotations

import copy
import json
import logging
import math
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from tx_core.architecture import Task, load
from tx_core.checkpoints import write_tf1
from tx_core.checkpoints.sharded import files_of
from tx_core.checkpoints.tf1 import STATE_FILE
from tx_core.files import (
    CONFIG_NAME,
    SAFE_WEIGHTS_NAME,
    TF2_WEIGHTS_NAME,
    TF_WEIGHTS_NAME,
    WEIGHTS_NAME,
    atomic_write,
    remove,
    saving,
)
from tx_core.messages import quoted
from tx_core.models.pretrained import save_model
from tx_core.weights import Array, Weights, WeightsError, originals

from .casts import TYPES, cast, check_dtype, type_in
from .contents import Contents, class_of, contents, is_in
from .report import ConversionReport
from .source import Opened, folder_of, open_source

if TYPE_CHECKING:
    from tx_core.config import PretrainedConfig
    from tx_core.models.conversion import Reader

logger = logging.getLogger(__name__)

Format = Literal["safetensors", "bin", "h5", "tf1", "keras"]
FORMATS: tuple[str, ...] = get_args(Format)
"""The formats that can be converted to."""
KERAS_WEIGHTS_NAME = "model.weights.h5"
"""Keras 3's own file, as ``load_weights`` of Keras models reads it."""

_WEIGHTS = {
    "safetensors": SAFE_WEIGHTS_NAME,
    "bin": WEIGHTS_NAME,
    "h5": TF2_WEIGHTS_NAME,
    "tf1": TF_WEIGHTS_NAME,
    "keras": KERAS_WEIGHTS_NAME,
}
_TF1_PARTS = (f"{TF_WEIGHTS_NAME}.index", f"{TF_WEIGHTS_NAME}.data-00000-of-00001", STATE_FILE)
# How often a writer asks for an array: for its header, and for its values.
_READS = {"safetensors": 2, "bin": 2, "h5": 1, "tf1": 2, "keras": 1}


def convert(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    to: Format,
    *,
    force: bool = False,
    model_type: str | None = None,
    dtype: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ConversionReport:
    """Write the weights of a model in another format, with its configuration and its tokenizer's files beside them.

    Every parameter that the file has and the architecture knows is carried over, those of all heads. Values stay as
    they are to the bit, except for casts, which the report names.

    Args:
        source: a folder, a file of weights, or the prefix of a TensorFlow 1 checkpoint, of any format that models load:
            safetensors, ``pytorch_model.bin`` and ``tf_model.h5``, whole or in shards, and the authors' own checkpoints
            of TensorFlow 1, fairseq, XLM, Transformer-XL and OpenAI GPT. The configuration lies beside the weights:
            ``config.json``, or what the authors have in its place.
        destination: a folder, made if need be; not the source's.
        to: ``safetensors``, ``bin`` (``pytorch_model.bin``), ``h5`` (``tf_model.h5``, of the Keras models of 2019),
            ``tf1`` (``model.ckpt``, under the authors' names, for their programs, whose configuration is written too)
            or ``keras`` (``model.weights.h5``, for ``load_weights`` of Keras models), which needs TensorFlow.
        force: replace what the destination has. Older weights of other formats, which would be read in the place of
            the new ones, are removed.
        model_type: the architecture, where no ``config.json`` tells it. Without it, the architecture is the one that
            knows all names in the file.
        dtype: the type that all parameters are cast to, ``float32`` say. By default they keep theirs where the format
            has it, and become ``float32`` where it has not.
        progress: called with how many bytes were read, and how many will be.

    Raises:
        FileNotFoundError: the source is not there, or has no weights or no configuration.
        FileExistsError: the destination holds files that would be replaced, and not ``force``.
        CheckpointError: the weights are damaged or dishonest.
        WeightsError: a name in the file is unknown, parameters are missing or contradict each other, or the format has
            no name for one.
        ValueError: an argument is none of those, the architecture cannot be told, its authors' code is not TensorFlow
            1's, or a number is too large for ``dtype``. Nothing is written then.
        ImportError: the architecture's package, or TensorFlow where it is needed, is not installed; says which.
    """
    if to not in FORMATS:
        raise ValueError(f"to must be one of {', '.join(FORMATS)}, not {quoted(to)}")
    check_dtype(dtype, to)
    path, folder = Path(source), Path(destination)
    _check_folders(path, folder)
    opened = open_source(path, model_type)
    with opened.weights:
        targets = _targets(opened, to)
        if not force:
            _refuse_existing(folder, targets)
        found = contents(opened.weights, opened.table, opened.config)
        class_name = class_of(
            opened.architecture, opened.table, opened.config, [*opened.weights.names(), *found.origin], opened.is_bare
        )
        reading = _Reading(opened.weights, found, to, dtype, progress)
        made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with saving(folder):
                _write(folder, opened, found, class_name, reading, to)
                for file in opened.tokenizer_files:
                    with atomic_write(folder / file.name) as temporary:
                        shutil.copyfile(file, temporary)
        except BaseException:
            with suppress(OSError):
                if made:
                    folder.rmdir()
            raise
        written = folder / _WEIGHTS[to]
        return ConversionReport(
            source=opened.path,
            source_format=opened.format,
            destination=written,
            format=to,
            files=targets,
            model_type=opened.architecture.model_type,
            class_name=class_name,
            shapes=reading.shapes,
            size=reading.size,
            casts=reading.casts,
            supplied=found.supplied,
            dropped=found.dropped,
        )


def _check_folders(source: Path, folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"the destination is a folder, and {str(folder)!r} is a file")
    if folder.exists() and folder_of(source).exists() and folder.samefile(folder_of(source)):
        raise ValueError(f"the destination {str(folder)!r} is the folder of the source: choose another")


def _targets(opened: Opened, to: str) -> tuple[str, ...]:
    """The names of all files that are written."""
    names = [CONFIG_NAME, *(_TF1_PARTS if to == "tf1" else (_WEIGHTS[to],))]
    if to == "tf1" and opened.table.tf1 is None:
        raise ValueError(
            f"the authors of {opened.architecture.name} published no checkpoints of TensorFlow 1, so there are no "
            "names to write: convert to safetensors, bin, h5 or keras"
        )
    if to == "tf1" and opened.table.tf1 is not None and opened.table.tf1.config:
        names.append(opened.table.tf1.config)
    return tuple(dict.fromkeys((*names, *(file.name for file in opened.tokenizer_files))))


def _older(folder: Path, forms: Iterable[str] = FORMATS) -> list[Path]:
    """The weights of some formats that a folder holds under the names that are written here."""
    found: list[Path] = []
    for form in forms if folder.is_dir() else ():
        if form == "tf1":
            found += [folder / name for name in _TF1_PARTS if (folder / name).is_file()]
        else:
            found += files_of(folder / _WEIGHTS[form])
    return found


def _refuse_existing(folder: Path, targets: tuple[str, ...]) -> None:
    there = dict.fromkeys([*_older(folder), *(folder / name for name in targets if (folder / name).exists())])
    if there:
        listed = ", ".join(path.name for path in there)
        raise FileExistsError(f"{folder} holds {listed}: choose another folder, or replace them with force")


class _Reading:
    """The parameters as they are written, and what was done to them.

    Attributes:
        shapes: published name → shape.
        arrays: published name → what gives the array.
        types: published name → the type that it has.
        casts: see :class:`ConversionReport`.
        size: bytes of all of them.
    """

    def __init__(
        self, weights: Weights, found: Contents, to: str, dtype: str | None, progress: Callable[[int, int], None] | None
    ) -> None:
        self._weights = weights
        self.shapes = {name: weights.shape(own) for name, own in found.origin.items()}
        self._progress = progress
        self._done = 0
        old = {name: weights.dtype(own) for name, own in found.origin.items()}
        self.types = {name: type_in(to, each, dtype) for name, each in old.items()}
        self.casts = {name: (each, self.types[name]) for name, each in old.items() if each != self.types[name]}
        self.size = sum(math.prod(shape) * TYPES[self.types[name]].itemsize for name, shape in self.shapes.items())
        self._total = self.size * _READS[to]
        self.arrays = {name: self._reader(name, own) for name, own in found.origin.items()}

    def _reader(self, name: str, own: str) -> Callable[[], Array]:
        def read() -> Array:
            array = np.asarray(cast(self._weights.read(own), self.types[name], name), order="C")
            self._done += array.nbytes
            if self._progress is not None:
                self._progress(self._done, self._total)
            return array

        return read


def _write(folder: Path, opened: Opened, found: Contents, class_name: str | None, reading: _Reading, to: str) -> None:
    table, config = opened.table, _configuration(opened.config, class_name, reading)
    if to in ("safetensors", "bin", "h5"):
        bare = class_name == opened.architecture.name + opened.architecture.tasks[Task.BASE]
        start = len(f"{table.prefix}.") if bare else 0
        arrays = {name[start:]: array for name, array in reading.arrays.items()}
        aliases = {alias[start:]: name[start:] for alias, name in _second_names(opened, found, class_name).items()}
        save_model(folder, config, class_name, arrays, aliases, table, to, None)
        # It has removed those of its own formats. Safetensors are read before all others.
        _remove_older(folder, ("tf1", "keras") if to != "safetensors" else ())
        return
    config.save_pretrained(folder)
    if to == "tf1":
        _write_tf1(folder, config, opened, reading.arrays)
    else:
        _write_keras(folder, config, opened, class_name, reading)
    _remove_older(folder, [form for form in FORMATS if form != to])


def _remove_older(folder: Path, forms: Iterable[str]) -> None:
    """Remove the weights of some formats, at the end of the save."""
    others = _older(folder, forms)
    if others:
        logger.warning("%s: older weights are removed: %s", folder, ", ".join(path.name for path in others))
    for path in others:
        remove(path)


def _configuration(config: PretrainedConfig, class_name: str | None, reading: _Reading) -> PretrainedConfig:
    """The configuration as it is written: of the class, and of the type of the weights if it names one."""
    config = copy.deepcopy(config)
    if class_name is not None:
        vars(config)["architectures"] = [class_name]
    types = {*reading.types.values()}
    for key in ("dtype", "torch_dtype"):
        if isinstance(vars(config).get(key), str) and reading.casts and len(types) == 1:
            vars(config)[key] = next(iter(types))
    return config


def _second_names(opened: Opened, found: Contents, class_name: str | None) -> dict[str, str]:
    """Second name → parameter, of what is tied in the class; where that is not known, in the heads that are there."""
    heads = opened.table.heads
    if class_name is not None:
        groups = heads[class_name.removeprefix(opened.architecture.name)]
    else:
        every = {group for each in heads.values() for group in each}
        groups = tuple(group for group in every if any(is_in(name, group) for name in found.origin))

    def is_there(alias: str) -> bool:
        if alias.startswith(f"{opened.table.prefix}."):
            return True
        module, _, leaf = alias.rpartition(".")
        # A layer in whose place an adaptive softmax stands has no weight, but modules; and the models of 2019 have one
        # name for the bias of their output layer.
        modules = any(is_in(name, module) and name.count(".") > alias.count(".") for name in found.origin)
        return not modules and leaf != "bias" and any(is_in(alias, group) for group in groups)

    return {alias: name for alias, name in found.aliases.items() if name in found.origin and is_there(alias)}


def _write_keras(
    folder: Path, config: PretrainedConfig, opened: Opened, class_name: str | None, reading: _Reading
) -> None:
    record = opened.architecture
    if class_name is None:
        raise ValueError(
            f"{opened.path}: which class the weights are of cannot be told: name it in config.json, "
            f'"architectures": ["{record.name}ForSequenceClassification"] say'
        )
    end = class_name.removeprefix(record.name)
    model_class = load(next(dotted for task, dotted in record.tf.items() if record.tasks[task] == end))
    from .keras_tf import write_keras_weights

    arrays: dict[str, Reader] = {
        name: (shape, reading.types[name], reading.arrays[name]) for name, shape in reading.shapes.items()
    }
    dtype = next(iter(reading.types.values()))
    write_keras_weights(folder / KERAS_WEIGHTS_NAME, model_class, config, dtype, arrays, opened.table, str(opened.path))


def _write_tf1(
    folder: Path, config: PretrainedConfig, opened: Opened, arrays: Mapping[str, Callable[[], Array]]
) -> None:
    release = opened.table.tf1
    assert release is not None
    try:
        named = opened.table.for_program(originals(arrays, opened.table), config)
    except WeightsError as error:
        raise WeightsError(f"{opened.path}: {error}; convert to safetensors, bin, h5 or keras") from None
    write_tf1(folder / TF_WEIGHTS_NAME, named, state_file=True)
    if release.config:
        values = {key: getattr(config, name) for key, name in release.fields.items()}
        with atomic_write(folder / release.config) as temporary:
            temporary.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
