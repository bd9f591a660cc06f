# Written by tools/exports.
from collections.abc import Mapping

from .config import TransfoXLConfig as TransfoXLConfig
from .corpus import TransfoXLCorpus as TransfoXLCorpus
from .model_tf import TFAdaptiveEmbedding as TFAdaptiveEmbedding
from .model_tf import TFProjectedAdaptiveLogSoftmax as TFProjectedAdaptiveLogSoftmax
from .model_tf import TFTransfoXLLMHeadModel as TFTransfoXLLMHeadModel
from .model_tf import TFTransfoXLMainLayer as TFTransfoXLMainLayer
from .model_tf import TFTransfoXLModel as TFTransfoXLModel
from .model_tf import TFTransfoXLPreTrainedModel as TFTransfoXLPreTrainedModel
from .model_torch import AdaptiveEmbedding as AdaptiveEmbedding
from .model_torch import ProjectedAdaptiveLogSoftmax as ProjectedAdaptiveLogSoftmax
from .model_torch import TransfoXLLMHeadModel as TransfoXLLMHeadModel
from .model_torch import TransfoXLModel as TransfoXLModel
from .model_torch import TransfoXLPreTrainedModel as TransfoXLPreTrainedModel
from .model_torch import load_tf_weights_in_transfo_xl as load_tf_weights_in_transfo_xl
from .tokenizer import TransfoXLTokenizer as TransfoXLTokenizer

TF_TRANSFO_XL_PRETRAINED_MODEL_ARCHIVE_MAP: Mapping[str, str]
TRANSFO_XL_PRETRAINED_CONFIG_ARCHIVE_MAP: Mapping[str, str]
TRANSFO_XL_PRETRAINED_MODEL_ARCHIVE_MAP: Mapping[str, str]
__version__: str
