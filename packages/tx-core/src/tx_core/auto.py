"""Classes that find out from the files which architecture they are of, and leave the rest to it.

The architecture is that of `model_type` in `config.json`. Files of 2019 have no such key: then, as at the time, the
name of the folder or repository has to contain the architecture's ("bert-base-uncased", "./my-gpt2"), the longest that
fits. A tokenizer's class is told by `tokenizer_class` of `tokenizer_config.json` first, then of `config.json`.
"""

from __future__ import annotations

import os

from .architecture import PUBLISHED, Architecture, Task, find, installed, load
from .messages import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any, Never

    from .config import PretrainedConfig
    from .models.pretrained_tf import TFPreTrainedModel
    from .models.pretrained_torch import PreTrainedModel


# No published tokenizer_config.json comes near this.
_MAX_FILE_BYTES = 256 << 20


def _config_class(architecture: Architecture) -> Any:
    return load(architecture.config)


def _from_name(name: str) -> str | None:
    """The model type that a name contains: in its last part if it is there, and the longest that is."""
    types = sorted({*PUBLISHED, *installed()}, key=lambda each: (-len(each), each))
    for part in reversed(name.replace("\\", "/").split("/")):
        for model_type in types:
            if model_type in part.lower():
                return model_type
    return None


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


def _resolve(name_or_path: str | os.PathLike[str], kwargs: Mapping[str, Any]) -> tuple[Architecture, Path | None]:
    """The architecture of what a name stands for, and where its `config.json` lies, if it has one.

    Raises:
        OSError: there is no such folder, file or repository.
        ValueError: neither the file nor the name tells the architecture, or tx does not have it.
        ImportError: the package of the architecture is not installed; says which.
    """
    from .config import read_config
    from .files import CONFIG_NAME

    name = os.fspath(name_or_path)
    path = _config_path(name_or_path, kwargs)
    model_type = None if path is None else read_config(path).get("model_type")
    if model_type is not None:
        try:
            return find(str(model_type)), path
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    model_type = _from_name(name)
    if model_type is None:
        raise ValueError(
            f"{quoted(name)}: the architecture is unknown, since "
            + (f"it has no {CONFIG_NAME}" if path is None else f"{path} has no model_type")
            + f" and the name contains none of {', '.join(sorted({*PUBLISHED, *installed()}))}; "
            "use the architecture's own class, such as BertModel"
        )
    return find(model_type), path


def _config_path(name_or_path: str | os.PathLike[str], kwargs: Mapping[str, Any]) -> Path | None:
    """Where the `config.json` of what a name stands for lies, if it has one."""
    from .files import CONFIG_NAME, Source, locate

    name = os.fspath(name_or_path)
    # A file of weights or words, or the prefix of a TensorFlow 1 checkpoint: a configuration may lie beside it.
    where = name if name.endswith((".json", "/")) else _folder_of(name)
    return locate(where, [CONFIG_NAME], Source.take(dict(kwargs)))


# A language model of either kind, as the Auto classes of 2019 took it.
_LANGUAGE_MODELS = (Task.CAUSAL_LM, Task.MASKED_LM)


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
        architecture, path = _resolve(pretrained_model_name_or_path, kwargs)
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


def _model_class(architecture: Architecture, framework: str, tasks: Sequence[Task], asked_by: str) -> Any:
    classes: Mapping[Task, str] = getattr(architecture, framework)
    for task in tasks:
        if task in classes:
            return load(classes[task])
    names = ", ".join(dotted.partition(":")[2] for dotted in classes.values()) or "none"
    raise ValueError(
        f"{quoted(architecture.model_type)} has no class for {asked_by} (task {tasks[0]!s}); it has {names}"
    )


class _AutoModel:
    """What the Auto classes of both frameworks share."""

    _framework = ""
    _tasks: tuple[Task, ...] = ()

    def __init__(self) -> None:
        _no_instances(type(self))

    @classmethod
    def _from_config(cls, config: PretrainedConfig, **kwargs: Any) -> Any:
        return _model_class(find(config.model_type), cls._framework, cls._tasks, cls.__name__)(config, **kwargs)

    @classmethod
    def _from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], *model_args: Any, **kwargs: Any
    ) -> Any:
        from .config import PretrainedConfig

        config = kwargs.get("config")
        if isinstance(config, PretrainedConfig):
            architecture = find(config.model_type)
        else:
            architecture, path = _resolve(pretrained_model_name_or_path if config is None else config, kwargs)
            if path is not None:
                kwargs["config"] = path  # the file is here: the model need not ask for it again
        model = _model_class(architecture, cls._framework, cls._tasks, cls.__name__)
        return model.from_pretrained(pretrained_model_name_or_path, *model_args, **kwargs)


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

    _tasks = (Task.BASE,)


class AutoModelForPreTraining(_TorchAutoModel):
    """The model with the heads of its pretraining, of any architecture that is installed, in PyTorch."""

    _tasks = (Task.PRETRAINING, *_LANGUAGE_MODELS)


class AutoModelWithLMHead(_TorchAutoModel):
    """The model with a language modelling head, of any architecture that is installed, in PyTorch."""

    _tasks = _LANGUAGE_MODELS


class AutoModelForSequenceClassification(_TorchAutoModel):
    """The model with a head for classifying sequences, of any architecture that is installed, in PyTorch."""

    _tasks = (Task.SEQUENCE_CLASSIFICATION,)


class AutoModelForTokenClassification(_TorchAutoModel):
    """The model with a head for classifying tokens, of any architecture that is installed, in PyTorch."""

    _tasks = (Task.TOKEN_CLASSIFICATION,)


class AutoModelForQuestionAnswering(_TorchAutoModel):
    """The model with a head for extractive question answering, of any architecture that is installed, in PyTorch."""

    _tasks = (Task.QUESTION_ANSWERING,)


class TFAutoModel(_TFAutoModel):
    """The bare model, of any architecture that is installed, in TensorFlow."""

    _tasks = (Task.BASE,)


class TFAutoModelForPreTraining(_TFAutoModel):
    """The model with the heads of its pretraining, of any architecture that is installed, in TensorFlow."""

    _tasks = (Task.PRETRAINING, *_LANGUAGE_MODELS)


class TFAutoModelWithLMHead(_TFAutoModel):
    """The model with a language modelling head, of any architecture that is installed, in TensorFlow."""

    _tasks = _LANGUAGE_MODELS


class TFAutoModelForSequenceClassification(_TFAutoModel):
    """The model with a head for classifying sequences, of any architecture that is installed, in TensorFlow."""

    _tasks = (Task.SEQUENCE_CLASSIFICATION,)


class TFAutoModelForTokenClassification(_TFAutoModel):
    """The model with a head for classifying tokens, of any architecture that is installed, in TensorFlow."""

    _tasks = (Task.TOKEN_CLASSIFICATION,)


class TFAutoModelForQuestionAnswering(_TFAutoModel):
    """The model with a head for extractive question answering, of any architecture that is installed, in TensorFlow."""

    _tasks = (Task.QUESTION_ANSWERING,)
