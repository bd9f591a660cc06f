"""`tx download`: a model of the hub into the cache, and its hashes into a lock file."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from . import text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tx_core.files import Source

_EXAMPLES = """\
What is downloaded is what `from_pretrained` reads: the configuration, the tokenizer's files, and the weights in one
format (safetensors if there is one, else PyTorch's .bin, else Keras's .h5). It goes into the cache that
`from_pretrained` and `transformers` use. What is there already is compared with the hash that the hub gave, and not
fetched again.

--lock notes the commit, and the size and sha256 of each file, in a lock file; all else in it stays. Then

    BertModel.from_pretrained("bert-base-uncased", lock="tx.lock")

loads these very files, or nothing. Run the command again to go on to what the branch is by then.

Private and gated models need HF_TOKEN; HF_ENDPOINT names a mirror.

examples:
  tx download bert-base-uncased
  tx download bert-base-uncased --lock tx.lock
  tx download org/name --revision v1.0 --format bin --lock tx.lock
  tx download org/name --files config.json vocab.txt
"""
FORMATS = ("safetensors", "bin", "h5")


def add(commands: Any, formatter: Any) -> None:
    """Describes the command to argparse."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "download",
        help="fetch a model from the hub, and note its hashes in a lock file",
        description="Download a model of the hub into the cache: configuration, tokenizer and weights.",
        epilog=_EXAMPLES,
        formatter_class=formatter,
    )
    parser.add_argument("name", metavar="NAME", help="a repository of the hub, bert-base-uncased or org/name")
    parser.add_argument("--revision", default="main", help="branch, tag or full commit hash (default: main)")
    parser.add_argument("--lock", metavar="PATH", help="note commit and hashes in this lock file, made if need be")
    parser.add_argument("--cache-dir", metavar="FOLDER", help="another cache folder")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--format", choices=FORMATS, help="the format of the weights")
    which.add_argument("--files", nargs="+", metavar="FILE", help="these files of the repository alone")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Downloads the files and says where they are.

    Raises:
        OSError, ValueError: what `tx_core.files.locate` raises; the repository has no weights of the format, or lacks
            a file that was asked for.
        ImportError: the architecture's package is not installed.
    """
    from tx_core.files import Source
    from tx_core.files.lock import read_lock

    name, revision = arguments.name, arguments.revision
    cache = None if arguments.cache_dir is None else os.path.abspath(os.path.expanduser(arguments.cache_dir))
    source = Source(cache_dir=cache, revision=revision)
    _check(name, source)
    if arguments.lock is not None and os.path.exists(arguments.lock):
        read_lock(arguments.lock)  # what is no lock file is said now, not after gigabytes
    wanted = Fetched(name, source)
    if arguments.files:
        wanted.all_of(arguments.files)
    else:
        wanted.model(arguments.format)
    _report(wanted, revision)
    if arguments.lock is not None:
        _lock(wanted, revision, arguments.lock)


def _check(name: str, source: Source) -> None:
    """Raise ValueError for what is not on the hub, or if nothing may be asked for."""
    from tx_core.files.bundled import bundled_folder
    from tx_core.files.source import check_name, check_revision, is_url

    if is_url(name):
        raise ValueError(f"{name!r} is an address: tx download takes the name of a repository, bert-base-uncased say")
    if os.path.exists(name):
        raise ValueError(
            f"there is a local file or folder {name!r}, which goes before a repository of this name: nothing is to be "
            "downloaded. If the repository is meant, run the command in another folder"
        )
    if bundled_folder(check_name(name)) is not None:
        raise ValueError(f"{name!r} comes with the installed {name.partition('/')[0]}: nothing is to be downloaded")
    check_revision(source.revision)
    if source.offline:
        raise ValueError(f"tx download sends requests, which {source.offline_reason} forbids")


class Fetched:
    """What was fetched of a repository, all of one commit, and what it does not have.

    Attributes:
        files: name in the repository → path in the cache.
        absent: names that were asked for and are not there.
        source: at the commit.
    """

    def __init__(self, name: str, source: Source) -> None:
        self.name = name
        self.source = source
        self.files: dict[str, Path] = {}
        self.absent: list[str] = []

    @property
    def folder(self) -> Path:
        """The folder in the cache that holds the files; there has to be one."""
        file, path = next(iter(self.files.items()))
        return path.parents[file.count("/")]

    def model(self, form: str | None) -> None:
        """Fetches what `from_pretrained` reads of the configuration, the tokenizer and the weights."""
        from tx_core.architecture import find, load
        from tx_core.auto import AutoConfig
        from tx_core.config import read_config
        from tx_core.files import CONFIG_NAME

        config = self.first([CONFIG_NAME])
        if config is None:
            raise ValueError(f"{self.name!r} has no {CONFIG_NAME}, so what belongs to it is unknown: use --files")
        try:
            model_type = read_config(config).get("model_type")
            if model_type is None:  # as in 2019: then the name tells
                options = {"revision": self.source.revision, "cache_dir": self.source.cache_dir}
                model_type = AutoConfig.from_pretrained(self.name, **options).model_type
            architecture = find(str(model_type))
        except ValueError as error:
            raise ValueError(f"{self.name!r}: {error}; --files fetches files of any model") from None
        tokenizers: list[Any] = [load(architecture.tokenizer)]
        named = self.first(["tokenizer_config.json"])
        for path in (named, config):
            other = None if path is None else _tokenizer_of(read_config(path).get("tokenizer_class"))
            if other is not None and other not in tokenizers:
                tokenizers.append(other)
        config_class: Any = load(architecture.config)
        self.first(config_class.file_names)
        for file in dict.fromkeys(file for tokenizer in tokenizers for file in tokenizer.file_names()):
            self.first([file])
        self._weights(FORMATS if form is None else (form,))

    def _weights(self, forms: Sequence[str]) -> None:
        from tx_core.checkpoints.sharded import MAX_SHARDS, read_index
        from tx_core.files import SAFE_WEIGHTS_NAME, TF2_WEIGHTS_NAME, WEIGHTS_NAME

        names = {"safetensors": SAFE_WEIGHTS_NAME, "bin": WEIGHTS_NAME, "h5": TF2_WEIGHTS_NAME}
        candidates = [file for form in forms for file in (names[form], f"{names[form]}.index.json")]
        path = self.first(candidates)
        if path is None:
            raise ValueError(
                f"{self.name!r} has no weights: none of {', '.join(candidates)} is there; --files fetches others"
            )
        if path.name.endswith(".index.json"):
            shards = sorted(set(read_index(path)[0].values()))
            if len(shards) > MAX_SHARDS:
                raise ValueError(f"{path} lists {len(shards)} shards; {MAX_SHARDS} are the most that are read")
            self.all_of(shards)

    def all_of(self, files: Sequence[str]) -> None:
        """Fetches files, each of which has to be there."""
        for file in files:
            if self.first([file]) is None:
                raise ValueError(f"{self.name!r} (revision {self.source.revision!r}) has no file {file!r}")

    def first(self, candidates: Sequence[str]) -> Path | None:
        """Fetches the first of some files that is there, and notes those before it as absent."""
        from tx_core.files import locate, pinned

        for file in candidates:
            if file in self.files:
                return self.files[file]
            path = locate(self.name, [file], self.source)
            if path is None:
                self.absent.append(file)
                continue
            self.source = pinned(self.source, path, self.name)
            self.files[file] = _sound(self.name, file, path, self.source)
            return path
        return None


def _sound(name: str, file: str, path: Path, source: Source) -> Path:
    """The path of a file in the cache, which is fetched again unless it has the hash that the hub gave when it came."""
    import logging
    import re
    from dataclasses import replace

    from tx_core.files import locate
    from tx_core.files.transfer import hash_like

    blob = path.resolve().name  # the cache calls the content by its ETag
    if re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", blob) and hash_like(path, blob) != blob:
        logging.getLogger(__name__).warning("%s in the cache is damaged; it is downloaded again", path)
        locate(name, [file], replace(source, force_download=True))
    return path


def _tokenizer_of(name: object) -> Any:
    """The tokenizer class that is called so, with or without "Fast"; None if no installed architecture has it."""
    from tx_core.architecture import find, installed, load

    plain = name.removesuffix("Fast") if isinstance(name, str) else ""
    for model_type in installed():
        dotted = find(model_type).tokenizer
        if dotted.partition(":")[2] == plain:
            return load(dotted)
    return None


def _report(fetched: Fetched, revision: str) -> None:
    commit = fetched.source.revision
    print(fetched.name if revision == commit else f"{fetched.name} ({revision})", "is commit", commit)
    sizes = {file: path.stat().st_size for file, path in sorted(fetched.files.items())}
    rows = [(text.name(file), text.size(size)) for file, size in sizes.items()]
    print("\n".join(text.table([*rows, ("together", text.size(sum(sizes.values())))], right=[1])))
    absent = sorted({*fetched.absent})
    if absent:
        print(f"  without {', '.join(map(text.name, absent))}")
    print("in", fetched.folder)


def _lock(fetched: Fetched, revision: str, path: str) -> None:
    from tx_core.files.lock import LockedCommit, LockedFile, endpoint_of, update_lock
    from tx_core.files.source import is_commit

    source = fetched.source
    if not is_commit(source.revision):
        raise ValueError(
            f"the hub does not say which commit {source.revision!r} of {fetched.name!r} is: nothing is locked"
        )
    files = {file: LockedFile.of(each) for file, each in fetched.files.items()}
    entry = LockedCommit(source.revision, files, frozenset(fetched.absent), endpoint_of(source))
    update_lock(path, fetched.name, revision, entry, source.cache_root())
    print("locked in", path)
