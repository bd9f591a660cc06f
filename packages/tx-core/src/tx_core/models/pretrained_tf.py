"""What every Keras model shares: loading, saving, resizing, pruning. Mirrors ``pretrained_torch``."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, overload

import keras
import numpy as np
from keras import ops

from tx_core.architecture import Architecture, load
from tx_core.config import PretrainedConfig
from tx_core.files import TF2_WEIGHTS_NAME, Source
from tx_core.messages import quoted
from tx_core.outputs import output
from tx_core.weights import Array, LoadReport, Weights, WeightTable, compare

from .batches_tf import Predicts
from .embeddings_tf import check_embeddings, check_scores, follow_embeddings
from .inputs_tf import NamedInputs, input_names
from .layers_tf import build_children, descendants
from .main_layer_tf import share_policy
from .pretrained import (
    heads_left,
    loading_bar,
    open_weights,
    resolve_config,
    save_model,
    take_dtype,
    weight_files,
    write_h5,
)
from .pruning_tf import allow_additions, resize, resize_rows
from .saving import chosen_format, shard_size
from .saving_tf import written
from .switches_tf import skipping_initialization
from .training_tf import Trains
from .variables_tf import Parameter, keras_dtype, named_parameters

logger = logging.getLogger(__name__)

Tensor = Any
Size = Any  # an int, or a scalar tensor where the size is not known before the run


class TFPreTrainedModel(NamedInputs, Trains, Predicts, keras.Model):
    """Base of all Keras models.

    The class that an architecture's models share is given its record, ``class TFCTRLPreTrainedModel(TFPreTrainedModel,
    architecture=ARCHITECTURE)``. A model of the architecture says ``published=True``: its parameters are those of the
    weight table, and what a file may lack is ``new_heads``, chains of groups of parameter names in the order of the
    forward pass (see :func:`tx_core.weights.compare`). A subclass that users write needs none of this; the modules it
    adds are newly initialised when a file does not have them.

    Args:
        config: the architecture's configuration.
        name: the Keras model's name.
        dtype: a floating-point type such as ``bfloat16`` or a policy such as ``mixed_bfloat16``; by default Keras's
            global policy.
        trainable: whether the parameters are.
    """

    config_class: ClassVar[type[PretrainedConfig]] = PretrainedConfig
    base_model_prefix: ClassVar[str] = ""
    weight_table: ClassVar[WeightTable]
    new_heads: ClassVar[tuple[tuple[str, ...], ...]] = ()
    pretrained_model_archive_map: ClassVar[Mapping[str, str]] = {}

    config: Any
    _architecture: ClassVar[Architecture | None] = None
    _published_class: ClassVar[bool] = False

    def __init_subclass__(
        cls, architecture: Architecture | None = None, published: bool = False, **kwargs: Any
    ) -> None:
        super().__init_subclass__(**kwargs)
        cls._published_class = published
        if architecture is not None:
            cls._architecture = architecture
            for name, value in architecture.class_attributes(TF2_WEIGHTS_NAME).items():
                setattr(cls, name, value)
        # So that keras.models.load_model finds the class in a saved functional model.
        keras.saving.register_keras_serializable(cls.__module__.partition(".")[0])(cls)

    def __init__(
        self, config: PretrainedConfig, *, name: str | None = None, dtype: Any = None, trainable: bool = True
    ) -> None:
        super().__init__(name=name, dtype=None if dtype is None else _policy(dtype), trainable=trainable)
        if not isinstance(config, PretrainedConfig):
            raise TypeError(
                f"{type(self).__name__}(config) takes a configuration, not {quoted(config)}; "
                f"for a name or folder use {type(self).__name__}.from_pretrained(…)"
            )
        config.validate()
        config.validate_relations()
        self.config = config

    def get_config(self) -> dict[str, Any]:
        """What :meth:`from_config` builds the same model from (without its weights)."""
        policy = keras.dtype_policies.serialize(self.dtype_policy)
        return {"config": self.config.to_dict(), "name": self.name, "trainable": self.trainable, "dtype": policy}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """A model with the configuration that :meth:`get_config` gave."""
        config = dict(config)
        policy = keras.dtype_policies.deserialize(config.pop("dtype"))
        model = cls(cls.config_class.from_dict(config.pop("config")), dtype=policy, **config)
        model._build_rest()
        return model

    # -- shape of the model ----------------------------------------

    @property
    def base_model(self) -> Any:
        """The layer that is the bare model."""
        return getattr(self, self.base_model_prefix, self)

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """Token ids (3, 5) with which any model of this library can be called."""
        ids = [[7, 6, 0, 0, 1], [1, 2, 3, 0, 0], [0, 0, 0, 4, 5]]
        return {"input_ids": ops.convert_to_tensor(ids, dtype="int32")}

    def num_parameters(self, only_trainable: bool = False) -> int:
        """Number of parameters, tied ones counted once."""
        trained = {id(variable) for variable in self.trainable_variables}
        parameters = self._stored().values()
        return sum(math.prod(p.shape) for p in parameters if id(p.variable) in trained or not only_trainable)

    def get_input_embeddings(self) -> Any:
        """The layer that turns token ids into vectors."""
        if self.base_model is self:
            raise NotImplementedError(f"{type(self).__name__} has no input embeddings")
        return self.base_model.get_input_embeddings()

    def set_input_embeddings(self, value: Any) -> None:
        """Replace the layer that turns token ids into vectors; tied output embeddings follow it.

        ``config.vocab_size`` becomes its number of tokens. The bias over the vocabulary keeps its numbers; new ones
        are their mean. A model that was compiled for training has to be compiled again.

        Args:
            value: a ``keras.layers.Embedding``. If its width is not that of the hidden states, calling the model is
                an error.

        Raises:
            TypeError: if it is something else.
            ValueError: if output embeddings that are not tied score another number of tokens.
        """
        check_embeddings(self, value)
        if not value.built:
            value.build()
        self.base_model.set_input_embeddings(value)
        follow_embeddings(self, value)
        self.tie_weights()
        self._changed()

    def get_output_embeddings(self) -> Any:
        """The layer that scores the vocabulary; None if the model has none."""
        return None

    def _output_bias(self) -> tuple[Any, str] | None:
        """Layer and attribute of the bias over the vocabulary, if there is one: the output embeddings' by default."""
        decoder = self.get_output_embeddings()
        return None if decoder is None or decoder.bias is None else (decoder, "bias")

    # -- initialisation and tying ----------------------------------------

    def build(self, input_shape: Any = None) -> None:
        """Create all variables; no input is needed for it."""
        build_children(self)

    def init_weights(self) -> None:
        """Tie the weights that are shared, and create all. Every model calls it at the end of its constructor."""
        share_policy(self)
        self.tie_weights()
        self.build()
        allow_additions(self)

    def _build_rest(self) -> None:
        """Create the variables of layers that users add, which may learn their sizes only from what they are called on.

        Keras would take the model for built, and leave those out when it loads weights.
        """
        if not all(layer.built for layer in descendants(self)):
            self(self.dummy_inputs, training=False)

    def tie_weights(self) -> None:
        """Make the output embeddings the input embeddings."""
        decoder = self.get_output_embeddings()
        if decoder is not None and self.config.tie_word_embeddings:
            decoder.tie(self.get_input_embeddings())

    def _tied(self) -> dict[str, str]:
        """alias → parameter, in published names, of what is one parameter in this model."""
        has_output = self.get_output_embeddings() is not None
        return self.weight_table.ties(self.config, has_output, self._stored)

    # -- names ----------------------------------------

    def named_weights(self) -> Iterator[tuple[str, Any]]:
        """(published name with prefix, Keras variable) of all parameters, tied ones once."""
        return ((name, parameter.variable) for name, parameter in self._stored().items())

    def _stored(self) -> dict[str, Parameter]:
        """Published name → parameter that a checkpoint holds; tied ones once."""
        seen: set[int] = set()
        stored = {}
        for parameter in named_parameters(self):
            if id(parameter.variable) not in seen:
                seen.add(id(parameter.variable))
                stored[parameter.name] = parameter
        return stored

    # -- loading ----------------------------------------

    @overload
    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        *model_args: Any,
        config: PretrainedConfig | str | os.PathLike[str] | None = None,
        from_pt: bool = False,
        output_loading_info: Literal[False] = False,
        dtype: Any = None,
        mmap: bool = True,
        **kwargs: Any,
    ) -> Self: ...
    @overload
    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        *model_args: Any,
        output_loading_info: Literal[True],
        **kwargs: Any,
    ) -> tuple[Self, LoadReport]: ...
    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        *model_args: Any,
        config: PretrainedConfig | str | os.PathLike[str] | None = None,
        from_pt: bool = False,
        output_loading_info: bool = False,
        dtype: Any = None,
        mmap: bool = True,
        **kwargs: Any,
    ) -> Self | tuple[Self, LoadReport]:
        """Load a model, strictly: what the file has and what the model wants must be the same, a new head apart.

        Args:
            pretrained_model_name_or_path: a folder, a weights file (with ``config``), a name on the hub, or a URL.
            model_args: further arguments of the constructor.
            config: a configuration, or where to find it; by default beside the weights.
            from_pt: take PyTorch's files (``pytorch_model.bin``) before TensorFlow's. ``model.safetensors``, which
                both frameworks read, comes before either.
            output_loading_info: return ``(model, LoadReport)``.
            dtype: floating-point type of the parameters (``bfloat16``), or a Keras policy (``mixed_bfloat16``); by
                default Keras's global policy. It may be called ``torch_dtype``.
            mmap: copy a safetensors file into the variables straight from the system's memory of it. Variables own
                their memory, so the file is not needed any longer than loading takes. ``mmap=False`` reads it first,
                for files that others may change meanwhile.
            kwargs: options of :class:`tx_core.files.Source` (``cache_dir``, ``revision``, ``local_files_only``, …);
                fields of the configuration, which they override; arguments of the constructor.

        Returns:
            The model, with its report if asked for.

        Raises:
            WeightsError: if anything is missing but a new head, or unexpected, or of another shape.
            CheckpointError: if the file is damaged or dishonest.
            FileNotFoundError, OSError: if there is no such folder, file or repository, or it cannot be fetched.
            TypeError: if a keyword is none of these.
            ValueError: if the configuration makes no model, or ``dtype`` and ``torch_dtype`` differ.
        """
        source = Source.take(kwargs)
        dtype = take_dtype(dtype, kwargs)
        resolved, kwargs, source = resolve_config(cls, pretrained_model_name_or_path, config, source, kwargs)
        if dtype is not None:
            kwargs["dtype"] = dtype
        # No memory is filled that is overwritten next; what the file lacks is initialised afterwards.
        with skipping_initialization.on():
            model = cls(resolved, *model_args, **kwargs)
            model._build_rest()
        order = weight_files(cls.weight_table, "safe", *(("torch", "tf") if from_pt else ("tf", "torch")))
        with open_weights(
            pretrained_model_name_or_path, cls.weight_table, source, order, model._own_names(), mmap
        ) as weights:
            report = model._fill(weights, undefined=True)
        if report.newly_initialized:
            logger.warning(
                "%s: newly initialised, to be trained before use: %s", cls.__name__, ", ".join(report.newly_initialized)
            )
        return (model, report) if output_loading_info else model

    def load_weights(self, filepath: str | os.PathLike[str], *args: Any, **kwargs: Any) -> Any:
        """Fill this model from a weights file of any known format, strictly. Parameters keep their type.

        A file of Keras 3's own formats (``.weights.h5``, ``.weights.json``, ``.keras``) is left to
        ``keras.Model.load_weights``, with all further arguments.

        Raises:
            WeightsError, CheckpointError: as :meth:`from_pretrained`.
            TypeError: if there are further arguments, but the file is of another format.
        """
        self._build_rest()
        if os.fspath(filepath).endswith((".weights.h5", ".weights.json", ".keras")):
            return super().load_weights(filepath, *args, **kwargs)
        if args or kwargs:
            raise TypeError(f"load_weights takes {args or kwargs} only for Keras 3's own formats, not for {filepath}")
        order, source = weight_files(self.weight_table, "safe", "tf", "torch"), Source(local_files_only=True)
        with open_weights(filepath, self.weight_table, source, order, self._own_names()) as weights:
            return self._fill(weights)

    def _own_names(self) -> dict[str, str]:
        names = (parameter.name for parameter in named_parameters(self))
        return {name: name for name in names if self.weight_table.row(name) is None}

    def _fill(self, weights: Weights, undefined: bool = False) -> LoadReport:
        own = self._stored()
        shapes = {name: parameter.shape for name, parameter in own.items()}
        users_base = None if self._published_class else self.base_model_prefix
        report, origin = compare(weights, shapes, self.weight_table, self.new_heads, self._tied(), users_base)
        sizes = {name: math.prod(own[name].shape) * keras_dtype(own[name].variable).itemsize for name in report.loaded}
        for name in loading_bar(sizes, f"Loading {type(self).__name__}"):
            own[name].assign(weights.take(origin[name]))
            weights.give_back(origin[name])
        for name in report.newly_initialized if undefined else ():
            own[name].initialize()
        return report

    # -- saving ----------------------------------------

    def save_pretrained(
        self,
        save_directory: str | os.PathLike[str],
        format: str | None = None,
        max_shard_size: int | str | None = None,
        safe_serialization: bool | None = None,
    ) -> None:
        """Write ``config.json`` and the weights, in the published PyTorch names, for :meth:`from_pretrained`.

        All files are replaced at once: a process that is killed leaves the old model or the new one.

        Args:
            save_directory: created if need be.
            format: ``safetensors`` (the default), ``bin`` (``pytorch_model.bin``) or ``h5`` (``tf_model.h5``). The
                default is ``h5`` where ``tx_all`` stands in for ``transformers``, as programs of 2019 expect.
            max_shard_size: size beyond which safetensors files are split, in bytes or as text (``"500MB"``, of 10⁶
                bytes each); one file by default.
            safe_serialization: the same choice in other words: True for ``safetensors``, False for ``h5``.

        Raises:
            ValueError: if the format or size is none, or :meth:`from_pretrained` would refuse the file, since a layer
                is missing, wrapped, quantized, or of another size than the configuration says.
                Nothing is written then.
            NotADirectoryError: if ``save_directory`` is a file.
            FilesError: if another save of the folder does not end.
        """
        form, size = chosen_format(format, safe_serialization, "h5"), shard_size(max_shard_size)
        arrays, tied = self._arrays(), self._tied()
        names = {parameter.name for parameter in named_parameters(self)}
        if all(name.startswith(f"{self.base_model_prefix}.") for name in names):  # a bare model's have no prefix there
            start = len(self.base_model_prefix) + 1
            tied = {alias[start:]: name[start:] for alias, name in tied.items()}
            names = {name[start:] for name in names}
        save_model(
            save_directory,
            self.config,
            type(self).__name__.removeprefix("TF"),
            arrays,
            {alias: tied[alias] for alias in names if tied.get(alias) in arrays and alias not in arrays},
            self.weight_table,
            form,
            size,
        )

    def _arrays(self) -> dict[str, Callable[[], Array]]:
        """Name as a file spells it → what gives the array; tied parameters once."""
        prefix = f"{self.base_model_prefix}."
        own = written(self)
        # A bare model's file leaves the prefix out.
        start = len(prefix) if all(each.name.startswith(prefix) for each in named_parameters(self)) else 0
        return {name[start:]: parameter.read for name, parameter in own.items()}

    def save_weights(
        self, filepath: str | os.PathLike[str], overwrite: bool = True, save_format: str | None = None, **kwargs: Any
    ) -> None:
        """Write the weights to one file, which :meth:`load_weights` reads.

        Args:
            filepath: ``….weights.h5`` is written by ``keras.Model.save_weights``, in Keras 3's own format; any other
                ``.h5`` as the Keras models of 2019 wrote it, for either framework.
            overwrite: whether a file that is there is replaced.
            save_format: ``h5``, as Keras was told in 2019; there is no other.
            kwargs: further arguments of ``keras.Model.save_weights``.

        Raises:
            FileExistsError: if a file of 2019's format is there and not to be replaced.
            ValueError: if the format is another, or as :meth:`save_pretrained`.
        """
        if save_format not in (None, "h5"):
            raise ValueError(f"save_format must be 'h5', not {quoted(save_format)}")
        path = Path(filepath)
        if path.suffix != ".h5" or path.name.endswith(".weights.h5") or kwargs:
            super().save_weights(filepath, overwrite, **kwargs)
            return
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists; overwrite=True replaces it")
        write_h5(path, type(self).__name__.removeprefix("TF"), self._arrays(), self.weight_table)

    # -- changing the model ----------------------------------------

    def resize_token_embeddings(self, new_num_tokens: int | None = None) -> Any:
        """Change the size of the vocabulary; new rows and biases are the mean of the old ones.

        A model that was compiled for training has to be compiled again.

        Args:
            new_num_tokens: rows wanted, e.g. ``len(tokenizer)``; None changes nothing.

        Returns:
            The input embeddings.

        Raises:
            ValueError: if the number is not positive, an adaptive softmax scores the words, or a layer has LoRA
                weights.
        """
        embedding = self.get_input_embeddings()
        if new_num_tokens is None or new_num_tokens == embedding.input_dim:
            return embedding
        if new_num_tokens < 1:
            raise ValueError(f"new_num_tokens must be at least 1, not {new_num_tokens}")
        self._check_no_lora()
        check_scores(self, new_num_tokens)
        decoder = self.get_output_embeddings()
        for owner, name in filter(None, (self._output_bias(),)):
            resize_rows(owner, name, new_num_tokens)
        if decoder is not None:
            resize(decoder, new_num_tokens)
        resize(embedding, new_num_tokens)
        self.config.vocab_size = new_num_tokens
        self._changed()
        return embedding

    def prune_heads(self, heads_to_prune: Mapping[int, Iterable[int]]) -> None:
        """Remove attention heads for good; the configuration remembers them.

        See Michel et al. 2019, https://arxiv.org/abs/1905.10650. A model that was compiled has to be compiled again.

        Args:
            heads_to_prune: layer (negative ones count from the last) → heads, numbered as in the unpruned model.
                Heads that are gone already may be named again.

        Raises:
            ValueError: if a layer or head does not exist, no head of a layer would be left, or a layer has LoRA
                weights.
        """
        self._check_no_lora()
        for layer, kept in heads_left(self.config, heads_to_prune):
            self.base_model._prune_layer(layer, np.array(kept))
        self._changed()

    def _check_no_lora(self) -> None:
        for layer in descendants(self):
            if getattr(layer, "lora_enabled", False):
                raise ValueError(
                    f"{layer.path} has LoRA weights, which would no longer fit: change the model before enable_lora, "
                    "or save_pretrained and load it, which merges them"
                )

    def _changed(self) -> None:
        """Forget the functions that Keras traced, for variables that the model no longer has."""
        self.train_function = self.test_function = self.predict_function = None

    # -- Keras: export ----------------------------------------

    def export(self, filepath: str | os.PathLike[str], *args: Any, input_signature: Any = None, **kwargs: Any) -> None:
        """As ``keras.Model.export``, which knows neither that ids are integers nor outputs within outputs.

        Args:
            filepath: the folder to write.
            args, kwargs: further arguments of ``keras.Model.export``.
            input_signature: by default the inputs are what the architecture's tokenizer returns (``input_ids`` and
                ``attention_mask`` where there is no architecture), int32, of any size, and the outputs the model's by
                their names, without ``past``; those of a field that holds several are numbered
                (``hidden_states_0``).
        """
        if input_signature is not None:
            super().export(filepath, *args, input_signature=input_signature, **kwargs)
            return
        shape = (None,) * (len(self.dummy_inputs["input_ids"].shape) - 1)
        tokenizer: Any = self._architecture and load(self._architecture.tokenizer)
        given = tokenizer.model_input_names if tokenizer else ("input_ids", "attention_mask")
        inputs = {name: keras.Input(shape, dtype="int32", name=name) for name in given}
        names = input_names(type(self))  # type: ignore[arg-type]  # classes are hashable
        result = self(inputs, **({"use_cache": False} if "use_cache" in names else {}))
        outputs: Any = {} if hasattr(result, "_fields") else result
        for field, value in zip(getattr(result, "_fields", ()), result, strict=False):
            several = enumerate(value) if isinstance(value, tuple) else ()
            outputs.update({f"{field}_{i}": item for i, item in several} or {field: value})
        keras.Model(inputs, outputs).export(filepath, *args, **kwargs)

    # -- output ----------------------------------------

    def _output(self, rest: tuple[Any, ...] = (), **fields: Any) -> tuple[Any, ...]:
        """The named tuple of a forward pass, without the fields that are None.

        Args:
            rest: the bare model's output, of which what is not its own result is passed on.
        """
        names = getattr(type(rest), "_fields", ())
        for field in ("past", "mems", "hidden_states", "attentions"):
            if field in names:
                fields[field] = getattr(rest, field)
        return output(f"{type(self).__name__.removeprefix('TF')}Output", **fields)


def _policy(dtype: Any) -> Any:
    """A Keras policy of the name, or of a framework's type (``tf.bfloat16``), if its variables are floating-point."""
    name = dtype if isinstance(dtype, str | keras.DTypePolicy) else getattr(dtype, "name", str(dtype))
    try:
        policy = keras.dtype_policies.get(name)
    except (ValueError, TypeError):
        policy = None
    if policy is None or "float" not in str(policy.variable_dtype):
        raise ValueError(
            "dtype must be a floating-point type or policy such as 'float32', 'bfloat16' or 'mixed_bfloat16', "
            f"not {quoted(dtype)}"
        )
    return policy
