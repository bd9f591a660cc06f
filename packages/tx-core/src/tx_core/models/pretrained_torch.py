"""What every PyTorch model shares: loading, saving, resizing, pruning. Mirrored by ``pretrained_tf``."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from typing import Any, ClassVar, Literal, Self, overload

import numpy as np
import torch
from torch import Tensor, nn

from tx_core.architecture import Architecture
from tx_core.config import PretrainedConfig
from tx_core.files import WEIGHTS_NAME, Source
from tx_core.messages import quoted
from tx_core.outputs import output, plain
from tx_core.weights import LoadReport, Weights, WeightTable, compare

from . import outputs_torch as outputs_torch  # for files that name outputs
from .batches_torch import rows_first
from .checkpointing_torch import Checkpointing
from .embeddings_torch import check_embeddings, follow_embeddings
from .forward_torch import make_positions
from .layers_torch import Conv1D
from .positions_torch import SinusoidalEmbedding, Sinusoids
from .pretrained import (
    heads_left,
    loading_bar,
    open_weights,
    resolve_config,
    save_model,
    take_dtype,
    weight_files,
)
from .pruning_torch import resize_rows
from .saving import chosen_format, shard_size
from .saving_torch import without_memory, written
from .state_dict_torch import StateDict, to_array, to_tensor

logger = logging.getLogger(__name__)


class PreTrainedModel(nn.Module):
    """Base of all PyTorch models.

    The class that an architecture's models share is given its record, ``class CTRLPreTrainedModel(PreTrainedModel,
    architecture=ARCHITECTURE)``. A model of the architecture says ``published=True``: its parameters are those of the
    weight table, and what a file may lack is ``new_heads``, chains of groups of parameter names in the order of the
    forward pass (see :func:`tx_core.weights.compare`). A subclass that users write needs none of this; the modules it
    adds are newly initialised when a file does not have them.

    Attributes:
        words_at: in a bare model, the attribute path of its input embeddings.
        tables_at: input → the attribute path of the embeddings that its numbers are rows of, beside the words'.
        layers_at: the attribute path of its layers.
        attention_at: the attribute path, within a layer, of the attention whose heads can be removed.
    """

    config_class: ClassVar[type[PretrainedConfig]] = PretrainedConfig
    base_model_prefix: ClassVar[str] = ""
    weight_table: ClassVar[WeightTable]
    new_heads: ClassVar[tuple[tuple[str, ...], ...]] = ()
    pretrained_model_archive_map: ClassVar[Mapping[str, str]] = {}
    words_at: ClassVar[str] = ""
    tables_at: ClassVar[Mapping[str, str]] = {}
    layers_at: ClassVar[str] = ""
    attention_at: ClassVar[str] = ""
    make_positions = staticmethod(make_positions)

    config: Any
    _published_class: ClassVar[bool] = False

    def __init_subclass__(
        cls, architecture: Architecture | None = None, published: bool = False, **kwargs: Any
    ) -> None:
        super().__init_subclass__(**kwargs)
        cls._published_class = published
        if architecture is not None:
            for name, value in architecture.class_attributes(WEIGHTS_NAME).items():
                setattr(cls, name, value)

    def __init__(self, config: PretrainedConfig) -> None:
        super().__init__()
        if not isinstance(config, PretrainedConfig):
            raise TypeError(
                f"{type(self).__name__}(config) takes a configuration, not {quoted(config)}; "
                f"for a name or folder use {type(self).__name__}.from_pretrained(…)"
            )
        config.validate()
        config.validate_relations()
        self.config = config
        self._outermost = True
        self._skip_padding = True

    # -- shape of the model ----------------------------------------

    @property
    def base_model(self) -> PreTrainedModel:
        """The bare model inside (or this one, if it is bare)."""
        base = getattr(self, self.base_model_prefix, self)
        return base if isinstance(base, PreTrainedModel) else self

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The parameters' floating-point type."""
        return next(self.parameters()).dtype

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """Token ids (3, 5) with which any model of this library can be called."""
        ids = [[7, 6, 0, 0, 1], [1, 2, 3, 0, 0], [0, 0, 0, 4, 5]]
        return {"input_ids": torch.tensor(ids, device=self.device)}

    @property
    def skip_padding(self) -> bool:
        """Whether padding is left out of the computation. It is unless this, or the argument of a call, is False.

        The bare model then goes on with the real tokens of a batch alone. That needs an ``attention_mask`` (B, S) whose
        values are known, no head mask, no past, no encoder's states, and no attentions to be returned. Results at real
        tokens are the same; returned states are zero at the others. Hooks on layers see (tokens, H), not (B, S, H).
        Padding is computed after all where a loss or an answer depends on it: in question answering, and with labels
        for padding that are not -100.
        """
        return self.base_model._skip_padding

    @skip_padding.setter
    def skip_padding(self, value: bool) -> None:
        self.base_model._skip_padding = value

    def num_parameters(self, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:
        """Number of parameters, tied ones counted once.

        Args:
            only_trainable: leave out those that are frozen.
            exclude_embeddings: leave out the tables that ids are looked up in, of words, positions and segments.
        """
        tables = {id(m.weight) for m in self.modules() if exclude_embeddings and isinstance(m, nn.Embedding)}
        counted = (p for p in self.parameters() if id(p) not in tables and (p.requires_grad or not only_trainable))
        return sum(parameter.numel() for parameter in counted)

    def get_input_embeddings(self) -> nn.Module:
        """The layer that turns token ids into vectors."""
        owner, name = self._words_owner()
        found: nn.Module = getattr(owner, name)
        return found

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the layer that turns token ids into vectors; tied output embeddings follow it.

        ``config.vocab_size`` becomes its number of tokens. The bias over the vocabulary keeps its numbers; new ones
        are their mean.

        Args:
            value: an ``nn.Embedding``. Where no output embeddings are tied to it, any module that turns ids into
                vectors. If their width is not that of the hidden states, calling the model is an error.

        Raises:
            TypeError: if output embeddings are to be tied to something else than an ``nn.Embedding``.
            ValueError: if output embeddings that are not tied score another number of tokens.
        """
        owner, name = self._words_owner()
        check_embeddings(self, value)
        setattr(owner, name, value)
        follow_embeddings(self, value)
        self.tie_weights()

    def _words_owner(self) -> tuple[nn.Module, str]:
        base = self.base_model
        if not base.words_at:
            raise NotImplementedError(f"{type(self).__name__} has no input embeddings")
        path, _, name = base.words_at.rpartition(".")
        return base.get_submodule(path), name

    def rows_of(self, name: str) -> tuple[int | None, str]:
        """How many numbers an input may hold, from 0 on, and what they are, as :func:`check_ids` takes both.

        There are as many as the table has rows that they are looked up in. None if there is no limit.
        """
        path = {"input_ids": self.words_at, **self.tables_at}.get(name)
        if path is None:
            return (getattr(self.config, "max_position_embeddings", None) if name == "position_ids" else None), ""
        is_words = path == self.words_at
        rows = getattr(self.get_submodule(path), "num_embeddings", self.config.vocab_size if is_words else None)
        return rows, "words" if is_words else ""

    def get_output_embeddings(self) -> nn.Linear | None:
        """The layer that scores the vocabulary; None if the model has none."""
        return None

    def _word_embeddings(self) -> nn.Embedding:
        embeddings = self.get_input_embeddings()
        if not isinstance(embeddings, nn.Embedding):
            raise NotImplementedError(
                f"the input embeddings of {type(self).__name__} are {type(embeddings).__name__}, not nn.Embedding: "
                "they can be neither tied nor resized"
            )
        return embeddings

    def _output_bias(self) -> tuple[nn.Module, str] | None:
        """Module and attribute of the bias over the vocabulary, if there is one: the output embeddings' by default."""
        decoder = self.get_output_embeddings()
        return None if decoder is None or decoder.bias is None else (decoder, "bias")

    def finish(self, hidden_states: Tensor) -> Tensor:
        """What the last layer's states become in a bare model. They stay as they are unless it says otherwise."""
        return hidden_states

    def layer_calls(self) -> Iterable[Callable[..., Any]]:
        """A bare model's layers in order, each called with the hidden states and its ``LayerContext``."""
        layers: Any = self.get_submodule(self.layers_at)
        return iter(layers)

    # -- initialisation and tying ----------------------------------------

    def _init_weights(self, module: nn.Module) -> None:
        """Initialise one module's own parameters; an architecture whose original code differs has its own.

        Weights are normal with ``config.initializer_range``, normalisations the identity, biases 0.
        """
        if isinstance(module, SinusoidalEmbedding):
            module.compute()
        elif isinstance(module, nn.Linear | nn.Embedding | Conv1D):
            module.weight.data.normal_(mean=0.0, std=self.config.initializer_range)
        elif isinstance(module, nn.LayerNorm):
            module.weight.data.fill_(1.0)
        if (bias := module._parameters.get("bias")) is not None:
            bias.data.zero_()

    def init_weights(self) -> None:
        """Initialise all weights and tie those that are shared. Every model calls it at the end of its constructor."""
        if self.base_model is not self:
            self.base_model._outermost = False
        if not any(parameter.is_meta for parameter in self.parameters()):
            self.apply(self._init_weights)
        self.tie_weights()

    def tie_weights(self) -> None:
        """Make the output embeddings the input embeddings; with ``config.torchscript`` a copy of them."""
        decoder = self.get_output_embeddings()
        if decoder is None or not self.config.tie_word_embeddings:
            return
        embedding = self._word_embeddings().weight
        decoder.weight = nn.Parameter(embedding.detach().clone()) if self.config.torchscript else embedding

    def _tied(self) -> dict[str, str]:
        """alias → parameter, in published names, of what is one parameter in this model."""
        has_output = self.get_output_embeddings() is not None
        return self.weight_table.ties(
            self.config, has_output, lambda: {self._published(name) for name, _ in self.named_parameters()}
        )

    @property
    def _keys_to_ignore_on_save(self) -> list[str]:
        """Names of the state dict that files leave out. The Trainer of ``transformers`` asks for it when it resumes."""
        tied = self._tied()
        return [name for name in self.state_dict() if self._published(name) in tied]

    # -- names ----------------------------------------

    def _published(self, name: str) -> str:
        """A parameter's own name → its published name with prefix."""
        return f"{self.base_model_prefix}.{name}" if self.base_model is self else name

    def _stored(self) -> dict[str, Tensor]:
        """Own name → parameter or buffer that a checkpoint holds; tied ones once."""
        saved = self.state_dict(keep_vars=True)
        own: dict[str, Tensor] = dict(self.named_parameters())
        own.update({name: buffer for name, buffer in self.named_buffers() if name in saved})
        return own

    # -- loading ----------------------------------------

    @overload
    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str] | None,
        *model_args: Any,
        config: PretrainedConfig | str | os.PathLike[str] | None = None,
        state_dict: Mapping[str, Tensor] | None = None,
        from_tf: bool = False,
        output_loading_info: Literal[False] = False,
        dtype: torch.dtype | str | None = None,
        device: torch.device | str | None = None,
        mmap: bool = True,
        **kwargs: Any,
    ) -> Self: ...
    @overload
    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str] | None,
        *model_args: Any,
        output_loading_info: Literal[True],
        **kwargs: Any,
    ) -> tuple[Self, LoadReport]: ...
    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str] | None,
        *model_args: Any,
        config: PretrainedConfig | str | os.PathLike[str] | None = None,
        state_dict: Mapping[str, Tensor] | None = None,
        from_tf: bool = False,
        output_loading_info: bool = False,
        dtype: torch.dtype | str | None = None,
        device: torch.device | str | None = None,
        mmap: bool = True,
        **kwargs: Any,
    ) -> Self | tuple[Self, LoadReport]:
        """Load a model, strictly: what the file has and what the model wants must be the same, a new head apart.

        Args:
            pretrained_model_name_or_path: a folder, a weights file (with ``config``), a name on the hub, or a URL; None
                where both ``config`` and ``state_dict`` are given.
            model_args: further arguments of the constructor.
            config: a configuration, or where to find it; by default beside the weights.
            state_dict: weights to use instead of the file's.
            from_tf: take TensorFlow's files (``tf_model.h5``, a TensorFlow 1 checkpoint) before PyTorch's.
            output_loading_info: return ``(model, LoadReport)``.
            dtype: floating-point type of the parameters, ``torch.float32`` by default; a type or its name. It may be
                called ``torch_dtype``.
            device: where the parameters are put.
            mmap: let parameters on the CPU be the memory of a safetensors file, where it has the wanted type. Pages are
                read when they are first used, and shared with other processes. Training changes a copy in memory, never
                the file. The file may be replaced, as :meth:`save_pretrained` does, or deleted. Its bytes must not be
                changed or cut off as long as the model lives: parameters would change too, or the process end.
                ``mmap=False`` copies, for files that others may change.
            kwargs: options of :class:`tx_core.files.Source` (``cache_dir``, ``revision``, ``local_files_only``, …);
                fields of the configuration, which they override; arguments of the constructor.

        Returns:
            The model in evaluation mode, with its report if asked for.

        Raises:
            WeightsError: if anything is missing but a new head, or unexpected, or of another shape.
            CheckpointError: if the file is damaged or dishonest.
            FileNotFoundError, OSError: if there is no such folder, file or repository, or it cannot be fetched.
            TypeError: if a keyword is none of these.
            ValueError: if the configuration makes no model, or ``dtype`` and ``torch_dtype`` differ.
        """
        if pretrained_model_name_or_path is None and (config is None or state_dict is None):
            raise ValueError("pretrained_model_name_or_path is None: then both config and state_dict are needed")
        name_or_path = pretrained_model_name_or_path or ""
        source = Source.take(kwargs)
        dtype = take_dtype(dtype, kwargs)
        resolved, kwargs, source = resolve_config(cls, name_or_path, config, source, kwargs)
        # A published class takes all but its new heads from the file: no memory is filled that is overwritten next.
        with without_memory() if cls._published_class else nullcontext():
            model = cls(resolved, *model_args, **kwargs)
        if state_dict is not None:
            weights = Weights(StateDict(state_dict), cls.weight_table, model._own_names(), "the given state_dict")
        else:
            order = weight_files(cls.weight_table, *(("tf", "safe", "torch") if from_tf else ("safe", "torch", "tf")))
            weights = open_weights(name_or_path, cls.weight_table, source, order, model._own_names(), mmap)
        with weights:
            report = model._fill(weights, _dtype(dtype), torch.device(device or "cpu"))
        if report.newly_initialized:
            logger.warning(
                "%s: newly initialised, to be trained before use: %s", cls.__name__, ", ".join(report.newly_initialized)
            )
        model.eval()
        return (model, report) if output_loading_info else model

    def load_weights(self, path: str | os.PathLike[str]) -> LoadReport:
        """Fill this model in place from a weights file of any known format, strictly.

        Raises:
            WeightsError, CheckpointError, OSError: as :meth:`from_pretrained`.
        """
        source = Source(local_files_only=True)
        order = weight_files(self.weight_table, "safe", "torch", "tf")
        with open_weights(path, self.weight_table, source, order, self._own_names()) as weights:
            return self._fill(weights, self.dtype, self.device)

    def _own_names(self) -> dict[str, str]:
        every = (*self._stored(), *(name for name, _ in self.named_parameters(remove_duplicate=False)))
        published = {name: self._published(name) for name in every}
        return {name: full for name, full in published.items() if self.weight_table.row(full) is None}

    def _fill(self, weights: Weights, dtype: torch.dtype, device: torch.device) -> LoadReport:
        tied = self._tied()
        # Clones (torchscript) are not loaded: tie_weights makes them again.
        own = {name: tensor for name, tensor in self._stored().items() if self._published(name) not in tied}
        names = {self._published(name): name for name in own}
        shapes = {full: tuple(own[name].shape) for full, name in names.items()}
        users_base = None if self._published_class else self.base_model_prefix
        report, origin = compare(weights, shapes, self.weight_table, self.new_heads, tied, users_base)
        with torch.no_grad():
            sizes = {full: own[names[full]].nbytes for full in report.loaded}
            for full in loading_bar(sizes, f"Loading {type(self).__name__}"):
                array = weights.take(origin[full])
                tensor = to_tensor(array)
                if own[names[full]].is_meta:
                    tensor = tensor.to(device, dtype)
                    _replace(self, names[full], tensor)
                else:
                    tensor = own[names[full]].copy_(tensor)
                if tensor.data_ptr() != array.ctypes.data:
                    weights.give_back(origin[full])
            new = [names[full] for full in report.newly_initialized if own[names[full]].is_meta]
            for name in new:
                _replace(self, name, torch.empty(own[name].shape, device=device, dtype=dtype))
            # Groups of new parameters are whole, so the modules that own them hold nothing that was loaded.
            for owner in dict.fromkeys(name.rpartition(".")[0] for name in new):
                self._init_weights(self.get_submodule(owner))
        for module in self.modules():
            if isinstance(module, Sinusoids) and module.table.is_meta:  # in no file
                module.to_empty(device=device)
        self.tie_weights()
        self.to(device=device, dtype=dtype)
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
                default is ``bin`` where ``tx_all`` stands in for ``transformers``, as programs of 2019 expect.
            max_shard_size: size beyond which safetensors files are split, in bytes or as text (``"500MB"``, of 10⁶
                bytes each); one file by default.
            safe_serialization: the same choice in other words: True for ``safetensors``, False for ``bin``.

        Raises:
            ValueError: if the format or size is none, or :meth:`from_pretrained` would refuse the file, since a layer
                is missing, wrapped, pruned, parametrized, quantized, or of another size than the configuration says.
                Nothing is written then.
            NotADirectoryError: if ``save_directory`` is a file.
            FilesError: if another save of the folder does not end.
        """
        form, size = chosen_format(format, safe_serialization, "bin"), shard_size(max_shard_size)
        own = written(self)
        tied = {alias: name for alias, name in self._tied().items() if alias not in map(self._published, own)}
        base = {self._published(name): name for name in own}
        seconds = {name: tied.get(self._published(name)) for name in self.state_dict()}
        aliases = {name: base[first] for name, first in seconds.items() if first in base}
        arrays = {name: _reader(tensor) for name, tensor in own.items()}
        save_model(
            save_directory,
            self.config,
            type(self).__name__,
            arrays,
            aliases,
            self.weight_table,
            form,
            size,
        )

    # -- changing the model ----------------------------------------

    def resize_token_embeddings(self, new_num_tokens: int | None = None) -> nn.Module:
        """Change the size of the vocabulary; new rows and biases are the mean of the old ones.

        Args:
            new_num_tokens: rows wanted, e.g. ``len(tokenizer)``; None changes nothing.

        Returns:
            The input embeddings.

        Raises:
            ValueError: if the number is not positive, or an adaptive softmax scores the words.
        """
        old = self._word_embeddings()
        if new_num_tokens is None or new_num_tokens == old.weight.shape[0]:
            return old
        if new_num_tokens < 1:
            raise ValueError(f"new_num_tokens must be at least 1, not {new_num_tokens}")
        padding = old.padding_idx if old.padding_idx is not None and old.padding_idx < new_num_tokens else None
        with torch.device("meta"):
            new = nn.Embedding(new_num_tokens, old.weight.shape[1], padding)
        new.weight = resize_rows(old.weight, new_num_tokens)
        decoder = self.get_output_embeddings()
        if decoder is not None and not self.config.tie_word_embeddings:
            decoder.weight, decoder.out_features = resize_rows(decoder.weight, new_num_tokens), new_num_tokens
        self.set_input_embeddings(new)
        return new

    def prune_heads(self, heads_to_prune: Mapping[int, Iterable[int]]) -> None:
        """Remove attention heads for good; the configuration remembers them.

        See Michel et al. 2019, https://arxiv.org/abs/1905.10650.

        Args:
            heads_to_prune: layer (negative ones count from the last) → heads, numbered as in the unpruned model.
                Heads that are gone already may be named again.

        Raises:
            ValueError: if a layer or head does not exist, or no head of a layer would be left.
        """
        for layer, kept in heads_left(self.config, heads_to_prune):
            self.base_model._prune_layer(layer, torch.tensor(kept, device=self.device))

    def _prune_layer(self, layer: int, kept: Tensor) -> None:
        """Keep the heads at the given positions of a layer."""
        if not self.attention_at:
            raise NotImplementedError(f"{type(self).__name__} does not support the removal of heads")
        attention: Any = self.get_submodule(f"{self.layers_at}.{layer}.{self.attention_at}")
        attention.prune(kept)

    def gradient_checkpointing_enable(
        self,
        gradient_checkpointing_kwargs: Mapping[str, Any] | None = None,
        every_n_layers: int = 1,
        offload: bool = False,
    ) -> None:
        """Recompute layers in the backward pass rather than keep what they computed.

        See Chen et al. 2016, https://arxiv.org/abs/1604.06174.

        Args:
            gradient_checkpointing_kwargs: options of ``torch.utils.checkpoint.checkpoint``, such as ``use_reentrant``,
                which is False by default.
            every_n_layers: 1 for all layers, 2 for the first, the third, …
            offload: hold what these layers read in the memory of the CPU meanwhile.

        Raises:
            TypeError: if there is no such option.
            ValueError: if ``every_n_layers`` is less than 1.
            NotImplementedError: if the model has no layers to recompute.
        """
        checkpointing = Checkpointing.of(gradient_checkpointing_kwargs, every_n_layers, offload)
        for stack in self._stacks():
            stack.gradient_checkpointing, stack.checkpointing = True, checkpointing

    def gradient_checkpointing_disable(self) -> None:
        """Keep what the layers computed for the backward pass, as is the default."""
        for stack in self._stacks():
            stack.gradient_checkpointing = False

    @property
    def is_gradient_checkpointing(self) -> bool:
        """Whether layers are recomputed in the backward pass."""
        return any(getattr(module, "gradient_checkpointing", False) for module in self.modules())

    def _stacks(self) -> list[Any]:
        """The modules that hold layers."""
        stacks = [module for module in self.modules() if hasattr(type(module), "gradient_checkpointing")]
        if not stacks:
            raise NotImplementedError(f"{type(self).__name__} does not support gradient checkpointing")
        return stacks

    # -- output ----------------------------------------

    def _replicate_for_data_parallel(self) -> Any:
        replica: Any = super()._replicate_for_data_parallel()
        if self._outermost and not self.config.torchscript:
            replica.forward = rows_first(replica)
        return replica

    def _output(self, return_dict: bool | None = None, rest: tuple[Any, ...] = (), **fields: Any) -> tuple[Any, ...]:
        """The named tuple of a forward pass, without the fields that are None; plain for TorchScript.

        Args:
            return_dict: False for a plain tuple.
            rest: the bare model's output, of which what is not its own result is passed on.
        """
        names = getattr(type(rest), "_fields", ())
        for field in ("past", "mems", "hidden_states", "attentions"):
            if field in names:
                fields[field] = getattr(rest, field)
        outputs = output(f"{type(self).__name__}Output", **fields)
        without_names = return_dict is False or (self.config.torchscript and self._outermost)
        return plain(outputs) if without_names else outputs


def _reader(tensor: Tensor) -> Callable[[], np.ndarray[Any, Any]]:
    return lambda: to_array(tensor)


def _replace(module: nn.Module, name: str, tensor: Tensor) -> None:
    path, _, leaf = name.rpartition(".")
    owner = module.get_submodule(path)
    if leaf in owner._parameters:
        setattr(owner, leaf, nn.Parameter(tensor, requires_grad=owner._parameters[leaf].requires_grad))  # type: ignore[union-attr]
    else:
        setattr(owner, leaf, tensor)


def _dtype(dtype: torch.dtype | str | None) -> torch.dtype:
    if dtype is None:
        return torch.float32
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise ValueError(
            f"dtype must be a floating-point type such as 'float32', 'bfloat16' or 'float16', not {quoted(dtype)}"
        )
    return found
