"""Classes that find out from the files which architecture they are of, and leave the rest to it.

The architecture is that of `model_type` in `config.json`. Files of 2019 have no such key. Then the name tells: one that
an installed architecture publishes, or one that contains a model type ("./my-gpt2"), of several the longest. Of a path
the last part counts, for a file and for a training's "checkpoint-500" also the folder that holds it. Those further out
do not: any model may lie in "/home/bert/". A tokenizer's class is told by `tokenizer_class` of `tokenizer_config.json`
first, then of `config.json`.

A model's class is the architecture's for the task. Where two are equally fit, as XLNet's for question answering, it is
the one that `architectures` of the configuration names, where the class that wrote a file stands; else the first one.
"""

from __future__ import annotations

import os

from .architecture import PUBLISHED, Architecture, Task, find, installed, load, publisher
from .messages import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any, Never

    from .config import PretrainedConfig
    from .models.pretrained_tf import TFPreTrainedModel
    from .models.pretrained_torch import PreTrainedModel

    # The architecture, where `config.json` lies, and what it says; None and nothing where there is none.
    _Found = tuple[Architecture, Path | None, Mapping[str, Any]]

# No published tokenizer_config.json comes near this.
_MAX_FILE_BYTES = 256 << 20


def _config_class(architecture: Architecture) -> Any:
    return load(architecture.config)


# Architectures that tx does not have, with names that contain those of others.
_OTHERS = ("albert", "camembert", "flaubert", "xlm-roberta")


def _telling_parts(name: str) -> list[str]:
    """The parts of a path that may tell the architecture, the last first; the whole of a plain name."""
    parts = [part for part in name.replace("\\", "/").split("/") if part]
    count = 1 if _folder_of(name) == name else 2  # a file's folder tells too
    while count < len(parts) and parts[-count].startswith("checkpoint"):
        count += 1
    return parts[: -count - 1 : -1]


def _from_name(name: str) -> str | None:
    """The model type that a name tells: of what is published under it, or else the longest that it contains."""
    parts = _telling_parts(name)
    published = publisher({name, *parts[:1]})
    if published is not None:
        return published
    types = sorted({*PUBLISHED, *installed(), *_OTHERS}, key=lambda each: (-len(each), each))
    return next((each for part in parts for each in types if each in part.lower()), None)


# The tokenizer classes of `PUBLISHED`, in its order.
_TOKENIZERS = dict(
    zip(
        (
            *("BertTokenizer", "OpenAIGPTTokenizer", "GPT2Tokenizer", "TransfoXLTokenizer", "XLNetTokenizer"),
            *("XLMTokenizer", "RobertaTokenizer", "DistilBertTokenizer", "CTRLTokenizer"),
        ),
        PUBLISHED,
        strict=True,
    )
)
# These are classes for the tokenizer.json of any architecture.
_ANY_TOKENIZER = frozenset({"PreTrainedTokenizer", "PreTrainedTokenizerFast", "TokenizersBackend"})


def _of_tokenizer(name: object, where: str) -> Architecture | None:
    """The architecture whose tokenizer is called `name`, "…Fast" or not; None where the name tells nothing.

    Raises:
        ValueError: tx has no such tokenizer.
        ImportError: the package of the architecture is not installed; says which.
    """
    if name is None or (isinstance(name, str) and name in _ANY_TOKENIZER):
        return None
    plain = name.removesuffix("Fast") if isinstance(name, str) else ""
    if plain in _TOKENIZERS:
        return find(_TOKENIZERS[plain])
    known = [*_TOKENIZERS]
    for model_type in sorted({*installed()} - {*PUBLISHED}):
        architecture = find(model_type)
        known.append(architecture.tokenizer.partition(":")[2])
        if known[-1] == plain:
            return architecture
    raise ValueError(
        f"{where}: tx has no tokenizer of the tokenizer_class {quoted(name)}; it has {', '.join(known)}. "
        "If the files are those of one of these, use that class"
    )


def _folder_of(name_or_path: str | os.PathLike[str]) -> str:
    """The folder of a file that is named by its path, prefix or address; any other name as it is."""
    name = os.fspath(name_or_path)
    file = "://" in name or os.path.isfile(name) or os.path.isfile(f"{name}.index")
    return (os.path.dirname(name) or ".") + "/" if file else name


def _named_tokenizer(name_or_path: str | os.PathLike[str], kwargs: Mapping[str, Any]) -> Architecture | None:
    """The architecture that `tokenizer_config.json` names; None if there is no such file, or it names none."""
    from .files import Source, locate
    from .json_files import read_json_object

    path = locate(_folder_of(name_or_path), ["tokenizer_config.json"], Source.take(dict(kwargs)))
    if path is None:
        return None
    return _of_tokenizer(read_json_object(path, _MAX_FILE_BYTES).get("tokenizer_class"), str(path))


def _resolve(name_or_path: str | os.PathLike[str], kwargs: Mapping[str, Any]) -> _Found:
    """The architecture of what a name stands for, and the `config.json` of it, if it has one.

    Raises:
        OSError: there is no such folder, file or repository.
        ValueError: neither the file nor the name tells the architecture, or tx does not have it.
        ImportError: the package of the architecture is not installed; says which.
    """
    from .config import read_config
    from .files import CONFIG_NAME

    name = os.fspath(name_or_path)
    path = _config_path(name_or_path, kwargs)
    values = {} if path is None else read_config(path)
    model_type = values.get("model_type")
    if model_type is not None:
        try:
            return find(str(model_type)), path, values
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    model_type = _from_name(name)
    if model_type is not None and model_type not in _OTHERS:
        return find(model_type), path, values
    known = ", ".join(sorted({*PUBLISHED, *installed()}))
    raise ValueError(
        f"{quoted(name)}: the architecture is unknown, since "
        + (f"it has no {CONFIG_NAME}" if path is None else f"{path} has no model_type")
        + (
            f" and the name contains none of {known}; "
            if model_type is None
            else f" and the name contains {model_type!r}, which is none of {known}; "
        )
        + "use the architecture's own class, such as BertModel"
        + ("" if path is None else ', or add "model_type" to the file')
    )


def _config_path(name_or_path: str | os.PathLike[str], kwargs: Mapping[str, Any]) -> Path | None:
    """Where the `config.json` of what a name stands for lies, if it has one."""
    from .files import CONFIG_NAME, Source, locate

    name = os.fspath(name_or_path)
    # A file of weights or words, or the prefix of a TensorFlow 1 checkpoint: a configuration may lie beside it.
    where = name if name.endswith((".json", "/")) else _folder_of(name)
    return locate(where, [CONFIG_NAME], Source.take(dict(kwargs)))


def _no_instances(cls: type[object]) -> Never:
    raise TypeError(
        f"{cls.__name__} has no instances: use {cls.__name__}.from_pretrained(pretrained_model_name_or_path)"
    )


class AutoConfig:
    """The configuration of any architecture that is installed."""

    def __init__(self) -> None:
        _no_instances(type(self))

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike[str], **kwargs: Any) -> Any:
        """The configuration of a folder, a file, a URL or a name of the hub, in its architecture's class.

        Arguments and errors are those of `PretrainedConfig.from_pretrained`. Raises ImportError as well if the
        architecture's package is not installed.
        """
        architecture, path, _ = _resolve(pretrained_model_name_or_path, kwargs)
        if path is None:
            return _config_class(architecture).from_pretrained(pretrained_model_name_or_path, **kwargs)
        # The file is here: it is not asked for again.
        from .files import Source

        Source.take(kwargs)
        return _config_class(architecture).from_pretrained(path, **kwargs)


class AutoTokenizer:
    """The tokenizer of any architecture that is installed."""

    def __init__(self) -> None:
        _no_instances(type(self))

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike[str], *inputs: Any, **kwargs: Any) -> Any:
        """The tokenizer of a folder, a file, a URL or a name of the hub, in its architecture's class.

        The class is, in this order, that of `tokenizer_class` in `tokenizer_config.json` (with or without "Fast"), of
        `tokenizer_class` in the configuration, and of the configuration's architecture.

        Args:
            pretrained_model_name_or_path: what the tokenizer class's own `from_pretrained` takes.
            inputs, kwargs: passed on to it. `config=`, a configuration, is asked instead of `config.json`.

        Raises:
            OSError, ValueError, ImportError: as `AutoConfig.from_pretrained`, and what the tokenizer raises.
        """
        config = kwargs.pop("config", None)
        architecture = cls._architecture(pretrained_model_name_or_path, config, kwargs)
        tokenizer: Any = load(architecture.tokenizer)
        return tokenizer.from_pretrained(pretrained_model_name_or_path, *inputs, **kwargs)

    @staticmethod
    def _architecture(
        name_or_path: str | os.PathLike[str], config: PretrainedConfig | None, kwargs: Mapping[str, Any]
    ) -> Architecture:
        from .config import read_config

        if config is not None:
            try:
                named = _named_tokenizer(name_or_path, kwargs)
            except OSError:  # the tokenizer's own search says what is not there
                named = None
            named = named or _of_tokenizer(getattr(config, "tokenizer_class", None), "the configuration")
            return named or find(config.model_type)
        named = _named_tokenizer(name_or_path, kwargs)
        if named is not None:
            return named
        folder = _folder_of(name_or_path)
        path = _config_path(folder, kwargs)
        values = {} if path is None else read_config(path)
        named = _of_tokenizer(values.get("tokenizer_class"), str(path))
        return named or _resolve(name_or_path if values.get("model_type") is None else folder, kwargs)[0]


# The tasks whose classes an Auto class takes: of the first of these tuples of which there are any, equally fit.
_BASE = ((Task.BASE,),)
# A language model of either kind, as the Auto classes of 2019 took it.
_LANGUAGE_MODEL = ((Task.CAUSAL_LM, Task.MASKED_LM),)
_PRETRAINING = ((Task.PRETRAINING,), *_LANGUAGE_MODEL)
_MASKED_LM = ((Task.MASKED_LM,),)
# What fills in masked tokens goes from left to right as a decoder.
_CAUSAL_LM = ((Task.CAUSAL_LM,), (Task.MASKED_LM,))
_SEQUENCES = ((Task.SEQUENCE_CLASSIFICATION,),)
_TOKENS = ((Task.TOKEN_CLASSIFICATION,),)
_ANSWERS = ((Task.QUESTION_ANSWERING, Task.BEAM_QUESTION_ANSWERING),)
_CHOICES = ((Task.MULTIPLE_CHOICE,),)
_NEXT_SENTENCE = ((Task.NEXT_SENTENCE,),)


def _plain(dotted: str) -> str:
    """The name of a class without its package and without the "TF" of Keras's."""
    return dotted.rpartition(":")[2].removeprefix("TF")


class _AutoModel:
    """What the Auto classes of both frameworks share."""

    _framework = ""
    _tasks: tuple[tuple[Task, ...], ...] = ()

    def __init__(self) -> None:
        _no_instances(type(self))

    @classmethod
    def _dotted(cls, architecture: Architecture, said: Mapping[str, Any]) -> str:
        """The class of an architecture, as a dotted name for `load`.

        Args:
            said: the values of the configuration, of which `architectures` and `is_decoder` are heeded.

        Raises:
            ValueError: the architecture has none.
        """
        classes: Mapping[Task, str] = getattr(architecture, cls._framework)
        missing = f"{quoted(architecture.model_type)} has no class for {cls.__name__} (task {cls._tasks[0][0]!s})"
        for tasks in cls._tasks:
            fit = {_plain(classes[task]): classes[task] for task in tasks if task in classes}
            if not fit:
                continue
            first = next(iter(fit.values()))
            if cls._tasks is _CAUSAL_LM and tasks is not _CAUSAL_LM[0] and not said.get("is_decoder"):
                decoder = _decoder(architecture)
                if decoder is None:
                    continue
                raise ValueError(
                    f"{missing} but {first.partition(':')[2]} as a decoder: say {decoder}, as keywords of "
                    f"from_pretrained or in the configuration; else use {cls.__name__.replace('Causal', 'Masked')}"
                )
            written = said.get("architectures")
            plain = [_plain(str(name)) for name in written] if isinstance(written, list) else []
            return next((fit[name] for name in plain if name in fit), first)
        names = ", ".join(dotted.partition(":")[2] for dotted in dict.fromkeys(classes.values())) or "none"
        raise ValueError(f"{missing}; it has {names}")

    @classmethod
    def _class(cls, architecture: Architecture, said: Mapping[str, Any]) -> Any:
        return load(cls._dotted(architecture, said))

    @classmethod
    def _from_config(cls, config: PretrainedConfig, **kwargs: Any) -> Any:
        from .config import PretrainedConfig

        if not isinstance(config, PretrainedConfig):
            raise TypeError(
                f"{cls.__name__}.from_config takes a configuration, not {quoted(config)}; "
                "AutoConfig.from_pretrained reads one"
            )
        return cls._class(find(config.model_type), vars(config))(config, **kwargs)

    @classmethod
    def _from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], *model_args: Any, **kwargs: Any
    ) -> Any:
        from .config import PretrainedConfig

        config = kwargs.get("config")
        said: Mapping[str, Any]
        if isinstance(config, PretrainedConfig):
            architecture, said = find(config.model_type), vars(config)
        else:
            architecture, path, said = _resolve(pretrained_model_name_or_path if config is None else config, kwargs)
            if path is not None:
                kwargs["config"] = path  # the file is here: the model need not ask for it again
        if "is_decoder" in kwargs:
            said = {**said, "is_decoder": kwargs["is_decoder"]}
        return cls._class(architecture, said).from_pretrained(pretrained_model_name_or_path, *model_args, **kwargs)


def _decoder(architecture: Architecture) -> str | None:
    """What makes an architecture's configuration that of a decoder without an encoder; None if nothing does."""
    config_class = _config_class(architecture)
    try:
        config_class(is_decoder=True)
    except ValueError:
        return None
    crossed = "add_cross_attention" in config_class.field_names()
    return "is_decoder=True" + (" and add_cross_attention=False" if crossed else "")


class _TorchAutoModel(_AutoModel):
    _framework = "torch"

    @classmethod
    def from_config(cls, config: PretrainedConfig, **kwargs: Any) -> PreTrainedModel:
        """A new model of a configuration, with random weights."""
        model: PreTrainedModel = cls._from_config(config, **kwargs)
        return model

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], *model_args: Any, **kwargs: Any
    ) -> Any:
        """The model of a folder, a file, a URL or a name of the hub, in its architecture's class.

        Arguments and results are those of `PreTrainedModel.from_pretrained`; with `config=`, a configuration, that
        tells the architecture.

        Raises:
            OSError: there is no such folder, file or repository.
            ValueError: neither the file nor the name tells the architecture, or it has no class for the task.
            ImportError: the package of the architecture, or PyTorch, is not installed; says what to install.
        """
        return cls._from_pretrained(pretrained_model_name_or_path, *model_args, **kwargs)


class _TFAutoModel(_AutoModel):
    _framework = "tf"

    @classmethod
    def from_config(cls, config: PretrainedConfig, **kwargs: Any) -> TFPreTrainedModel:
        """A new model of a configuration, with random weights."""
        model: TFPreTrainedModel = cls._from_config(config, **kwargs)
        return model

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], *model_args: Any, **kwargs: Any
    ) -> Any:
        """The model of a folder, a file, a URL or a name of the hub, in its architecture's class.

        Arguments and results are those of `TFPreTrainedModel.from_pretrained`; with `config=`, a configuration, that
        tells the architecture.

        Raises:
            OSError: there is no such folder, file or repository.
            ValueError: neither the file nor the name tells the architecture, or it has no class for the task.
            ImportError: the package of the architecture, or TensorFlow, is not installed; says what to install.
        """
        return cls._from_pretrained(pretrained_model_name_or_path, *model_args, **kwargs)


class AutoModel(_TorchAutoModel):
    """The bare model, of any architecture that is installed, in PyTorch."""

    _tasks = _BASE


class AutoModelForPreTraining(_TorchAutoModel):
    """The model with the heads of its pretraining, of any architecture that is installed, in PyTorch."""

    _tasks = _PRETRAINING


class AutoModelWithLMHead(_TorchAutoModel):
    """The model with a language modelling head, of any architecture that is installed, in PyTorch."""

    _tasks = _LANGUAGE_MODEL


class AutoModelForMaskedLM(_TorchAutoModel):
    """The model that fills in masked tokens, of any architecture that is installed, in PyTorch."""

    _tasks = _MASKED_LM


class AutoModelForCausalLM(_TorchAutoModel):
    """The model that predicts each token from those before it, of any architecture that is installed, in PyTorch.

    Of an architecture that has a masked language model alone, such as BERT's, this is that as a decoder, which the
    configuration or a keyword has to say: ``is_decoder=True``, and ``add_cross_attention=False`` where no encoder feeds
    it. It takes the labels of next tokens as ``lm_labels``; its ``labels`` are those of the tokens in their places.
    """

    _tasks = _CAUSAL_LM


class AutoModelForSequenceClassification(_TorchAutoModel):
    """The model with a head for classifying sequences, of any architecture that is installed, in PyTorch."""

    _tasks = _SEQUENCES


class AutoModelForTokenClassification(_TorchAutoModel):
    """The model with a head for classifying tokens, of any architecture that is installed, in PyTorch."""

    _tasks = _TOKENS


class AutoModelForQuestionAnswering(_TorchAutoModel):
    """The model with a head for extractive question answering, of any architecture that is installed, in PyTorch.

    XLNet and XLM have two. ``XLNetForQuestionAnsweringSimple`` scores starts and ends, as other architectures do, and
    is the one taken; ``XLNetForQuestionAnswering``, which searches with a beam, if ``architectures`` in the
    configuration names it, as in what it has saved.
    """

    _tasks = _ANSWERS


class AutoModelForMultipleChoice(_TorchAutoModel):
    """The model with a head for choosing between texts, of any architecture that is installed, in PyTorch."""

    _tasks = _CHOICES


class AutoModelForNextSentencePrediction(_TorchAutoModel):
    """The model that tells whether one text follows another, of any architecture that is installed, in PyTorch."""

    _tasks = _NEXT_SENTENCE


class TFAutoModel(_TFAutoModel):
    """The bare model, of any architecture that is installed, in TensorFlow."""

    _tasks = _BASE


class TFAutoModelForPreTraining(_TFAutoModel):
    """The model with the heads of its pretraining, of any architecture that is installed, in TensorFlow."""

    _tasks = _PRETRAINING


class TFAutoModelWithLMHead(_TFAutoModel):
    """The model with a language modelling head, of any architecture that is installed, in TensorFlow."""

    _tasks = _LANGUAGE_MODEL


class TFAutoModelForMaskedLM(_TFAutoModel):
    """The model that fills in masked tokens, of any architecture that is installed, in TensorFlow."""

    _tasks = _MASKED_LM


class TFAutoModelForCausalLM(_TFAutoModel):
    """The model that predicts each token from those before it, of any architecture that is installed, in TensorFlow.

    Of an architecture that has a masked language model alone, such as BERT's, this is that as a decoder, which the
    configuration or a keyword has to say: ``is_decoder=True``, and ``add_cross_attention=False`` where no encoder feeds
    it. It takes the labels of next tokens as ``lm_labels``; its ``labels`` are those of the tokens in their places.
    """

    _tasks = _CAUSAL_LM


class TFAutoModelForSequenceClassification(_TFAutoModel):
    """The model with a head for classifying sequences, of any architecture that is installed, in TensorFlow."""

    _tasks = _SEQUENCES


class TFAutoModelForTokenClassification(_TFAutoModel):
    """The model with a head for classifying tokens, of any architecture that is installed, in TensorFlow."""

    _tasks = _TOKENS


class TFAutoModelForQuestionAnswering(_TFAutoModel):
    """The model with a head for extractive question answering, of any architecture that is installed, in TensorFlow.

    XLNet and XLM have two. ``TFXLNetForQuestionAnsweringSimple`` scores starts and ends, as other architectures do, and
    is the one taken; ``TFXLNetForQuestionAnswering``, which searches with a beam, if ``architectures`` in the
    configuration names it, as in what it has saved.
    """

    _tasks = _ANSWERS


class TFAutoModelForMultipleChoice(_TFAutoModel):
    """The model with a head for choosing between texts, of any architecture that is installed, in TensorFlow."""

    _tasks = _CHOICES


class TFAutoModelForNextSentencePrediction(_TFAutoModel):
    """The model that tells whether one text follows another, of any architecture that is installed, in TensorFlow."""

    _tasks = _NEXT_SENTENCE
