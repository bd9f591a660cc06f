"""The heads' way from inputs and labels to outputs, in Keras. Mirrors ``heads_torch``.

These classes own no parameters. A class of an architecture has the modules, and says what ``logits`` they give. The
class of its task reads the bare model and adds the loss. ``call`` takes the bare model's arguments and the labels.

Shapes: B batch, C choices, S sequence.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import keras
from keras import ops

from tx_core.outputs import plain

from .heads import HeadBase
from .inputs import bind, check_together, one_of
from .inputs_tf import by_choice, check_ids, choices, flatten_choices, have_choices, undefined
from .losses import no_choices, wrong_shape
from .losses_tf import causal_loss, class_loss, sequence_loss, span_loss, token_loss
from .squad_head_tf import answer_beam, answer_loss

Tensor = Any
Size = Any  # an int, or a scalar tensor where the size is not known before the run


class Head(HeadBase):
    """A bare model with a head. A concrete class states ``bare``, and gives ``logits`` or ``_answer``."""

    _names: ClassVar[tuple[str, ...]] = ()

    if TYPE_CHECKING:  # given by the model that an architecture's class is, too
        base_model_prefix: ClassVar[str]
        get_output_embeddings: Any
        multiple_choice_head: Any
        qa_outputs: Any
        _output: Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not hasattr(cls, "bare") or "call" in vars(cls):
            return
        signature = cls._signature(cls.bare.call)

        def call(self: Any, *args: Any, **named: Any) -> Any:
            given = bind(f"{type(self).__name__}.call()", self._names, args, named)
            for second, first in self.spellings.items():
                given[first] = one_of(**{first: given.get(first), second: given.pop(second, None)})
            return_dict = given.pop("return_dict", None)
            outputs = self._answer(given)
            return plain(outputs) if return_dict is False else outputs

        call.__signature__ = signature  # type: ignore[attr-defined]
        call.__doc__ = cls._doc(cls.bare.call, cls.bare.__name__)
        call.__qualname__ = f"{cls.__qualname__}.call"
        cls._names = tuple(signature.parameters)[1:]
        cls.call = call  # type: ignore[attr-defined]

    def __init__(self, config: Any, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)  # type: ignore[call-arg]
        setattr(self, self.base_model_prefix, self.bare(config, name=self.base_model_prefix))

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Any:
        """What the head makes of the bare model's outputs. Given by the architecture.

        Args:
            attention_mask: (B, S), as the bare model was given it; for heads that read a row's first or last token.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say what its logits are")

    def _read(self, given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The bare model's outputs, and what the head takes by itself."""
        own = {name: given.pop(name, None) for name in (*self.takes, *self.also_takes)}
        return getattr(self, self.base_model_prefix)(**given), own


def _scored_tokens(index: Tensor | None, hidden_states: Tensor, count: Size | None) -> tuple[Any, Any]:
    """``mc_token_ids`` as (B·C,), for hidden states (B·C, S, H), and what :func:`check_ids` says of them."""
    if index is None:
        return None, None
    rows, length = ops.shape(hidden_states)[:2]
    sizes = tuple(index.shape)
    if isinstance(rows, int) and None not in sizes and math.prod(sizes) != rows:
        raise ValueError(wrong_shape("mc_token_ids", (rows,) if count is None else (rows // count, count), sizes))
    return check_ids("mc_token_ids", ops.reshape(index, (-1,)), length, "tokens")


class SequenceClassification(Head):
    """Classes of whole sequences, or with one label numbers."""

    takes = ("labels",)

    def _answer(self, given: dict[str, Any]) -> Any:
        """Classify sequences.

        Args:
            labels: (B,), classes, of which -100 is ignored; numbers (B, num_labels) for regression, which
                ``config.num_labels`` of 1 is, too; 0 and 1 (B, num_labels) for ``multi_label_classification``
                (``config.problem_type``).

        Returns:
            ``(loss, logits (B, num_labels), …)``; the loss only with labels.
        """
        outputs, own = self._read(given)
        logits, labels = self.logits(outputs, given.get("attention_mask")), own["labels"]
        loss = None if labels is None else sequence_loss(logits, labels, self.config)  # type: ignore[attr-defined]
        return self._output(loss=loss, logits=logits, rest=outputs)


class TokenClassification(Head):
    """Classes of every token."""

    takes = ("labels",)

    def _answer(self, given: dict[str, Any]) -> Any:
        """Classify tokens.

        Args:
            labels: (B, S), classes; -100 and -1 are ignored.

        Returns:
            ``(loss, logits (B, S, num_labels), …)``; the loss only with labels.
        """
        outputs, own = self._read(given)
        logits, labels = self.logits(outputs, given.get("attention_mask")), own["labels"]
        loss = None if labels is None else token_loss(logits, labels)
        return self._output(loss=loss, logits=logits, rest=outputs)


class MultipleChoice(Head):
    """The best of C continuations."""

    takes = ("labels",)

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """Token ids (3, 2, 5) with which the model can be called."""
        ids = super().dummy_inputs["input_ids"]  # type: ignore[misc]
        return {"input_ids": ops.repeat(ops.expand_dims(ids, 1), 2, axis=1)}

    def _answer(self, given: dict[str, Any]) -> Any:
        """Score choices. All inputs have one more axis, (B, C, S), C the number of choices.

        Args:
            labels: (B,), the index of the right choice.

        Returns:
            ``(loss, logits (B, C), …)``; the loss only with labels.
        """
        count = choices(given.get("input_ids"), given.get("inputs_embeds"))
        for name in CHOICE_INPUTS & given.keys():
            given[name] = flatten_choices(given[name])
        outputs, own = self._read(given)
        logits, labels = ops.reshape(self.logits(outputs, given.get("attention_mask")), (-1, count)), own["labels"]
        loss = None if labels is None else class_loss(logits, labels)
        return self._output(loss=loss, logits=logits, rest=outputs)


# Inputs of which every choice has its own.
CHOICE_INPUTS = {
    *("input_ids", "attention_mask", "token_type_ids", "position_ids", "inputs_embeds"),
    *("input_mask", "langs", "lengths"),
}


class QuestionAnswering(Head):
    """The first and last token of an answer."""

    takes = ("start_positions", "end_positions")

    def _answer(self, given: dict[str, Any]) -> Any:
        """Mark answers.

        Args:
            start_positions, end_positions: (B,), the answer's first and last token; those beyond the sequence are
                ignored.

        Returns:
            ``(loss, start_logits (B, S), end_logits (B, S), …)``; the loss only with both positions.
        """
        outputs, own = self._read(given)
        check_together(**own)
        start, end = ops.unstack(self.logits(outputs, given.get("attention_mask")), axis=-1)
        loss = None if own["start_positions"] is None else span_loss(start, end, *own.values())
        return self._output(loss=loss, start_logits=start, end_logits=end, rest=outputs)


class BeamQuestionAnswering(Head):
    """The likeliest answers, each with a first and a last token, and whether there is one."""

    takes = ("start_positions", "end_positions", "is_impossible", "cls_index", "p_mask")

    def answer_layers(self) -> Any:
        """What has the three layers of :class:`tx_core.models.squad_head_tf.SQuADHead`."""
        return self.qa_outputs

    def _answer(self, given: dict[str, Any]) -> Any:
        """Find answers.

        Args:
            start_positions, end_positions: (B,), the answer's first and last token; those beyond the sequence are
                ignored.
            is_impossible: (B,), 1 where the text has no answer, else 0; needs all other labels and ``cls_index``.
            cls_index: (B,), the token that stands for the whole text; by default the last, padding or not.
            p_mask: (B, S), 1 for tokens that cannot be in an answer, such as the question's. As published, padding
                can be unless it is among them: ``1 - attention_mask`` leaves it out.

        Returns:
            With labels ``(loss, …)``: of the start, and of the end after the true start, their mean; and half of
            that of ``is_impossible``. Without them ``(start_top_log_probs (B, start_n_top), start_top_index,
            end_top_log_probs (B, end_n_top·start_n_top), end_top_index, cls_logits (B,), …)``: the likeliest starts,
            best first, and for each the likeliest ends, the j-th for the i-th start at j·start_n_top + i. In spite
            of their published names these are probabilities. Where fewer tokens can be in an answer than are asked
            for, the best is repeated with a probability of 0. ``cls_logits`` is high where there is no answer.
        """
        outputs, own = self._read(given)
        needed = ("start_positions", "end_positions", "is_impossible", "cls_index")
        check_together(**{name: own[name] for name in needed[: 2 if own["is_impossible"] is None else 4]})
        layers = self.answer_layers()
        if own["start_positions"] is None:
            config = self.config  # type: ignore[attr-defined]
            found = answer_beam(layers, config, outputs[0], own["cls_index"], own["p_mask"])
            return self._output(**found, rest=outputs)
        return self._output(loss=answer_loss(layers, outputs[0], **own), rest=outputs)


class LanguageModelling(Head):
    """Scores of the vocabulary, by the output embeddings."""

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Any:
        """By the output embeddings: (B, S, vocabulary)."""
        return self.get_output_embeddings()(outputs[0])


class CausalLM(LanguageModelling):
    """The next token at every place."""

    takes = ("labels",)

    def _answer(self, given: dict[str, Any]) -> Any:
        """Predict next tokens.

        Args:
            labels: (B, S), usually the input ids, each to be predicted from those before it; -100 and -1 are ignored.

        Returns:
            ``(loss, logits (B, S, vocabulary), …)``; the loss only with labels. ``past`` follows where the bare model
            returns it.
        """
        outputs, own = self._read(given)
        logits, labels = self.logits(outputs, given.get("attention_mask")), own["labels"]
        loss = None if labels is None else causal_loss(logits, labels)
        return self._output(loss=loss, logits=logits, rest=outputs)


class MaskedLM(LanguageModelling):
    """The tokens that were masked; as a decoder (``config.is_decoder``) the next ones."""

    takes = ("masked_lm_labels",)
    also_takes = ("lm_labels", "labels")
    spellings: ClassVar[dict[str, str]] = {"labels": "masked_lm_labels"}
    decodes = True

    def _answer(self, given: dict[str, Any]) -> Any:
        """Predict tokens.

        Args:
            masked_lm_labels (or ``labels``): (B, S), the words to predict in place; -100 and -1 are ignored.
            lm_labels: (B, S), usually the input ids, each to be predicted from those before it (a decoder's loss).

        Returns:
            ``(loss, logits (B, S, vocabulary), …)``; the loss only with labels. With both kinds of labels both losses
            come first: ``(lm_loss, loss, logits, …)``.
        """
        outputs, own = self._read(given)
        logits = self.logits(outputs, given.get("attention_mask"))
        in_place, next_ones = own["masked_lm_labels"], own["lm_labels"]
        loss = None if in_place is None else token_loss(logits, in_place, self.spelt("masked_lm_labels"))
        lm_loss = None if next_ones is None else causal_loss(logits, next_ones, "lm_labels")
        if loss is None:
            lm_loss, loss = None, lm_loss
        return self._output(lm_loss=lm_loss, loss=loss, logits=logits, rest=outputs)


class DoubleHeads(LanguageModelling):
    """A language model that also chooses between texts, by its ``multiple_choice_head``."""

    takes = ("mc_token_ids", "lm_labels", "mc_labels")
    also_takes = ("labels",)
    spellings: ClassVar[dict[str, str]] = {"labels": "lm_labels"}

    def _answer(self, given: dict[str, Any]) -> Any:
        """Predict next tokens, and score choices.

        All inputs have one more axis, (B, C, S), C the number of choices. They may also be (B, S): one text a row, each
        with a score.

        Args:
            mc_token_ids: (B, C), the token whose state is scored; by default the last that is not padding.
            lm_labels (or ``labels``): (B, C, S), usually the input ids; -100 and -1 are ignored.
            mc_labels: (B,), the index of the right choice.

        Returns:
            ``(loss, mc_loss, logits (B, C, S, vocabulary), mc_logits (B, C), …)``; the language model's loss only with
            ``lm_labels``, the choice's only with ``mc_labels``. ``past`` follows where the bare model returns it: it
            is that of B·C texts. Hidden states are (B, C, S, H), attentions (B, C, N, S, K).
        """
        ids, vectors = given.get("input_ids"), given.get("inputs_embeds")
        several = have_choices(ids, vectors)
        count = choices(ids, vectors) if several else None
        for name in CHOICE_INPUTS & given.keys() if several else ():
            given[name] = flatten_choices(given[name])
        mask = given.get("attention_mask")
        outputs, own = self._read(given)
        logits = self.logits(outputs, mask)
        labels, mc_labels = own["lm_labels"], own["mc_labels"]
        if mc_labels is not None and count is None:
            raise ValueError(no_choices())
        index, wrong = _scored_tokens(own["mc_token_ids"], outputs[0], count)
        mc_logits = self.multiple_choice_head(outputs[0], index, mask)  # (B·C, 1)
        if wrong is not None:
            dtype = keras.backend.standardize_dtype(mc_logits.dtype)
            mc_logits = mc_logits + undefined(ops.expand_dims(wrong, -1), dtype)
        if mc_logits.shape[-1] == 1:
            mc_logits = ops.squeeze(mc_logits, -1)
        if count is not None:
            logits, mc_logits = (by_choice(x, count) for x in (logits, mc_logits))
            outputs = outputs._replace(
                **{
                    name: tuple(by_choice(x, count) for x in getattr(outputs, name))
                    for name in ("hidden_states", "attentions")
                    if name in outputs._fields
                }
            )
        return self._output(
            loss=None if labels is None else causal_loss(logits, labels, self.spelt("lm_labels")),
            mc_loss=None if mc_labels is None else class_loss(mc_logits, mc_labels, "mc_labels"),
            logits=logits,
            mc_logits=mc_logits,
            rest=outputs,
        )
