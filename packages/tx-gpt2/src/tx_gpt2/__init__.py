"""GPT-2 in PyTorch and TensorFlow (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners").

Importing this package imports no framework; names are loaded when they are first used.
"""

from __future__ import annotations

TYPE_CHECKING = False

EXPORTS: dict[str, tuple[str, ...]] = {
    "config": ("GPT2Config", "GPT2_PRETRAINED_CONFIG_ARCHIVE_MAP"),
    "tokenizer": ("GPT2Tokenizer",),
    "model_torch": (
        "Conv1D",
        "GPT2DoubleHeadsModel",
        "GPT2LMHeadModel",
        "GPT2Model",
        "GPT2PreTrainedModel",
        "GPT2_PRETRAINED_MODEL_ARCHIVE_MAP",
        "load_tf_weights_in_gpt2",
    ),
    "model_tf": (
        "TFGPT2DoubleHeadsModel",
        "TFGPT2LMHeadModel",
        "TFGPT2MainLayer",
        "TFGPT2Model",
        "TFGPT2PreTrainedModel",
        "TF_GPT2_PRETRAINED_MODEL_ARCHIVE_MAP",
    ),
}

if TYPE_CHECKING:
    from .config import GPT2_PRETRAINED_CONFIG_ARCHIVE_MAP as GPT2_PRETRAINED_CONFIG_ARCHIVE_MAP
    from .config import GPT2Config as GPT2Config
    from .model_tf import TF_GPT2_PRETRAINED_MODEL_ARCHIVE_MAP as TF_GPT2_PRETRAINED_MODEL_ARCHIVE_MAP
    from .model_tf import TFGPT2DoubleHeadsModel as TFGPT2DoubleHeadsModel
    from .model_tf import TFGPT2LMHeadModel as TFGPT2LMHeadModel
    from .model_tf import TFGPT2MainLayer as TFGPT2MainLayer
    from .model_tf import TFGPT2Model as TFGPT2Model
    from .model_tf import TFGPT2PreTrainedModel as TFGPT2PreTrainedModel
    from .model_torch import GPT2_PRETRAINED_MODEL_ARCHIVE_MAP as GPT2_PRETRAINED_MODEL_ARCHIVE_MAP
    from .model_torch import Conv1D as Conv1D
    from .model_torch import GPT2DoubleHeadsModel as GPT2DoubleHeadsModel
    from .model_torch import GPT2LMHeadModel as GPT2LMHeadModel
    from .model_torch import GPT2Model as GPT2Model
    from .model_torch import GPT2PreTrainedModel as GPT2PreTrainedModel
    from .model_torch import load_tf_weights_in_gpt2 as load_tf_weights_in_gpt2
    from .tokenizer import GPT2Tokenizer as GPT2Tokenizer

    __version__: str
else:
    from tx_core.lazy import attach

    __getattr__, __dir__ = attach(__name__, EXPORTS)
