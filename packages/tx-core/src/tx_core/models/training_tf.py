"""``compile`` and ``fit`` of models whose outputs are several, some of which labels are for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras

from .layers_tf import descendants
from .switches_tf import symbolic_build

Tensor = Any


class Trains:
    """What Keras's ``compile`` and ``fit`` need to know of such a model. Stands before ``keras.Model``."""

    if TYPE_CHECKING:  # given by keras.Model
        optimizer: Any
        trainable_variables: list[Any]
        distribute_strategy: Any

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Tensor:
        """The compiled loss of the outputs that the labels are for: the first, or as many as there are labels."""
        return super().compute_loss(x, y, _labelled(y, y_pred), sample_weight, training)  # type: ignore[misc]

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """The compiled metrics of the outputs that the labels are for."""
        found: dict[str, Any] = super().compute_metrics(x, y, _labelled(y, y_pred), sample_weight)  # type: ignore[misc]
        return found

    def _symbolic_build(self, *args: Any, **kwargs: Any) -> None:
        # With several replicas Keras calls the model on the mean of their batches, where ids are no integers.
        with symbolic_build.on():
            super()._symbolic_build(*args, **kwargs)  # type: ignore[misc]

    def make_train_function(self, force: bool = False) -> Any:
        """As ``keras.Model.make_train_function``."""
        # Keras traces the training step a second time if the first one creates the optimizer's variables.
        known = all(layer.built for layer in descendants(self))
        if known and self.optimizer is not None and not self.optimizer.built:
            if keras.backend.backend() == "tensorflow":
                with self.distribute_strategy.scope():
                    self.optimizer.build(self.trainable_variables)
            else:
                self.optimizer.build(self.trainable_variables)
        return super().make_train_function(force)  # type: ignore[misc]


def _labelled(y: Any, outputs: Any) -> Any:
    """The outputs that labels are for, in the labels' structure."""
    fields: tuple[str, ...] = getattr(outputs, "_fields", ())
    if not isinstance(outputs, tuple):
        return outputs
    if isinstance(y, Mapping):
        if unknown := [name for name in y if name not in fields]:
            raise ValueError(f"labels are given for {', '.join(unknown)}, but the outputs are {', '.join(fields)}")
        return {name: outputs[fields.index(name)] for name in y}
    # Labels may be among the inputs too: what the model made of those comes first.
    names = fields or ("",) * len(outputs)
    plain = tuple(value for name, value in zip(names, outputs, strict=True) if not name.endswith("loss"))
    if isinstance(y, list | tuple):
        if len(y) > len(plain):
            raise ValueError(f"there are {len(y)} labels, but only {len(plain)} outputs: {', '.join(fields)}")
        return type(y)(plain[: len(y)])
    return plain[0]
