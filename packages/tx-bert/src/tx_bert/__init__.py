"""BERT in PyTorch and TensorFlow (Devlin et al. 2018, https://arxiv.org/abs/1810.04805).

Importing this package imports no framework; names are loaded when they are first used.
"""

from __future__ import annotations

TYPE_CHECKING = False

EXPORTS: dict[str, tuple[str, ...]] = {
    "config": ("BERT_PRETRAINED_CONFIG_ARCHIVE_MAP", "BertConfig"),
    "tokenizer": ("BasicTokenizer", "BertTokenizer", "WordpieceTokenizer"),
    "model_torch": (
        "BERT_PRETRAINED_MODEL_ARCHIVE_MAP",
        "BertForMaskedLM",
        "BertForMultipleChoice",
        "BertForNextSentencePrediction",
        "BertForPreTraining",
        "BertForQuestionAnswering",
        "BertForSequenceClassification",
        "BertForTokenClassification",
        "BertModel",
        "BertPreTrainedModel",
        "load_tf_weights_in_bert",
    ),
    "model_tf": (
        "TFBertEmbeddings",
        "TFBertForMaskedLM",
        "TFBertForMultipleChoice",
        "TFBertForNextSentencePrediction",
        "TFBertForPreTraining",
        "TFBertForQuestionAnswering",
        "TFBertForSequenceClassification",
        "TFBertForTokenClassification",
        "TFBertMainLayer",
        "TFBertModel",
        "TFBertPreTrainedModel",
        "TF_BERT_PRETRAINED_MODEL_ARCHIVE_MAP",
    ),
}

if TYPE_CHECKING:
    from .config import (
        BERT_PRETRAINED_CONFIG_ARCHIVE_MAP as BERT_PRETRAINED_CONFIG_ARCHIVE_MAP,
        BertConfig as BertConfig,
    )
    from .model_tf import (
        TF_BERT_PRETRAINED_MODEL_ARCHIVE_MAP as TF_BERT_PRETRAINED_MODEL_ARCHIVE_MAP,
        TFBertEmbeddings as TFBertEmbeddings,
        TFBertForMaskedLM as TFBertForMaskedLM,
        TFBertForMultipleChoice as TFBertForMultipleChoice,
        TFBertForNextSentencePrediction as TFBertForNextSentencePrediction,
        TFBertForPreTraining as TFBertForPreTraining,
        TFBertForQuestionAnswering as TFBertForQuestionAnswering,
        TFBertForSequenceClassification as TFBertForSequenceClassification,
        TFBertForTokenClassification as TFBertForTokenClassification,
        TFBertMainLayer as TFBertMainLayer,
        TFBertModel as TFBertModel,
        TFBertPreTrainedModel as TFBertPreTrainedModel,
    )
    from .model_torch import (
        BERT_PRETRAINED_MODEL_ARCHIVE_MAP as BERT_PRETRAINED_MODEL_ARCHIVE_MAP,
        BertForMaskedLM as BertForMaskedLM,
        BertForMultipleChoice as BertForMultipleChoice,
        BertForNextSentencePrediction as BertForNextSentencePrediction,
        BertForPreTraining as BertForPreTraining,
        BertForQuestionAnswering as BertForQuestionAnswering,
        BertForSequenceClassification as BertForSequenceClassification,
        BertForTokenClassification as BertForTokenClassification,
        BertModel as BertModel,
        BertPreTrainedModel as BertPreTrainedModel,
        load_tf_weights_in_bert as load_tf_weights_in_bert,
    )
    from .tokenizer import (
        BasicTokenizer as BasicTokenizer,
        BertTokenizer as BertTokenizer,
        WordpieceTokenizer as WordpieceTokenizer,
    )

    __version__: str
else:
    from tx_core.lazy import attach

    __getattr__, __dir__ = attach(__name__, EXPORTS)
