"""A set of sentences as a model takes it, and what is made of what the model says of it."""

from __future__ import annotations

from typing import Any

from .ner_features import ner_convert_examples_to_features, ner_labels_of_words
from .ner_metrics import ner_compute_metrics

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tx_tokenizers import PreTrainedTokenizer

    from .ner import TokenExample


class TokenSentences:
    """A set of sentences with its features; its labels, scores and text are those of a model's logits for them.

    Args:
        examples: the sentences, all with labels or all without.
        tokenizer, max_length: as of :func:`ner_convert_examples_to_features`.
        label_list: the labels, in the order of the classes.

    Attributes:
        labelled: whether the sentences have labels.
        features: the rows that a model takes, without ``label_ids`` where there are no labels. A long sentence has
            several.

    Raises:
        ValueError: as :func:`ner_convert_examples_to_features`.
    """

    def __init__(
        self,
        examples: Sequence[TokenExample],
        tokenizer: PreTrainedTokenizer,
        max_length: int,
        label_list: Sequence[str],
    ) -> None:
        self.examples = examples
        self.label_list = label_list
        self.labelled = bool(examples) and examples[0].labels is not None
        self.features = ner_convert_examples_to_features(
            examples, tokenizer, max_length, label_list if self.labelled else None
        )

    def found(self, logits: Sequence[Any]) -> list[list[str]]:
        """The label of each word of each sentence, of logits (tokens, labels) for each of the features."""
        return ner_labels_of_words([each.argmax(-1) for each in logits], self.features, self.examples, self.label_list)

    def scores(self, logits: Sequence[Any], labels: Sequence[Any] = ()) -> dict[str, float]:
        """Precision, recall and F1 of entities, of all and of each kind, as :func:`ner_compute_metrics`.

        Args:
            logits: (tokens, labels) for each of the features.
            labels: not used, for the sentences have them: a function of both is what an ``Evaluation`` takes.

        Raises:
            ValueError: the sentences have no labels.
        """
        right = [each.labels for each in self.examples if each.labels is not None]
        if len(right) < len(self.examples):
            raise ValueError("the sentences have no labels to compare with")
        return ner_compute_metrics(self.found(logits), right)

    def text(self, logits: Sequence[Any]) -> str:
        """A word and the label that is found for it a line, and an empty line between sentences."""
        sentences = zip(self.examples, self.found(logits), strict=True)
        return "\n".join(
            "".join(f"{word} {label}\n" for word, label in zip(example.words, labels, strict=True))
            for example, labels in sentences
        )
