"""The models in Keras: a text is the average of its words."""

from __future__ import annotations

from typing import Any

from keras import ops

from tx_core.models.layers_tf import Embedding, Linear, Module
from tx_core.models.pretrained_tf import TFPreTrainedModel

from .architecture import ARCHITECTURE
from .config import AverageConfig

Tensor = Any


class TFAverageMainLayer(Module):
    """The average of the words of each text: (B, H)."""

    def __init__(self, config: AverageConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.config = config
        self.words = Embedding(config.vocab_size, config.hidden_size, name="words")

    def get_input_embeddings(self) -> Embedding:
        return self.words

    def call(self, input_ids: Tensor) -> tuple[Tensor, ...]:
        return (ops.mean(self.words(input_ids), 1),)


class TFAveragePreTrainedModel(TFPreTrainedModel, architecture=ARCHITECTURE):
    """What the models share."""


class TFAverageModel(TFAveragePreTrainedModel, published=True):
    """The average of the words of each text: (B, H)."""

    def __init__(self, config: AverageConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.average = TFAverageMainLayer(config, name="average")
        self.init_weights()

    def call(self, input_ids: Tensor) -> tuple[Tensor, ...]:
        return self.average(input_ids)


class TFAverageForSequenceClassification(TFAveragePreTrainedModel, published=True):
    """Scores of classes: (B, classes)."""

    new_heads = (("classifier",),)

    def __init__(self, config: AverageConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.average = TFAverageMainLayer(config, name="average")
        self.classifier = Linear(config.hidden_size, config.num_labels, name="classifier")
        self.init_weights()

    def call(self, input_ids: Tensor) -> tuple[Tensor, ...]:
        return (self.classifier(self.average(input_ids)[0]),)
