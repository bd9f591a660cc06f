# Written by tools/exports.
from collections.abc import Mapping

from .config import GPT2Config as GPT2Config
from .model_tf import TFGPT2DoubleHeadsModel as TFGPT2DoubleHeadsModel
from .model_tf import TFGPT2LMHeadModel as TFGPT2LMHeadModel
from .model_tf import TFGPT2MainLayer as TFGPT2MainLayer
from .model_tf import TFGPT2Model as TFGPT2Model
from .model_tf import TFGPT2PreTrainedModel as TFGPT2PreTrainedModel
from .model_torch import Conv1D as Conv1D
from .model_torch import GPT2DoubleHeadsModel as GPT2DoubleHeadsModel
from .model_torch import GPT2LMHeadModel as GPT2LMHeadModel
from .model_torch import GPT2Model as GPT2Model
from .model_torch import GPT2PreTrainedModel as GPT2PreTrainedModel
from .model_torch import load_tf_weights_in_gpt2 as load_tf_weights_in_gpt2
from .tokenizer import GPT2Tokenizer as GPT2Tokenizer

GPT2_PRETRAINED_CONFIG_ARCHIVE_MAP: Mapping[str, str]
GPT2_PRETRAINED_MODEL_ARCHIVE_MAP: Mapping[str, str]
TF_GPT2_PRETRAINED_MODEL_ARCHIVE_MAP: Mapping[str, str]
__version__: str
