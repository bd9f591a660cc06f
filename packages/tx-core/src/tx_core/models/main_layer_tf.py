"""The bare model in Keras: as a layer, which models with a head hold, and as a model by itself.

In PyTorch a bare model is a module like any other, and both are one class.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np

from tx_core.architecture import Architecture, load
from tx_core.config import PretrainedConfig
from tx_core.outputs import output, plain

from .forward_tf import make_positions
from .inputs_tf import NamedInputs
from .layers_tf import Module, descendants
from .pruning_tf import replace_layer


def part(layer: Any, path: str) -> Any:
    """The layer at an attribute path within a layer; itself if that is empty."""
    for name in filter(None, path.split(".")):
        layer = getattr(layer, name)
    return layer


def share_policy(whole: Any) -> None:
    # Layers take their types from Keras's global policy; a type given to the whole goes for all its layers.
    if whole.dtype_policy != keras.config.dtype_policy():
        for layer in descendants(whole):
            layer.dtype_policy = whole.dtype_policy


class TFMainLayer(NamedInputs, Module):
    """Base of the layers that are a bare model, which every model with a head holds.

    A concrete layer is given its architecture's record, ``class TFCTRLMainLayer(TFMainLayer,
    architecture=ARCHITECTURE)``.

    Attributes:
        words_at: the attribute path of the input embeddings.
        tables_at: input → the attribute path of the embeddings that its numbers are rows of, beside the words'.
        layers_at: the attribute path of the layers.
        attention_at: the attribute path, within a layer, of the attention whose heads can be removed.
    """

    config_class: ClassVar[type[PretrainedConfig]] = PretrainedConfig
    words_at: ClassVar[str] = ""
    tables_at: ClassVar[Mapping[str, str]] = {}
    layers_at: ClassVar[str] = ""
    attention_at: ClassVar[str] = ""
    make_positions = staticmethod(make_positions)

    config: Any

    def __init_subclass__(cls, architecture: Architecture | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if architecture is not None:
            cls.config_class = load(architecture.config)  # type: ignore[assignment]
        keras.saving.register_keras_serializable(cls.__module__.partition(".")[0])(cls)

    def __init__(self, config: PretrainedConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.config = config

    def get_input_embeddings(self) -> Any:
        """The layer that turns token ids into vectors."""
        if not self.words_at:
            raise NotImplementedError(f"{type(self).__name__} has no input embeddings")
        return part(self, self.words_at)

    def set_input_embeddings(self, value: Any) -> None:
        """Replace the layer that turns token ids into vectors."""
        path, _, name = self.words_at.rpartition(".")
        replace_layer(part(self, path), name, value)

    def rows_of(self, name: str) -> tuple[int | None, str]:
        """How many numbers an input may hold, from 0 on, and what they are, as :func:`check_ids` takes both.

        There are as many as the table has rows that they are looked up in. None if there is no limit.
        """
        path = {"input_ids": self.words_at, **self.tables_at}.get(name)
        if path is None:
            return (getattr(self.config, "max_position_embeddings", None) if name == "position_ids" else None), ""
        is_words = path == self.words_at
        rows = getattr(part(self, path), "input_dim", self.config.vocab_size if is_words else None)
        return rows, "words" if is_words else ""

    def _prune_layer(self, layer: int, kept: np.ndarray[Any, Any]) -> None:
        """Keep the heads at the given positions of a layer."""
        if not self.attention_at:
            raise NotImplementedError(f"{type(self).__name__} does not support the removal of heads")
        part(part(self, self.layers_at)[layer], self.attention_at).prune(kept)

    def finish(self, hidden_states: Any) -> Any:
        """What the last layer's states become. They stay as they are unless the architecture says otherwise."""
        return hidden_states

    def layer_calls(self) -> Iterable[Callable[..., Any]]:
        """The layers in order, each called with the hidden states and, by name, its ``LayerContext``."""
        return iter(part(self, self.layers_at))

    def _output(self, return_dict: bool | None = None, **fields: Any) -> tuple[Any, ...]:
        """The named tuple of a forward pass, without the fields that are None; plain if ``return_dict`` is False."""
        name = type(self).__name__.removeprefix("TF").replace("MainLayer", "Model")
        outputs = output(f"{name}Output", **fields)
        return plain(outputs) if return_dict is False else outputs

    def build(self, input_shape: Any = None) -> None:
        """Create all variables; no input is needed for it."""
        share_policy(self)
        super().build(input_shape)

    def get_config(self) -> dict[str, Any]:
        """What :meth:`from_config` builds the same layer from (without its weights)."""
        policy = keras.dtype_policies.serialize(self.dtype_policy)
        return {"config": self.config.to_dict(), "name": self.name, "trainable": self.trainable, "dtype": policy}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A layer with the configuration that :meth:`get_config` gave."""
        return cls(cls.config_class.from_dict(config["config"]), **{k: v for k, v in config.items() if k != "config"})


class TFBareModel:
    """A bare model by itself: it takes the inputs of its main layer, and gives what that gives.

    Attributes:
        main: the class of the main layer; a concrete class states it.
    """

    main: ClassVar[type[TFMainLayer]]

    if TYPE_CHECKING:  # given by the model that an architecture's class is, too
        base_model_prefix: ClassVar[str]
        init_weights: Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "main" not in vars(cls):
            return

        def call(self: Any, **inputs: Any) -> Any:
            return getattr(self, self.base_model_prefix)(**inputs)

        call.__signature__ = inspect.signature(cls.main.call)  # type: ignore[attr-defined]
        call.__doc__ = cls.main.call.__doc__
        call.__qualname__ = f"{cls.__qualname__}.call"
        cls.call = call  # type: ignore[attr-defined]

    def __init__(self, config: PretrainedConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)  # type: ignore[call-arg]
        setattr(self, self.base_model_prefix, self.main(config, name=self.base_model_prefix))
        self.init_weights()
