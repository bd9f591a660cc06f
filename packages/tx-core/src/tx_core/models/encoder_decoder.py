"""An encoder and a decoder that attends to its states as one model: the half that needs no framework.

Arguments that begin with ``encoder_`` or ``decoder_`` go to that part, without the prefix; others go to both.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from tx_core import auto
from tx_core.architecture import Architecture, find, installed
from tx_core.config import PretrainedConfig, read_config
from tx_core.files import CONFIG_NAME, Source, locate, saving
from tx_core.messages import quoted
from tx_core.outputs import NOTHING, output

PARTS = ("encoder", "decoder")

Name = str | os.PathLike[str]


def routed(named: Mapping[str, Any], part: str) -> dict[str, Any]:
    """The keyword arguments of a part: those of both parts, and over them its own, without the prefix."""
    prefixes = tuple(f"{each}_" for each in PARTS)
    own = f"{part}_"
    common = {name: value for name, value in named.items() if not name.startswith(prefixes)}
    return common | {name.removeprefix(own): value for name, value in named.items() if name.startswith(own)}


def cross_attended(given: dict[str, Any], states: Any, mask: Any) -> dict[str, Any]:
    """The arguments of the decoder, with the encoder's states and its attention mask.

    Raises:
        ValueError: if the mask is (B, K, K), which says nothing of the decoder's tokens.
    """
    given = {"encoder_attention_mask": mask, **given, "encoder_hidden_states": states}
    if given["encoder_attention_mask"] is mask and mask is not None and len(mask.shape) == 3:
        raise ValueError(
            f"encoder_attention_mask has shape {tuple(mask.shape)}, and the decoder's tokens are none of its rows: "
            "give decoder_encoder_attention_mask too, (batch, encoder's sequence), of what they may attend to"
        )
    return given


def joined(name: str, decoded: tuple[Any, ...], encoded: tuple[Any, ...]) -> tuple[Any, ...]:
    """The decoder's outputs and then the encoder's, whose fields begin with ``encoder_``; plain if a part's are."""
    if any(each and not hasattr(each, "_fields") for each in (decoded, encoded)):
        return (*decoded, *encoded)
    names = (*getattr(decoded, "_fields", ()), *(f"encoder_{field}" for field in getattr(encoded, "_fields", ())))
    values = (NOTHING if value is None else value for value in (*decoded, *encoded))
    joined_outputs: tuple[Any, ...] = output(name, **dict(zip(names, values, strict=True)))
    return joined_outputs


def check_parts(title: str, encoder: Any, decoder: Any) -> None:
    """Check that two models go together. Of a part that is no model of tx nothing is known.

    Raises:
        ValueError: if the encoder is a decoder, the decoder has no attention to an encoder, or their widths differ.
    """
    read, written = (getattr(each, "config", None) for each in (encoder, decoder))
    if isinstance(read, PretrainedConfig) and read.is_decoder:
        raise ValueError(
            f"the encoder of {title} is a decoder: build or load {type(encoder).__name__} with is_decoder=False"
        )
    if isinstance(written, PretrainedConfig) and not (
        written.is_decoder and getattr(written, "has_cross_attention", False)
    ):
        record = find(written.model_type) if written.model_type in installed() else None
        if record is None or not record.decodes:
            raise ValueError(_cannot_decode(written.model_type))
        raise ValueError(
            f"the decoder of {title} does not attend to an encoder: build or load {type(decoder).__name__} with "
            "is_decoder=True, and not with add_cross_attention=False"
        )
    if isinstance(read, PretrainedConfig) and isinstance(written, PretrainedConfig):
        widths = read.hidden_size, written.hidden_size
        if widths[0] != widths[1]:
            raise ValueError(
                f"the encoder's hidden_size is {widths[0]} and the decoder's {widths[1]}: its attention to the "
                "encoder's states needs the same"
            )


def _cannot_decode(model_type: str) -> str:
    able = ", ".join(each for each in installed() if find(each).decodes) or "none"
    return (
        f"{quoted(model_type)} cannot be the decoder of an encoder: its layers have no attention to another model's "
        f"states. Of the installed architectures these can: {able}"
    )


def told(name_or_path: Name, given: Mapping[str, Any]) -> str | None:
    """The model type of what a name stands for, as far as it is known without a request; None if it is not.

    Args:
        given: the keywords of ``from_pretrained``, of which ``config`` and ``subfolder`` are heeded.
    """
    config = given.get("config")
    if isinstance(config, PretrainedConfig):
        return config.model_type
    name = os.fspath(name_or_path if config is None else config)
    if os.path.exists(name) or os.path.isfile(f"{name}.index"):
        path = auto._config_path(name, {"subfolder": given.get("subfolder")})
        model_type = None if path is None else read_config(path).get("model_type")
        if model_type is not None:
            return str(model_type)
    return auto._from_name(name)


def _record(name_or_path: Name, given: Mapping[str, Any]) -> Architecture:
    """The record of the architecture of what a name stands for. Errors are those of ``AutoConfig.from_pretrained``."""
    model_type = told(name_or_path, given)
    if model_type is None:
        config = given.get("config")
        options = {name: given[name] for name in (*Source.names(), "use_auth_token") if name in given}
        where = name_or_path if config is None else config
        model_type = str(auto.AutoConfig.from_pretrained(where, **options).model_type)
    return find(model_type)


def _in_subfolder(given: Mapping[str, Any], part: str) -> dict[str, Any]:
    """The keywords of ``from_pretrained`` for a part that lies in the subfolder of its name."""
    return {**given, "subfolder": "/".join(filter(None, (given.get("subfolder"), part)))}


def _fixed(given: Mapping[str, Any], part: str, architecture: Architecture) -> dict[str, Any]:
    """The keywords of ``from_pretrained``, with the fields that make a model the part."""
    fields: dict[str, Any] = {"is_decoder": part == "decoder"}
    if architecture.decodes:
        fields["add_cross_attention"] = True if part == "decoder" else None
    for name, value in fields.items():
        if given.get(name) not in (None, value):
            raise ValueError(f"{name} is {quoted(given[name])}, but the {part} is loaded with {name}={value}")
    return {**given, **fields}


class EncoderDecoder:
    """The half of ``PreTrainedEncoderDecoder`` and ``TFPreTrainedEncoderDecoder`` that needs no framework."""

    # The classes of tx_core.auto that load the parts.
    _loaders: ClassVar[Mapping[str, str]]

    encoder: Any
    decoder: Any

    @classmethod
    def from_pretrained(
        cls,
        encoder_pretrained_model_name_or_path: Name | None = None,
        decoder_pretrained_model_name_or_path: Name | None = None,
        *model_args: Any,
        **kwargs: Any,
    ) -> Any:
        """Load an encoder, and a decoder with a language model head.

        The decoder is loaded with ``is_decoder=True``. A file that is not a decoder's has no weights for the attention
        to an encoder: they are newly initialised, as the decoder's LoadReport says. An architecture that cannot decode
        is refused before any weights are read, and without a request where its name, or a file here, tells it.

        Args:
            encoder_pretrained_model_name_or_path: a folder, a weights file, a name on the hub, or a URL, as
                ``AutoModel.from_pretrained`` takes it. Alone, it is a folder or repository that
                :meth:`save_pretrained` wrote, with both parts in its subfolders.
            decoder_pretrained_model_name_or_path: the same for ``AutoModelWithLMHead.from_pretrained``.
            model_args: further arguments of both models' constructors.
            kwargs: arguments of both ``from_pretrained``, or with the prefix ``encoder_`` or ``decoder_`` of one. A
                part's own go before those of both. ``encoder_model`` and ``decoder_model`` are models that are there,
                to be used as they are. With ``output_loading_info=True`` (of both) the reports are returned too.

        Returns:
            The model, in evaluation mode in PyTorch; with ``output_loading_info`` ``(model, {"encoder": LoadReport,
            "decoder": LoadReport})``, None for a part that was given as a model.

        Raises:
            ValueError: if a part is not given, the decoder's architecture cannot decode, the hidden sizes differ, or
                a keyword would make a part what it is not.
            WeightsError, CheckpointError, OSError, TypeError, ImportError: as those of the Auto classes.
        """
        models = {part: kwargs.pop(f"{part}_model", None) for part in PARTS}
        wants_reports = kwargs.pop("output_loading_info", False)
        given = {part: routed(kwargs, part) for part in PARTS}
        names = {"encoder": encoder_pretrained_model_name_or_path, "decoder": decoder_pretrained_model_name_or_path}
        if names["decoder"] is None and models == {"encoder": None, "decoder": None}:
            names["decoder"] = names["encoder"]
            given = {part: _in_subfolder(given[part], part) for part in PARTS}
            _check_subfolders(cls.__name__, names["encoder"], given)
        # The decoder first: nothing of the encoder is loaded for one that cannot decode.
        for part in (each for each in reversed(PARTS) if models[each] is None):
            name = names[part]
            if name is None:
                raise ValueError(f"{cls.__name__}.from_pretrained needs {part}_pretrained_model_name_or_path")
            record = _record(name, given[part])
            if part == "decoder" and not record.decodes:
                raise ValueError(f"{quoted(os.fspath(name))}: {_cannot_decode(record.model_type)}")
            given[part] = _fixed(given[part], part, record)
        reports = dict.fromkeys(PARTS)
        for part in (each for each in PARTS if models[each] is None):
            loader: Any = getattr(auto, cls._loaders[part])
            models[part], reports[part] = loader.from_pretrained(
                names[part], *model_args, output_loading_info=True, **given[part]
            )
        model = cls(models["encoder"], models["decoder"])  # type: ignore[call-arg]
        model._loaded()
        return (model, reports) if wants_reports else model

    def _loaded(self) -> None:
        """What is left to do when both parts are loaded."""

    def save_pretrained(self, save_directory: Name, **kwargs: Any) -> None:
        """Write the parts into the subfolders ``encoder`` and ``decoder``, for :meth:`from_pretrained`.

        A part that cannot be saved leaves the other as it was.

        Args:
            save_directory: created if need be.
            kwargs: arguments of the parts' ``save_pretrained``, such as ``format``.

        Raises:
            ValueError, NotADirectoryError, FilesError: as those of the parts' ``save_pretrained``.
        """
        folder = Path(save_directory)
        if folder.is_file():
            raise NotADirectoryError(f"save_pretrained needs a folder, and {str(folder)!r} is a file")
        first, second = (folder / part for part in PARTS)
        first.mkdir(parents=True, exist_ok=True)
        with saving(first):  # takes the place of what is there when the decoder has been written
            self.encoder.save_pretrained(first, **kwargs)
            self.decoder.save_pretrained(second, **kwargs)


def _check_subfolders(title: str, name: Name | None, given: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise ValueError unless a folder or repository has both parts in its subfolders."""
    if name is None:
        raise ValueError(f"{title}.from_pretrained needs encoder_pretrained_model_name_or_path")
    for part in PARTS:
        if locate(name, [CONFIG_NAME], Source.take(dict(given[part]))) is None:
            raise ValueError(
                f"{os.fspath(name)!r} has no {given[part]['subfolder']}/{CONFIG_NAME}, which {title}.save_pretrained "
                f"writes: give {title}.from_pretrained an encoder and a decoder"
            )


class SameModel(EncoderDecoder):
    """The half of ``Model2Model`` and ``TFModel2Model`` that needs no framework.

    Attributes:
        model_types: the model types that are taken: that of 2019. The base class takes every architecture that decodes.
    """

    model_types: ClassVar[tuple[str, ...]] = ("bert",)

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls, pretrained_model_name_or_path: Name, *model_args: Any, **kwargs: Any
    ) -> Any:
        """Load one checkpoint as the encoder and as the decoder, or both parts that :meth:`save_pretrained` wrote.

        Args:
            pretrained_model_name_or_path: a folder, a weights file, a name on the hub, or a URL; or a folder with the
                subfolders ``encoder`` and ``decoder``.
            model_args, kwargs: as those of the base class; ``decoder_model=`` puts another decoder in the place of the
                checkpoint's.

        Returns:
            As :meth:`PreTrainedEncoderDecoder.from_pretrained`.

        Raises:
            ValueError: if the name stands for something else than BERT, as far as it and files here tell. No request
                is sent then.
            WeightsError, CheckpointError, OSError, TypeError, ImportError: as those of the Auto classes.
        """
        given = {part: routed(kwargs, part) for part in PARTS}
        parts = {part: _in_subfolder(given[part], part) for part in PARTS}
        name = os.fspath(pretrained_model_name_or_path)
        separate = os.path.isdir(name) and all(
            os.path.isfile(os.path.join(name, each["subfolder"], CONFIG_NAME)) for each in parts.values()
        )
        for each in (parts if separate else given).values():
            model_type = told(name, each)
            if model_type not in cls.model_types:
                raise ValueError(_other(cls, name, model_type))
        names = (name,) if separate else (name, name, *model_args)
        return super().from_pretrained(*names, **kwargs)


def _other(cls: type[SameModel], name: str, model_type: str | None) -> str:
    """What is said of a name that a class does not take."""
    base = next(each.__name__ for each in cls.__mro__ if each.__name__.endswith("PreTrainedEncoderDecoder"))
    wanted = " or ".join(map(quoted, cls.model_types))
    if model_type is None:
        return (
            f"{quoted(name)} does not tell its architecture, and is no folder with a {CONFIG_NAME} that does. "
            f"{cls.__name__} takes {wanted} only: if it is that, pass config= too, or use {base}"
        )
    able = model_type in installed() and find(model_type).decodes
    cure = f"use {base}.from_pretrained(encoder, decoder)" if able else _cannot_decode(model_type)
    return f"{quoted(name)} is of the architecture {quoted(model_type)}, and {cls.__name__} takes {wanted} only: {cure}"
