"""What the tx packages share: configurations, files, checkpoints, strict weight loading, attention, outputs.

Importing this package imports no framework; names are loaded when they are first used.
"""

from .lazy import attach

EXPORTS = {
    "config": ("PretrainedConfig",),
    "files": (
        "CONFIG_NAME",
        "PYTORCH_PRETRAINED_BERT_CACHE",
        "PYTORCH_TRANSFORMERS_CACHE",
        "TF2_WEIGHTS_NAME",
        "TF_WEIGHTS_NAME",
        "TRANSFORMERS_CACHE",
        "WEIGHTS_NAME",
        "cached_path",
    ),
    "lazy": ("is_tf_available", "is_torch_available"),
    "weights": ("LoadReport",),
    "models.conversion": (
        "convert_tf_weight_name_to_pt_weight_name",
        "load_pytorch_checkpoint_in_tf2_model",
        "load_pytorch_model_in_tf2_model",
        "load_pytorch_weights_in_tf2_model",
        "load_tf2_checkpoint_in_pytorch_model",
        "load_tf2_model_in_pytorch_model",
        "load_tf2_weights_in_pytorch_model",
    ),
    "auto": (
        "AutoConfig",
        "AutoModel",
        "AutoModelForCausalLM",
        "AutoModelForMaskedLM",
        "AutoModelForMultipleChoice",
        "AutoModelForNextSentencePrediction",
        "AutoModelForPreTraining",
        "AutoModelForQuestionAnswering",
        "AutoModelForSequenceClassification",
        "AutoModelForTokenClassification",
        "AutoModelWithLMHead",
        "AutoTokenizer",
        "TFAutoModel",
        "TFAutoModelForCausalLM",
        "TFAutoModelForMaskedLM",
        "TFAutoModelForMultipleChoice",
        "TFAutoModelForNextSentencePrediction",
        "TFAutoModelForPreTraining",
        "TFAutoModelForQuestionAnswering",
        "TFAutoModelForSequenceClassification",
        "TFAutoModelForTokenClassification",
        "TFAutoModelWithLMHead",
    ),
    "models.encoder_decoder_torch": ("Model2Model", "PreTrainedEncoderDecoder"),
    "models.encoder_decoder_tf": ("TFModel2Model", "TFPreTrainedEncoderDecoder"),
    "models.pretrained_torch": ("PreTrainedModel",),
    "models.pruning_torch": ("prune_layer",),
    "models.pretrained_tf": ("TFPreTrainedModel",),
}

__getattr__, __dir__ = attach(__name__, EXPORTS)
