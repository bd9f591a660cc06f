"""The module paths of 2019: `from transformers.modeling_bert import BertModel`, for programs that run on tx unchanged.

    import sys, tx_all

    sys.modules["transformers"] = tx_all

Each path is a module of its own that offers every public name of tx, and beside them what is defined by the modules
that hold today what it held: `modeling_bert` has `BertEncoder`, since `tx_bert.model_torch` does. Nothing is imported
before a name is asked for.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

_ARCHITECTURES = {
    "bert": "tx_bert",
    "ctrl": "tx_ctrl",
    "distilbert": "tx_distilbert",
    "gpt2": "tx_gpt2",
    "openai": "tx_openai_gpt",
    "roberta": "tx_roberta",
    "transfo_xl": "tx_transfo_xl",
    "xlm": "tx_xlm",
    "xlnet": "tx_xlnet",
}
_KINDS = {
    "configuration": "config",
    "modeling": "model_torch",
    "modeling_tf": "model_tf",
    "tokenization": "tokenizer",
}
_TORCH, _TF = "tx_all.helpers_2019_torch", "tx_all.helpers_2019_tf"
_HELPERS = {"modeling": (_TORCH,), "modeling_tf": (_TF,)}
# Path below `transformers` -> the modules of tx that hold what it held.
PATHS: dict[str, tuple[str, ...]] = {
    "configuration_auto": ("tx_core.auto",),
    "configuration_utils": ("tx_core.config",),
    "data": (),
    "data.metrics": ("tx_data.metrics",),
    "data.metrics.squad_metrics": ("tx_data.squad_metrics", "tx_data.squad_predictions"),
    "data.processors": (),
    "data.processors.glue": ("tx_data.glue",),
    "data.processors.squad": ("tx_data.squad", "tx_data.squad_features"),
    "data.processors.utils": ("tx_data.processors",),
    "data.processors.xnli": ("tx_data.xnli",),
    "file_utils": ("tx_core.files", "tx_core.lazy", "tx_all.helpers_2019"),
    "modeling_auto": ("tx_core.auto",),
    "modeling_encoder_decoder": ("tx_core.models.encoder_decoder_torch",),
    "modeling_tf_auto": ("tx_core.auto",),
    "modeling_tf_pytorch_utils": ("tx_core.models.conversion",),
    "modeling_tf_transfo_xl_utilities": ("tx_transfo_xl.adaptive_tf",),
    "modeling_tf_utils": ("tx_core.models.pretrained_tf", "tx_core.models.layers_tf", _TF),
    "modeling_transfo_xl_utilities": ("tx_transfo_xl.adaptive_torch",),
    "modeling_utils": (
        "tx_core.models.pretrained_torch",
        "tx_core.models.layers_torch",
        "tx_core.models.squad_head_torch",
        _TORCH,
    ),
    "optimization": ("tx_training.optimizers_torch", "tx_training.schedules_torch"),
    "tokenization_auto": ("tx_core.auto",),
    "tokenization_utils": ("tx_tokenizers.base",),
    **{
        f"{kind}_{name}": (f"{package}.{module}", *_HELPERS.get(kind, ()))
        for name, package in _ARCHITECTURES.items()
        for kind, module in _KINDS.items()
    },
}
# What GPT's, GPT-2's and XLNet's modules called "gelu" is the approximation by tanh, as their models were trained with.
_BY_TANH = {"gelu": "gelu_new", "ACT2FN": "ACT2FN_BY_TANH"}
_OF_TANH = ("_gpt2", "_openai", "_xlnet")
# What a module of a tokenizer called the attributes of its class.
_OF_TOKENIZERS = {
    "VOCAB_FILES_NAMES": "vocab_files_names",
    "PRETRAINED_VOCAB_FILES_MAP": "pretrained_vocab_files_map",
    "PRETRAINED_INIT_CONFIGURATION": "pretrained_init_configuration",
    "PRETRAINED_POSITIONAL_EMBEDDINGS_SIZES": "max_model_input_sizes",
}


def install(package: str) -> None:
    """Let the paths be imported below a package, and below any other name that it has in `sys.modules`."""
    finder: Any = _Finder(sys.modules[package])
    sys.meta_path.append(finder)


class _Finder:
    """Finds the modules of `PATHS`. It is asked last, so that modules that exist come before."""

    def __init__(self, package: ModuleType) -> None:
        self.package = package

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        root, _, below = fullname.partition(".")
        if below not in PATHS or sys.modules.get(root) is not self.package:
            return None
        from importlib.machinery import ModuleSpec

        loader: Any = _Loader(self.package, below)
        return ModuleSpec(fullname, loader, is_package=any(each.startswith(f"{below}.") for each in PATHS))


class _Loader:
    """Makes the module of one path."""

    def __init__(self, package: ModuleType, path: str) -> None:
        self.package, self.path, self.sources = package, path, PATHS[path]

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to Python to make an empty module."""

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its names."""
        module.__doc__ = f"What of `{self.package.__name__}` stood in the module of 2019."

        def getattr_(name: str) -> Any:
            value = module.__dict__[name] = self.find(name, module.__name__)  # kept: it takes long to find
            return value

        module.__dict__["__getattr__"] = getattr_

    def find(self, name: str, asked: str) -> Any:
        """What a name of the module `asked` stands for.

        Raises:
            AttributeError: for nothing.
            ImportError: for what needs a framework that is not installed.
        """
        if name == "__all__":
            return [each for source in self.sources for each in _defined(source)]
        if f"{self.path}.{name}" in PATHS:
            from importlib import import_module

            return import_module(f"{asked}.{name}")
        if not name.startswith("__"):
            if name in self.package.__all__:
                return getattr(self.package, name)
            own = _BY_TANH.get(name, name) if self.path.endswith(_OF_TANH) else name
            for source in self.sources:
                found = vars(_module(source, name))
                if own in found:
                    return found[own]
                if name in _OF_TOKENIZERS and source.endswith(".tokenizer"):
                    return next(getattr(found[each], _OF_TOKENIZERS[name]) for each in _tokenizers(source))
        raise AttributeError(f"module {asked!r} has no attribute {name!r}")


def _module(source: str, name: str) -> ModuleType:
    from importlib import import_module

    from tx_core.lazy import require

    require(source, name)
    return import_module(source)


def _defined(source: str) -> list[str]:
    """The public names that a module of tx defines, or says that it has."""
    values = vars(_module(source, source)).items()
    if "__all__" in dict(values):
        return [*dict(values)["__all__"]]
    return [name for name, value in values if name[0] != "_" and getattr(value, "__module__", None) == source]


def _tokenizers(source: str) -> list[str]:
    """The names of the classes that a module of tx defines and that are whole tokenizers."""
    found = vars(_module(source, source))
    return [name for name in _defined(source) if hasattr(found[name], "vocab_files_names")]
