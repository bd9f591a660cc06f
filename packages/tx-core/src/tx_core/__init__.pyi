# Written by tools/exports.
from .auto import AutoConfig as AutoConfig
from .auto import AutoModel as AutoModel
from .auto import AutoModelForPreTraining as AutoModelForPreTraining
from .auto import AutoModelForQuestionAnswering as AutoModelForQuestionAnswering
from .auto import AutoModelForSequenceClassification as AutoModelForSequenceClassification
from .auto import AutoModelForTokenClassification as AutoModelForTokenClassification
from .auto import AutoModelWithLMHead as AutoModelWithLMHead
from .auto import AutoTokenizer as AutoTokenizer
from .auto import TFAutoModel as TFAutoModel
from .auto import TFAutoModelForPreTraining as TFAutoModelForPreTraining
from .auto import TFAutoModelForQuestionAnswering as TFAutoModelForQuestionAnswering
from .auto import TFAutoModelForSequenceClassification as TFAutoModelForSequenceClassification
from .auto import TFAutoModelForTokenClassification as TFAutoModelForTokenClassification
from .auto import TFAutoModelWithLMHead as TFAutoModelWithLMHead
from .config import PretrainedConfig as PretrainedConfig
from .files import CONFIG_NAME as CONFIG_NAME
from .files import TF2_WEIGHTS_NAME as TF2_WEIGHTS_NAME
from .files import TF_WEIGHTS_NAME as TF_WEIGHTS_NAME
from .files import WEIGHTS_NAME as WEIGHTS_NAME
from .files import cached_path as cached_path
from .lazy import is_tf_available as is_tf_available
from .lazy import is_torch_available as is_torch_available
from .models.conversion import convert_tf_weight_name_to_pt_weight_name as convert_tf_weight_name_to_pt_weight_name
from .models.conversion import load_pytorch_checkpoint_in_tf2_model as load_pytorch_checkpoint_in_tf2_model
from .models.conversion import load_pytorch_model_in_tf2_model as load_pytorch_model_in_tf2_model
from .models.conversion import load_pytorch_weights_in_tf2_model as load_pytorch_weights_in_tf2_model
from .models.conversion import load_tf2_checkpoint_in_pytorch_model as load_tf2_checkpoint_in_pytorch_model
from .models.conversion import load_tf2_model_in_pytorch_model as load_tf2_model_in_pytorch_model
from .models.conversion import load_tf2_weights_in_pytorch_model as load_tf2_weights_in_pytorch_model
from .models.pretrained_tf import TFPreTrainedModel as TFPreTrainedModel
from .models.pretrained_torch import PreTrainedModel as PreTrainedModel
from .models.pruning_torch import prune_layer as prune_layer
from .weights import LoadReport as LoadReport

__version__: str
