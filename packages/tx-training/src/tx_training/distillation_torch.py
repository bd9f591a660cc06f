"""Knowledge distillation: losses by which a small model, the student, learns from what a larger one, its teacher, says.

Hinton et al. 2015, https://arxiv.org/abs/1503.02531; DistilBERT, Sanh et al. 2019, https://arxiv.org/abs/1910.01108.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tx_core.messages import quoted
from tx_core.models.heads_torch import LanguageModelling, TokenClassification
from tx_core.models.losses_torch import precise

from .options import LABELS
from .processes_torch import unwrapped
from .steps_torch import Batch, output_loss, predicts_next, targets

# What the loss alone needs; neither model has to see it to give its logits.
_ANSWERS = {*LABELS, "start_positions", "end_positions"}


def soft_target_loss(
    student_logits: Tensor, teacher_logits: Tensor, temperature: float = 1.0, mask: Tensor | None = None
) -> Tensor:
    """How far a student's probabilities are from its teacher's: T²·KL(teacher ‖ student), both softened.

    Logits are divided by the temperature T before the softmax. The factor T² keeps gradients of one size whatever T is
    (Hinton et al. 2015, section 2). The gradient is that of the cross-entropy with soft targets, which is the
    divergence plus the teacher's entropy.

    Args:
        student_logits, teacher_logits: (..., classes).
        temperature: above 0; 1 for the probabilities as they are.
        mask: (...), the places that count are not 0; all by default.

    Returns:
        The mean over the places that count, 0 if none does; float32 at least.

    Raises:
        ValueError: if shapes do not fit, or the temperature is not above 0.
    """
    _check_temperature(temperature)
    student, teacher = _chosen("logits", student_logits, teacher_logits, mask)
    found = F.log_softmax(student / temperature, dim=-1)
    wanted = F.log_softmax(teacher / temperature, dim=-1)
    return F.kl_div(found, wanted, reduction="sum", log_target=True) * temperature**2 / max(1, len(student))


def logits_loss(student_logits: Tensor, teacher_logits: Tensor, mask: Tensor | None = None) -> Tensor:
    """Squared distance of a student's logits from its teacher's: the sum over classes, the mean over places.

    Args:
        student_logits, teacher_logits: (..., classes).
        mask: (...), the places that count are not 0; all by default.

    Raises:
        ValueError: if shapes do not fit.
    """
    student, teacher = _chosen("logits", student_logits, teacher_logits, mask)
    return F.mse_loss(student, teacher, reduction="sum") / max(1, len(student))


def cosine_loss(student_states: Tensor, teacher_states: Tensor, mask: Tensor | None = None) -> Tensor:
    """How far hidden states point elsewhere than the teacher's: the mean of 1 - cosine, from 0 to 2.

    Args:
        student_states, teacher_states: (..., H).
        mask: (...), the places that count are not 0; all by default.

    Raises:
        ValueError: if shapes do not fit.
    """
    student, teacher = _chosen("hidden states", student_states, teacher_states, mask)
    return (1 - F.cosine_similarity(student, teacher, dim=-1)).sum() / max(1, len(student))


class Distillation:
    """The loss of a student that learns from a teacher, for :class:`TrainingLoop` and :class:`TrainingStep`.

    It is the weighted sum of up to four: of the teacher's softened predictions, of the labels, of the logits' squared
    distance, and of the direction of the last hidden states. Those of logits count tokens that are not padding, or
    whole rows where a model has one prediction a row.

        distillation = Distillation(teacher, temperature=2.0, alpha_ce=5.0, alpha_task=2.0, alpha_cos=1.0)
        TrainingLoop(student, dataset, "student", loss=distillation, count=distillation.count).run()

    Args:
        teacher: a model of tx with the student's head: the same vocabulary, or the same classes. It is put into
            evaluation mode, and onto the device of the batches; it gets no gradient, and is not saved with the student.
        temperature: what both models' logits are divided by, for `alpha_ce`.
        alpha_ce: weight of :func:`soft_target_loss`.
        alpha_task: weight of the student's own loss, which its labels give.
        alpha_mse: weight of :func:`logits_loss`.
        alpha_cos: weight of :func:`cosine_loss` of the last hidden states of all tokens but padding. Both models need
            the same width.
        fields: the outputs that are compared, ``("start_logits", "end_logits")`` for answers,
            ``("prediction_logits",)`` of ``BertForPreTraining``; the mean of several.
        restrict_ce_to_mask: compare predictions only where the labels count: of the hidden tokens, for a masked
            language model. Others are compared for all tokens but padding.

    Raises:
        ValueError: if a weight is negative, all are 0, or the temperature is not above 0.
    """

    def __init__(
        self,
        teacher: nn.Module,
        *,
        temperature: float = 2.0,
        alpha_ce: float = 0.5,
        alpha_task: float = 0.5,
        alpha_mse: float = 0.0,
        alpha_cos: float = 0.0,
        fields: Sequence[str] = ("logits",),
        restrict_ce_to_mask: bool = False,
    ) -> None:
        _check_temperature(temperature)
        weights = {"alpha_ce": alpha_ce, "alpha_task": alpha_task, "alpha_mse": alpha_mse, "alpha_cos": alpha_cos}
        for name, value in weights.items():
            if not value >= 0:
                raise ValueError(f"{name} must be at least 0, not {quoted(value)}")
        if not any(weights.values()):
            raise ValueError(f"one of {', '.join(weights)} must be above 0: there is nothing to learn from")
        self.teacher = teacher.eval()
        self.temperature = temperature
        self.weights = {name: value for name, value in weights.items() if value}
        self.fields = tuple(fields)
        self.restrict_ce_to_mask = restrict_ce_to_mask

    def __call__(self, model: nn.Module, batch: Batch) -> Tensor:
        """The losses of a batch.

        Args:
            model: the student, wrapped or not.
            batch: inputs of both models, (B, …) each, and the labels. What only one of them takes, as BERT's segments,
                which a DistilBERT does not have, is given to that one.

        Returns:
            (k,), each of the losses whose weight is not 0, times it; their sum is the loss. Each is a mean over as many
            places as :meth:`count` says.

        Raises:
            ValueError: if the models' outputs do not fit each other, or there are no labels where they are needed.
        """
        own, taught = _inputs(unwrapped(model)), _inputs(self.teacher)
        states = {"output_hidden_states": True} if "alpha_cos" in self.weights else {}
        answers = set() if "alpha_task" in self.weights else _ANSWERS
        outputs = model(**{k: v for k, v in batch.items() if k not in taught - own and k not in answers}, **states)
        wanted: Any = None
        if [*self.weights] != ["alpha_task"]:
            wanted = self._ask({k: v for k, v in batch.items() if k in taught - _ANSWERS}, states)
        losses = []
        for name in self.weights:
            if name == "alpha_task":
                loss = output_loss(model, outputs, batch)
            elif name == "alpha_cos":
                found, right = outputs.hidden_states[-1], wanted.hidden_states[-1]
                mask = batch.get("attention_mask")
                # Of choices, masks are (B, C, S) and states (B·C, S, H).
                loss = cosine_loss(found, right, None if mask is None else mask.reshape(found.shape[:-1]))
            else:
                loss = self._compare(name, model, batch, outputs, wanted)
            losses.append(self.weights[name] * loss)
        return torch.stack(losses)

    def count(self, model: nn.Module, batch: Batch) -> list[int]:
        """Of how many places each of the losses is the mean."""
        mask = batch.get("attention_mask")
        tokens = batch["input_ids"].numel() if mask is None else int((mask != 0).sum())
        counts = {"alpha_task": targets(model, batch) if "alpha_task" in self.weights else 0, "alpha_cos": tokens}
        compared = len(batch["input_ids"])
        if self._is_by_token(model):
            restricted = self._compared(model, batch)
            compared = tokens if restricted is None else int((restricted != 0).sum())
        return [counts.get(name, compared) for name in self.weights]

    @torch.no_grad()
    def _ask(self, inputs: Batch, states: Mapping[str, bool]) -> Any:
        """What the teacher says."""
        device = inputs["input_ids"].device
        if next(self.teacher.parameters()).device != device:
            self.teacher.to(device)
        return self.teacher(**inputs, **states)

    def _compare(self, name: str, model: nn.Module, batch: Batch, outputs: Any, wanted: Any) -> Tensor:
        mask = self._compared(model, batch) if self._is_by_token(model) else None
        losses = []
        for field in self.fields:
            found, right = _logits(outputs, field, "student"), _logits(wanted, field, "teacher")
            if name == "alpha_ce":
                losses.append(soft_target_loss(found, right, self.temperature, mask))
            else:
                losses.append(logits_loss(found, right, mask))
        return torch.stack(losses).mean()

    def _is_by_token(self, model: nn.Module) -> bool:
        """Whether a prediction belongs to a token, rather than to a row."""
        by_token = isinstance(unwrapped(model), LanguageModelling | TokenClassification)
        return by_token or "prediction_logits" in self.fields  # of BertForPreTraining

    def _compared(self, model: nn.Module, batch: Batch) -> Tensor | None:
        """The tokens (B, S) whose predictions are compared; None for all."""
        mask: Tensor | None = batch.get("attention_mask")
        if not self.restrict_ce_to_mask:
            return mask
        name = next((name for name in LABELS if name in batch), None)
        if name is None:
            raise ValueError(f"restrict_ce_to_mask=True needs labels: the batch has {', '.join(batch)}")
        counted: Tensor = (batch[name] != -100) & (batch[name] != -1)
        if predicts_next(unwrapped(model), name):  # a prediction stands before its label
            counted = F.pad(counted[..., 1:], (0, 1))
        return counted


def _logits(outputs: Any, field: str, whose: str) -> Tensor:
    found: Tensor | None = getattr(outputs, field, None)
    if found is None:
        names = [name for name in getattr(outputs, "_fields", ()) if getattr(outputs, name) is not None]
        raise ValueError(f"the {whose} returned no {field}, but {', '.join(names) or 'no names'}: see fields=")
    return found


def _inputs(model: nn.Module) -> set[str]:
    return {*inspect.signature(model.forward).parameters}


def _check_temperature(temperature: float) -> None:
    if not temperature > 0:
        raise ValueError(f"the temperature must be above 0, not {quoted(temperature)}")


def _chosen(what: str, student: Tensor, teacher: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """The places that count, (places, …) of both, in float32 at least."""
    if student.shape != teacher.shape:
        shapes = f"{tuple(student.shape)} and the teacher's {tuple(teacher.shape)}"
        raise ValueError(f"the student's {what} are {shapes}: they are compared number by number")
    if mask is None:
        width = student.shape[-1]
        return precise(student).reshape(-1, width), precise(teacher).reshape(-1, width)
    if mask.shape != student.shape[:-1]:
        raise ValueError(f"the mask must be {tuple(student.shape[:-1])}, as the {what} are, not {tuple(mask.shape)}")
    places = mask != 0
    return precise(student[places]), precise(teacher[places])
