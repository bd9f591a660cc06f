"""Weights from a PyTorch model to a Keras one and back, and from authors' files, under the function names of 2019.

The models' ``from_pretrained`` and ``load_weights`` read all these files; these functions also take live models and
weights. All fill the model they are given in place, strictly, and return it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tx_core.checkpoints import ArrayInfo, open_checkpoint
from tx_core.weights import Array, Weights

if TYPE_CHECKING:
    from tx_core.config import PretrainedConfig

    from .pretrained_tf import TFPreTrainedModel
    from .pretrained_torch import PreTrainedModel

Model = TypeVar("Model", bound="PreTrainedModel")
Reader = tuple[tuple[int, ...], str, Callable[[], Array]]  # shape, dtype, what gives the array


class Arrays:
    """Arrays in memory in the place of a checkpoint."""

    def __init__(self, arrays: Mapping[str, Reader], form: str, metadata: Mapping[str, str]) -> None:
        self.format = form
        self.metadata = metadata
        self._arrays = arrays

    def names(self) -> list[str]:
        return list(self._arrays)

    def info(self, name: str) -> ArrayInfo:
        return ArrayInfo(*self._arrays[name][:2])

    def read(self, name: str) -> Array:
        return self._arrays[name][2]()

    def take(self, name: str) -> Array:
        return self.read(name).copy()

    def give_back(self, name: str) -> None: ...

    def same(self, name: str, other: str) -> bool:
        return name == other

    def close(self) -> None: ...


def _torch_readers(tensors: Mapping[str, Any]) -> dict[str, Reader]:
    from .state_dict_torch import to_array

    def reader(tensor: Any) -> Reader:
        return tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), lambda: to_array(tensor)

    return {name: reader(tensor) for name, tensor in tensors.items()}


def _keras_readers(parameters: Mapping[str, Any]) -> dict[str, Reader]:
    from .variables_tf import keras_dtype

    return {name: (p.shape, keras_dtype(p.variable).name, p.read) for name, p in parameters.items()}


def _own_readers(model: Any) -> dict[str, Reader]:
    """What a model holds, by published name."""
    if hasattr(model, "state_dict"):
        return _torch_readers({model._published(name): tensor for name, tensor in model._stored().items()})
    return _keras_readers(model._stored())


def _fill(model: Any, raw: Any, source: str, allow_missing_keys: bool) -> None:
    known = dict(model._own_names())
    if allow_missing_keys:
        # What is missing keeps the value it has.
        given = Weights(raw, model.weight_table, known, source)
        aliases = model._tied()
        names = {aliases.get(name, name) for name in given.names()}
        missing = {name: reader for name, reader in _own_readers(model).items() if name not in names}
        infos = {name: raw.info(name) for name in raw.names()}
        present: dict[str, Reader] = {
            name: (info.shape, info.dtype, partial(raw.read, name)) for name, info in infos.items()
        }
        raw = Arrays({**present, **missing}, raw.format, raw.metadata)
        known.update({name: name for name in missing})
    weights = Weights(raw, model.weight_table, known, source)
    if hasattr(model, "state_dict"):
        model._fill(weights, model.dtype, model.device)
    else:
        model._fill(weights)


def load_pytorch_checkpoint_in_tf2_model(
    tf_model: TFPreTrainedModel,
    pytorch_checkpoint_path: str | os.PathLike[str],
    tf_inputs: Any = None,
    allow_missing_keys: bool = False,
) -> TFPreTrainedModel:
    """Fill a Keras model with a PyTorch weights file (``pytorch_model.bin`` or safetensors).

    Args:
        tf_model: filled in place, and returned.
        pytorch_checkpoint_path: the file.
        tf_inputs: if given, the model is called on them once.
        allow_missing_keys: whether parameters that the file lacks keep their values; an error otherwise.

    Raises:
        WeightsError: if the file does not fit the model.
        CheckpointError: if the file is damaged or dishonest.
    """
    with open_checkpoint(Path(pytorch_checkpoint_path)) as raw:
        _fill(tf_model, raw, os.fspath(pytorch_checkpoint_path), allow_missing_keys)
    _call(tf_model, tf_inputs)
    return tf_model


def load_pytorch_model_in_tf2_model(
    tf_model: TFPreTrainedModel, pt_model: PreTrainedModel, tf_inputs: Any = None, allow_missing_keys: bool = False
) -> TFPreTrainedModel:
    """Fill a Keras model with the weights of a PyTorch one.

    Args and errors as those of :func:`load_pytorch_checkpoint_in_tf2_model`.
    """
    return load_pytorch_weights_in_tf2_model(tf_model, pt_model.state_dict(), tf_inputs, allow_missing_keys)


def load_pytorch_weights_in_tf2_model(
    tf_model: TFPreTrainedModel,
    pt_state_dict: Mapping[str, Any],
    tf_inputs: Any = None,
    allow_missing_keys: bool = False,
) -> TFPreTrainedModel:
    """Fill a Keras model with a PyTorch state dict.

    Args and errors as those of :func:`load_pytorch_checkpoint_in_tf2_model`.
    """
    raw = Arrays(_torch_readers(pt_state_dict), "torch", {})
    _fill(tf_model, raw, "the PyTorch state dict", allow_missing_keys)
    _call(tf_model, tf_inputs)
    return tf_model


def _call(model: Any, inputs: Any) -> None:
    if inputs is not None:
        model(inputs, training=False)


def load_tf2_checkpoint_in_pytorch_model(
    pt_model: PreTrainedModel,
    tf_checkpoint_path: str | os.PathLike[str],
    tf_inputs: Any = None,
    allow_missing_keys: bool = False,
) -> PreTrainedModel:
    """Fill a PyTorch model with a Keras weights file (``tf_model.h5``). TensorFlow is not needed for it.

    Args:
        pt_model: filled in place, and returned.
        tf_checkpoint_path: the file.
        tf_inputs: must be None: no Keras model is made that could be called on them.
        allow_missing_keys: whether parameters that the file lacks keep their values; an error otherwise.

    Raises:
        WeightsError: if the file does not fit the model.
        CheckpointError: if the file is damaged or dishonest.
    """
    if tf_inputs is not None:
        raise ValueError("tf_inputs are not needed: the file is read without a Keras model; leave them out")
    with open_checkpoint(Path(tf_checkpoint_path)) as raw:
        _fill(pt_model, raw, os.fspath(tf_checkpoint_path), allow_missing_keys)
    return pt_model


def load_tf2_model_in_pytorch_model(
    pt_model: PreTrainedModel, tf_model: TFPreTrainedModel, allow_missing_keys: bool = False
) -> PreTrainedModel:
    """Fill a PyTorch model with the weights of a Keras one.

    Args and errors as those of :func:`load_tf2_checkpoint_in_pytorch_model`.
    """
    raw = Arrays(_own_readers(tf_model), "torch", {})
    _fill(pt_model, raw, "the Keras model", allow_missing_keys)
    return pt_model


def load_tf2_weights_in_pytorch_model(
    pt_model: PreTrainedModel, tf_weights: Iterable[Any], allow_missing_keys: bool = False
) -> PreTrainedModel:
    """Fill a PyTorch model with the weights of a Keras one, as its ``weights`` list them.

    Args:
        tf_weights: Keras variables with their paths, e.g. ``tf_model.weights``.

    Other args and errors as those of :func:`load_tf2_checkpoint_in_pytorch_model`.
    """
    from .variables_tf import Parameter

    raw = Arrays(
        _keras_readers({variable.path: Parameter(variable.path, variable, False, None) for variable in tf_weights}),
        "safetensors",
        {"format": "tf"},
    )
    _fill(pt_model, raw, "the Keras weights", allow_missing_keys)
    return pt_model


def load_original_weights(model: Model, config: PretrainedConfig, path: str | os.PathLike[str]) -> Model:
    """Fill a PyTorch model with weights as its authors published them, strictly.

    In 2019 each architecture had such a function: ``load_tf_weights_in_bert`` and others.

    Args:
        model: filled in place, and returned.
        config: the model's configuration. The model has it already.
        path: the weights: of a TensorFlow 1 checkpoint its prefix, or its ``.index`` file; of OpenAI GPT the folder of
            ``params_shapes.json``, ``params_0.npy`` and so on; of fairseq and XLM the file.

    Raises:
        WeightsError: if the weights do not fit the model.
        CheckpointError: if a file is damaged or dishonest.
    """
    model.load_weights(path)
    return model


def convert_tf_weight_name_to_pt_weight_name(tf_name: str, start_prefix_to_remove: str = "") -> tuple[str, bool]:
    """A name in a Keras-era file → the PyTorch name, and whether the array has to be transposed.

    Args:
        tf_name: e.g. ``tf_bert_model/bert/encoder/layer_._0/attention/self/query/kernel:0``; the first part, the
            model's own name, is dropped, and so is the part before ``___`` of any other.
        start_prefix_to_remove: a beginning that the PyTorch name does not have, e.g. ``bert.``.
    """
    parts = tf_name.removesuffix(":0").replace("_._", "/").split("/")
    *path, leaf = [part.rpartition("___")[2] for part in (parts[1:] or parts)]
    transposed = leaf == "kernel" or any(part in ("emb_projs", "out_projs") for part in (*path, leaf))
    leaf = {"kernel": "weight", "embeddings": "weight", "gamma": "weight", "beta": "bias"}.get(leaf, leaf)
    return ".".join((*path, leaf)).removeprefix(start_prefix_to_remove), transposed
