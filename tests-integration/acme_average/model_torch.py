"""The models in PyTorch: a text is the average of its words."""

from __future__ import annotations

from torch import Tensor, nn

from tx_core.models.pretrained_torch import PreTrainedModel

from .architecture import ARCHITECTURE
from .config import AverageConfig


class AveragePreTrainedModel(PreTrainedModel, architecture=ARCHITECTURE):
    """What the models share."""


class AverageModel(AveragePreTrainedModel, published=True):
    """The average of the words of each text: (B, H)."""

    words_at = "words"

    def __init__(self, config: AverageConfig) -> None:
        super().__init__(config)
        self.words = nn.Embedding(config.vocab_size, config.hidden_size)
        self.init_weights()

    def forward(self, input_ids: Tensor) -> tuple[Tensor, ...]:
        return (self.words(input_ids).mean(1),)


class AverageForSequenceClassification(AveragePreTrainedModel, published=True):
    """Scores of classes: (B, classes)."""

    new_heads = (("classifier",),)

    def __init__(self, config: AverageConfig) -> None:
        super().__init__(config)
        self.average = AverageModel(config)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.init_weights()

    def forward(self, input_ids: Tensor) -> tuple[Tensor, ...]:
        return (self.classifier(self.average(input_ids)[0]),)
