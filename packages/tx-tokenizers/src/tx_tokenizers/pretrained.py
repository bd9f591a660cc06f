"""Loading and saving tokenizers, and the settings that their files hold."""

from __future__ import annotations

from tx_core.messages import quoted

from .special_tokens import SPECIAL_TOKENS_ATTRIBUTES, AddedToken, SpecialTokens
from .tokenizer_files import (
    ADDED_TOKENS,
    MAX_TOKEN_ID,
    SPECIAL_TOKENS_MAP,
    TOKENIZER_CONFIG,
    TOKENIZER_JSON,
    check_gap,
    checked_ids,
    json_bytes,
    read_object,
    write_bytes,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Any, ClassVar, Self

    from tx_core.files import Source

#: ``max_len`` of a tokenizer whose model takes sequences of any length (the value of the 2019 library).
UNLIMITED = int(1e12)

#: Options that every tokenizer has.
BASE_OPTIONS = frozenset(
    {
        *SPECIAL_TOKENS_ATTRIBUTES,
        "max_len",
        "model_max_length",
        "padding_side",
        "truncation_side",
        "clean_up_tokenization_spaces",
        "model_input_names",
        "do_lower_case",
        "split_special_tokens",
    }
)
#: Keys of tokenizer_config.json that say where a tokenizer came from, or that are read elsewhere.
_FILE_BOOKKEEPING = frozenset(
    {
        "added_tokens_decoder",
        "init_inputs",
        "name_or_path",
        "special_tokens_map_file",
        "tokenizer_class",
        "tokenizer_file",
        "transformers_version",
    }
)


def published_files(files: Mapping[str, str], names: Iterable[str]) -> dict[str, dict[str, str]]:
    """A ``pretrained_vocab_files_map`` of names on the hub: argument -> name -> URL.

    ``files`` are a tokenizer's ``vocab_files_names``.
    """
    names = list(names)
    return {
        argument: {name: f"https://huggingface.co/{name}/resolve/main/{file}" for name in names}
        for argument, file in files.items()
    }


def checked_limit(value: object) -> int:
    """``max_len`` as a number; published files write 1e30 for "no limit"."""
    if value is None:
        return UNLIMITED
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 1:
        raise ValueError(f"max_len={quoted(value)} must be a number of tokens, or None for no limit")
    return UNLIMITED if value >= UNLIMITED else int(value)


def checked_side(name: str, value: object) -> str:
    """``value`` itself; ValueError unless it is "left" or "right"."""
    if value not in ("left", "right"):
        raise ValueError(f"{name}={quoted(value)} must be 'left' or 'right'")
    return str(value)


def checked_names(value: object) -> tuple[str, ...]:
    """``model_input_names`` as a tuple; ValueError unless it is a list of texts."""
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"model_input_names={quoted(value)} must be a list of names")
    return tuple(value)


def _naming(name: str, error: ValueError) -> ValueError:
    """The error with the folder or repository that it is about in front of it."""
    return error if name in str(error) else ValueError(f"{name}: {error}")


class _Files:
    """What the files of one tokenizer hold.

    Attributes:
        vocabulary: constructor argument -> path, of the vocabulary's files that were found.
        config, special, added: ``tokenizer_config.json``, ``special_tokens_map.json`` and ``added_tokens.json``.
        json_path: the path of ``tokenizer.json`` if it is there and needed.
        json: what it holds.
        source: where they came from, as `check_unchanged` wants it.
    """

    __slots__ = ("added", "config", "json", "json_path", "source", "special", "vocabulary")

    def __init__(self, vocabulary: dict[str, Path], source: Source) -> None:
        self.vocabulary = vocabulary
        self.source = source
        self.config: dict[str, Any] = {}
        self.special: dict[str, Any] = {}
        self.added: dict[str, Any] = {}
        self.json: dict[str, Any] = {}
        self.json_path: Path | None = None


class PretrainedFiles(SpecialTokens):
    """A tokenizer that is loaded from files and saved to them.

    A subclass says which files hold its vocabulary (``vocab_files_names``, ``save_vocabulary``,
    ``_arguments_from_tokenizer_json``). Its constructor takes their paths.
    """

    #: Constructor argument -> file name, and for the published names the argument -> name -> URL.
    vocab_files_names: ClassVar[Mapping[str, str]] = {}
    #: Names that the vocabulary may have in a repository instead.
    other_file_names: ClassVar[tuple[str, ...]] = ()
    #: Constructor argument -> names that the file has in the authors' own folders.
    original_files_names: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    pretrained_vocab_files_map: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    #: Constructor arguments of published names, and the longest sequence their models take; None if there is no limit.
    pretrained_init_configuration: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    max_model_input_sizes: ClassVar[Mapping[str, int | None]] = {}
    #: What a call returns unless asked otherwise: the model's inputs.
    model_input_names: Sequence[str] = ("input_ids", "token_type_ids", "attention_mask")
    padding_side: str = "right"
    truncation_side: str = "right"
    #: Whether ``decode`` removes spaces before punctuation: for tokenizers that divide there, so that spaces are lost.
    clean_up_tokenization_spaces: bool = False
    #: Whether special tokens that stand in a text are read as text.
    split_special_tokens: bool = False

    max_len: int
    init_inputs: tuple[Any, ...]
    _settings: dict[str, Any]
    _kept_settings: dict[str, Any]

    def save_vocabulary(self, save_directory: str | os.PathLike[str]) -> tuple[str, ...]:
        """Writes the vocabulary's files into a folder; returns their paths."""
        raise NotImplementedError

    @classmethod
    def _arguments_from_tokenizer_json(cls, data: Mapping[str, Any], path: Path) -> dict[str, Any]:
        """Constructor arguments (the vocabulary and the options) out of the contents of a ``tokenizer.json``."""
        raise ValueError(f"{path}: {cls.__name__} needs {', '.join(cls.vocab_files_names.values())}")

    # The constructor's arguments ------------------------------------------------------------------------------------

    @property
    def init_kwargs(self) -> dict[str, Any]:
        """The options that the tokenizer was made with, as ``save_pretrained`` writes them."""
        config: dict[str, Any] = {**self._kept_settings, **self._settings}
        if self.max_len != UNLIMITED:
            config["model_max_length"] = self.max_len
        cls = type(self)
        for name, value in (
            ("padding_side", self.padding_side),
            ("truncation_side", self.truncation_side),
            ("model_input_names", self.model_input_names),
            ("split_special_tokens", self.split_special_tokens),
        ):
            if value != getattr(cls, name):
                config[name] = list(value) if isinstance(value, tuple) else value
        config["clean_up_tokenization_spaces"] = self.clean_up_tokenization_spaces
        return {**config, **self.special_tokens_map}

    @classmethod
    def _parameters(cls) -> set[str]:
        """Names of the constructor's arguments, through all base classes."""
        names = set(BASE_OPTIONS)
        for base in cls.__mro__:
            code = getattr(base.__dict__.get("__init__"), "__code__", None)
            if code is not None:
                names.update(code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount])
        return names - {"settings"}

    @classmethod
    def _flags(cls) -> set[str]:
        """Names of the constructor's arguments that are True or False."""
        names = {"clean_up_tokenization_spaces", "do_lower_case", "split_special_tokens"}
        for base in cls.__mro__:
            init = base.__dict__.get("__init__")
            code = getattr(init, "__code__", None)
            if init is not None and code is not None:
                values = init.__defaults__ or ()
                ordered = code.co_varnames[code.co_argcount - len(values) : code.co_argcount]
                defaults = {**dict(zip(ordered, values, strict=True)), **(init.__kwdefaults__ or {})}
                names.update(name for name, value in defaults.items() if isinstance(value, bool))
        return names

    # Loading --------------------------------------------------------------------------------------------------------

    @classmethod
    def file_names(cls) -> tuple[str, ...]:
        """The names of all files that ``from_pretrained`` may ask a repository of the hub for."""
        beside = (TOKENIZER_CONFIG, SPECIAL_TOKENS_MAP, ADDED_TOKENS, TOKENIZER_JSON)
        return (*cls.vocab_files_names.values(), *cls.other_file_names, *beside)

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], *init_inputs: Any, **kwargs: Any
    ) -> Self:
        """Loads a tokenizer from a folder, a vocabulary file, a URL of one, or a name on the hub.

        The vocabulary's classic files are read. So are ``tokenizer_config.json``, ``special_tokens_map.json``,
        ``added_tokens.json`` and ``tokenizer.json`` beside them. Where only the last is there, the vocabulary comes
        from it.

        Args:
            pretrained_model_name_or_path: the folder, file, URL or name.
            init_inputs: positional arguments of the constructor.
            kwargs: options of the constructor, which win over the files, and options of the download (``cache_dir``,
                ``force_download``, ``revision``, …).

        Raises:
            OSError: the folder, repository or file does not exist, holds no vocabulary, is saved to meanwhile, or is
                not as the lock file says.
            ValueError: a file contradicts another or is malformed; the message names it.
            TypeError: an option that the tokenizer does not have.
        """
        from tx_core.files import Source, check_unchanged, refuse_file

        source = Source.take(kwargs)
        name = str(pretrained_model_name_or_path)
        refuse_file(name, source)
        files = cls._find_files(name, source)
        arguments: dict[str, Any] = dict(cls.pretrained_init_configuration.get(name, {}))
        if (longest := cls.max_model_input_sizes.get(name)) is not None:
            arguments["max_len"] = longest
        arguments.update(cls._vocabulary_arguments(name, files))
        try:
            chosen, kept = cls._arguments_from_config({**files.special, **files.config})
        except ValueError as error:
            raise _naming(name, error) from None
        if "max_len" in chosen and "max_len" in arguments:
            chosen["max_len"] = min(chosen["max_len"], arguments["max_len"])
        if "model_max_length" in kwargs:
            kwargs.setdefault("max_len", kwargs.pop("model_max_length"))
        arguments.update({**chosen, **kwargs})
        try:
            tokenizer = cls(*init_inputs, **arguments)
            tokenizer._register_from_files(files, name)
        except ValueError as error:
            check_unchanged(files.source)
            raise _naming(name, error) from None
        check_unchanged(files.source)
        tokenizer.init_inputs = init_inputs
        tokenizer._kept_settings = kept
        return tokenizer

    @classmethod
    def _find_files(cls, name: str, source: Source) -> _Files:
        """Finds the files of a folder, of a repository, or the one that is named, and reads them."""
        import os

        from tx_core.files import locate, locate_each

        if os.path.isfile(name) or name.startswith(("http://", "https://")):
            return cls._one_file(name, source)
        found, source = locate_each(name, cls.vocab_files_names.values(), source)
        vocabulary = {argument: found[file] for argument, file in cls.vocab_files_names.items() if file in found}
        if not vocabulary and os.path.isdir(name):
            for argument, names in cls.original_files_names.items():
                path = locate(name, names, source)
                if path is not None:
                    vocabulary[argument] = path
        files = _Files(vocabulary, source)
        beside = (TOKENIZER_CONFIG, SPECIAL_TOKENS_MAP, ADDED_TOKENS)
        found, source = locate_each(name, beside, source)
        files.source = source
        files.config, files.special, files.added = (
            read_object(found[file]) if file in found else {} for file in beside
        )
        if len(files.vocabulary) < len(cls.vocab_files_names) or "added_tokens_decoder" not in files.config:
            files.json_path = locate(name, [TOKENIZER_JSON], source)
            if files.json_path is not None:
                files.json = read_object(files.json_path)
        return files

    @classmethod
    def _one_file(cls, name: str, source: Source) -> _Files:
        """The same for the path or URL of one file: a ``tokenizer.json``, or the whole of a vocabulary."""
        from tx_core.files import locate

        files = _Files({}, source)
        if name.endswith(".json") and "tokenizer" in name.rsplit("/", 1)[-1]:
            files.json_path = locate(name, [TOKENIZER_JSON], source)
            if files.json_path is not None:
                files.json = read_object(files.json_path)
        elif len(cls.vocab_files_names) == 1:
            path = locate(name, [*cls.vocab_files_names.values()], source)
            if path is not None:
                files.vocabulary = {next(iter(cls.vocab_files_names)): path}
        else:
            raise ValueError(
                f"{name}: {cls.__name__} needs {' and '.join(cls.vocab_files_names.values())}: "
                "give the folder that holds them"
            )
        return files

    @classmethod
    def _vocabulary_arguments(cls, name: str, files: _Files) -> dict[str, Any]:
        """The constructor's arguments that give the vocabulary: paths, or what ``tokenizer.json`` holds."""
        missing = [file for argument, file in cls.vocab_files_names.items() if argument not in files.vocabulary]
        if not missing:
            return {argument: str(path) for argument, path in files.vocabulary.items()}
        if files.json_path is None:
            raise FileNotFoundError(
                f"{name}: {cls.__name__} needs {' and '.join(missing)} (or {TOKENIZER_JSON}), which is not there"
            )
        return cls._arguments_from_tokenizer_json(files.json, files.json_path)

    @classmethod
    def _arguments_from_config(cls, config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Splits what ``tokenizer_config.json`` holds into the constructor's arguments and the rest, which is kept."""
        parameters = cls._parameters() - set(cls.vocab_files_names) - {"vocab", "merges"}
        flags = cls._flags()
        arguments: dict[str, Any] = {}
        kept: dict[str, Any] = {}
        for key, value in config.items():
            if key in ("model_max_length", "max_len"):
                if value is not None:
                    arguments["max_len"] = checked_limit(value)
            elif key in SPECIAL_TOKENS_ATTRIBUTES:
                if isinstance(value, list):
                    arguments[key] = [AddedToken.from_json(token, special=True) for token in value]
                elif value is not None:
                    arguments[key] = value if isinstance(value, str) else AddedToken.from_json(value, special=True)
            elif key in flags and not isinstance(value, bool | None):
                raise ValueError(f"{TOKENIZER_CONFIG}: {key} must be true or false, not {quoted(value)}")
            elif key in parameters:
                arguments[key] = value
            elif key not in _FILE_BOOKKEEPING:
                kept[key] = value
        if kept:
            import logging

            logger = logging.getLogger(__name__)
            logger.info("%s: settings of no effect are kept: %s", TOKENIZER_CONFIG, ", ".join(sorted(kept)))
        return arguments, kept

    def _register_from_files(self, files: _Files, name: str) -> None:
        """Adds the tokens that the files beside the vocabulary list, under the ids that they give."""
        entries: dict[str, tuple[AddedToken, int, str]] = {}
        special = set(self.all_special_tokens)
        file = f"{name}/{ADDED_TOKENS}"
        for content, index in checked_ids(dict(files.added), file).items():
            entries[content] = (AddedToken(content, special=content in special), index, file)
        listed, file = files.config.get("added_tokens_decoder"), f"{name}/{TOKENIZER_CONFIG}"
        if listed is None:
            file = f"{name}/{TOKENIZER_JSON}"
            tokens = files.json.get("added_tokens") or []
            if not isinstance(tokens, list):
                raise ValueError(f"{file}: added_tokens must be a list, not {quoted(tokens)}")
            listed = {str(token.get("id")): token for token in tokens if isinstance(token, dict)}
        if not isinstance(listed, dict):
            raise ValueError(f"{file}: added_tokens_decoder must be an object, not {quoted(listed)}")
        for key, value in listed.items():
            digits = str(key)
            if not (digits.isascii() and digits.isdigit() and len(digits) <= 10 and int(digits) <= MAX_TOKEN_ID):
                raise ValueError(
                    f"{file}: added token {quoted(value)} has the id {quoted(key)}, which is not a number of "
                    f"0..{MAX_TOKEN_ID}"
                )
            token = AddedToken.from_json(value)
            entries[token.content] = (token, int(key), file)
        for token, index, file in sorted(entries.values(), key=lambda entry: entry[1]):
            check_gap(token.content, index, self.vocab_size + len(self.added_tokens_encoder), file)
            self._register(token, index)
        self._forget()

    # Saving ---------------------------------------------------------------------------------------------------------

    def save_pretrained(self, save_directory: str | os.PathLike[str]) -> tuple[str, ...]:
        """Writes the vocabulary's classic files and the three JSON files into a folder; returns their paths.

        The folder is created where it is missing. ``from_pretrained`` of it gives an equal tokenizer. All files are
        replaced at once: a process that is killed leaves the old tokenizer or the new one.
        """
        from pathlib import Path

        from tx_core.files import remove, saving

        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        config = {**self.init_kwargs, "tokenizer_class": type(self).__name__}
        flagged = {
            self._known_id(content): token.to_json()
            for content, token in self._added.items()
            if self._known_or_none(content) is not None
        }
        # Written even when empty: from_pretrained then ignores a tokenizer.json that stands in the folder already.
        config["added_tokens_decoder"] = {str(index): flagged[index] for index in sorted(flagged)}
        contents = {TOKENIZER_CONFIG: config, SPECIAL_TOKENS_MAP: self.special_tokens_map}
        if self.added_tokens_encoder:
            contents[ADDED_TOKENS] = self.added_tokens_encoder
        with saving(folder):
            written = list(self.save_vocabulary(folder))
            for name, content in contents.items():
                write_bytes(folder / name, json_bytes(content))
                written.append(str(folder / name))
            if ADDED_TOKENS not in contents:
                remove(folder / ADDED_TOKENS)
        return tuple(written)
