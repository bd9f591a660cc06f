"""``generate``: its arguments, their checks and what it does before a framework comes in. Needs no framework itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from textwrap import indent
from typing import TYPE_CHECKING, Any, ClassVar, Generic, ParamSpec, Protocol, TypeVar

from tx_core.messages import quoted

from .options import Decodes, Options
from .prompts import Prompts
from .results import Steps, TokenStream

# The framework's. (Their names are what `help` shows.)
Tensor = TypeVar("Tensor")
Generator = TypeVar("Generator")

P = ParamSpec("P")
R = TypeVar("R")


class Run(Protocol):
    """One call of ``generate``, checked and ready."""

    def whole(self) -> tuple[Any, ...]:
        """Generate to the end; returns the GenerationOutput."""

    def stepwise(self) -> Steps:
        """Generate one token a row at a time."""


if TYPE_CHECKING:

    class _Base(Generic[Tensor, Generator]):
        pass

else:

    class _Base:
        """`Generic` has slots, and PyTorch's `fully_shard` can change no object whose class begins with slots."""

        def __class_getitem__(cls, item):
            return cls


class Generation(_Base[Tensor, Generator]):
    """``generate`` for a model with a language model head; the half of ``GenerationMixin`` that needs no framework.

    Attributes:
        generation_inputs: names of the model's further inputs: whole numbers, one for each token. ``generate`` takes
            those of the prompts; ``next_inputs`` says how they go on.
    """

    generation_inputs: ClassVar[tuple[str, ...]] = ()
    # Names of arguments that only one framework's `generate` has. They are passed on to `_run`.
    _own_arguments: ClassVar[tuple[str, ...]] = ()

    config: Any

    def generate(
        self,
        input_ids: Tensor | Sequence[Sequence[int]] | Sequence[int] | None = None,
        attention_mask: Tensor | Sequence[Sequence[int]] | None = None,
        *,
        max_length: int | None = None,
        max_new_tokens: int | None = None,
        min_length: int = 0,
        do_sample: bool = False,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        repetition_penalty: float = 1.0,
        num_beams: int = 1,
        length_penalty: float | None = None,
        early_stopping: bool | str | None = None,
        num_return_sequences: int = 1,
        bad_words_ids: Sequence[Sequence[int]] | None = None,
        bos_token_id: int | None = None,
        eos_token_id: int | Sequence[int] | None = None,
        pad_token_id: int | None = None,
        stop_strings: str | Sequence[str] | None = None,
        tokenizer: Decodes | None = None,
        generator: Generator | None = None,
        seed: int | None = None,
        output_scores: bool = False,
        stream: bool = False,
        **inputs: Any,
    ) -> Any:
        """Continue texts.

        Every prompt gets the continuation it would get alone, whatever else is in the batch. Arguments that would have
        no effect are errors. There is no dropout, even while the model is in training mode.

        Args:
            input_ids: (B, S), or a list of prompts of different lengths, or one prompt as a list; by default the token
                that begins a text.
            attention_mask: of the same form, 0 for padding, on either side; without it every token counts.
            max_length: the longest sequence, with its prompt (without padding); or instead
            max_new_tokens: the most tokens after a prompt.
            min_length: no sequence ends by an ``eos_token_id`` before this many tokens, with its prompt.
            do_sample: draw tokens at random by their probabilities, instead of taking the likeliest.
            temperature: what scores are divided by before; small is close to no randomness.
            top_k: draw from that many likeliest tokens only.
            top_p: draw from the likeliest tokens that together have this probability only.
            repetition_penalty: above 1, tokens that the sequence holds already become less likely (CTRL's paper, §4.1).
            num_beams: keep that many sequences a prompt and return the likeliest in the end (beam search).
            length_penalty: sums of log-probabilities are divided by length to this power, 1 by default: above 0
                favours long sequences, below 0 short ones.
            early_stopping: end a beam search when ``num_beams`` sequences have ended (True), when no better one is
                expected (False, the default), or when no better one is possible ("never").
            num_return_sequences: sequences a prompt.
            bad_words_ids: sequences of tokens that are not to come up.
            bos_token_id, eos_token_id (one or several), pad_token_id: by default the configuration's. Without a
                pad_token_id sequences that have ended are filled up with the first eos_token_id.
            stop_strings: end a sequence when its new text has one of these; decoded by ``tokenizer``.
            generator: source of randomness, a ``torch.Generator`` on the model's device or a ``tf.random.Generator``;
                or seed: for a new one. By default the framework's own, seeded by ``torch.manual_seed`` or
                ``tf.random.set_seed``.
            output_scores: also return log-probabilities.
            stream: return an iterator over the tokens as they come, one a row, None in rows that have ended. It has the
                whole result as its ``output`` once exhausted. Not with beams.
            inputs: further inputs of the model where it takes some, in the form of ``input_ids``.

        Returns:
            A GenerationOutput tuple: ``sequences`` (B·num_return_sequences, longest), prompts included, filled up on
            the right (prompts of different lengths on the left); ``stop_reasons``, of each "eos", "stop_string" or
            "length"; with ``output_scores`` also ``scores`` (B·num_return_sequences, new tokens), the log-probability
            of each new token after all processing, 0 after the end, and from beam search ``sequence_scores``, by which
            the sequences of a prompt are sorted.

        Raises:
            ValueError, TypeError: naming the argument, what it is and what it should be.
        """
        given = locals()  # the arguments by name: there are no other names yet
        self._prepare()
        own = {name: inputs.pop(name) for name in self._own_arguments if name in inputs}
        for name in inputs:
            if name not in self.generation_inputs:
                raise TypeError(f"{type(self).__name__}.generate() got an unexpected keyword argument {quoted(name)}")
        options = Options.check(self.config, given)
        prompts = Prompts.check(
            self._untensored(input_ids),
            self._untensored(attention_mask),
            options,
            int(self.config.vocab_size),
            getattr(self.config, "bos_token_id", None) if bos_token_id is None else bos_token_id,
            self._max_positions(),
            {name: self._untensored(x) for name, x in inputs.items()},
        )
        run = self._run(prompts, options, generator, seed, **own)
        return TokenStream(run.stepwise()) if stream else run.whole()

    def _max_positions(self) -> int | None:
        """How many positions the model knows; None for no limit. Given by the architecture."""
        raise NotImplementedError

    def _prepare(self) -> None:
        """Get ready; raise an error if the framework cannot generate now."""

    def _untensored(self, x: Any) -> Any:
        """A tensor as an array; anything else as it is."""
        raise NotImplementedError

    def _run(
        self, prompts: Prompts, options: Options, generator: Generator | None, seed: int | None, **own: Any
    ) -> Run:
        """The run of checked arguments."""
        raise NotImplementedError


def with_argument(generate: Callable[P, R], argument: inspect.Parameter, doc: str, raises: str) -> Callable[P, R]:
    """``generate`` with one more argument of a framework; signature and docstring say so.

    Args:
        doc: what the docstring says of the argument. raises: a further entry under "Raises".
    """
    signature = inspect.signature(generate)
    *before, inputs = signature.parameters.values()

    @wraps(generate)
    def extended(*args: P.args, **kwargs: P.kwargs) -> R:
        kwargs.setdefault(argument.name, argument.default)
        return generate(*args, **kwargs)

    extended.__signature__ = signature.replace(parameters=[*before, argument, inputs])  # type: ignore[attr-defined]
    text = inspect.cleandoc(generate.__doc__ or "")
    extended.__doc__ = text.replace("    inputs: ", f"{_indented(doc)}\n    inputs: ") + "\n" + _indented(raises)
    return extended


def _indented(entry: str) -> str:
    return indent(inspect.cleandoc(entry).replace("\n", "\n    "), "    ")
