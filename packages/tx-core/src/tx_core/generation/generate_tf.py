"""Text generation in Keras on TensorFlow. What needs no framework is in ``generation``; mirrors ``generation_torch``.

Three functions are compiled: one that reads prompts, traced once for all sizes; and, traced once for each number of
rows and capacity of the memory, into which they write in place, one that reads one token a row, and for greedy search
one that reads as many as it likes best.

Shapes: B prompts, R rows (B times the sequences or beams of each), S sequence, M capacity of the memory, N heads, D
head width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import nullcontext
from functools import cache, wraps
from typing import Any, ClassVar, Protocol

import keras
import numpy as np
from keras import ops

from tx_core.models.attention_tf import allowed_to_bias, attention_bias, position_ids
from tx_core.models.forward_tf import ForwardContext, LayerContext
from tx_core.models.layers_tf import nothing_of
from tx_core.models.main_layer_tf import part
from tx_core.models.switches_tf import products_for_xla

from .options import (
    EOS,
    LENGTH,
    STOP_STRING,
    BeamSearch,
    BoolArray,
    Decodes,
    IntArray,
    Options,
    Prompts,
    TokenStream,
    check_options,
    check_prompts,
    generation_output,
    stop_strings,
)

Tensor = Any
Size = Any  # an int, or a scalar tensor where the size is not known before the run

# Turns the scores (R, V) of the next token into others, given the tokens so far (R, S), -1 for padding.
Processor = Callable[[Tensor, IntArray], Tensor]

SMALLEST_MEMORY = 64

# How many tokens greedy search reads at most before Python sees them. To come back after each takes a tenth of the
# time; to come back never would keep control-C waiting.
TOKENS_A_CALL = 32


# -- memory ------------------------------------------------------------------------------------------------------------


class Memory(Protocol):
    """What a model remembers of the tokens so far, one row a sequence."""

    def reorder(self, rows: IntArray) -> None:
        """Let row i continue what was row ``rows[i]``; (R,)."""


def capacity(tokens: int) -> int:
    """The size of a memory for so many tokens: a power of two, so that few are ever compiled for."""
    return max(SMALLEST_MEMORY, 1 << (tokens - 1).bit_length())


class KeyValueMemory:
    """The keys and values of all layers, in variables that are written in place.

    Args:
        presents: per layer the keys and values of the prompts, (2, B, N, S, D).
        mask: (B, S) boolean, what of the prompts is to be attended to. What follows always is.
        total: the most tokens there will be.
        times: rows of each prompt, beside each other.
    """

    def __init__(self, presents: Sequence[Tensor], mask: Any, total: int, times: int) -> None:
        import tensorflow as tf

        self.length = int(mask.shape[1])  # tokens held
        self._functions: dict[str, Any] = {}
        size = capacity(total)
        after = ((0, 0), (0, 0), (0, 0), (0, size - self.length), (0, 0))

        def variables(present: Tensor) -> tuple[Any, ...]:
            rows = present if times == 1 else tf.repeat(present, times, axis=1)
            return tuple(tf.Variable(x, trainable=False) for x in tf.unstack(tf.pad(rows, after)))

        # Per layer (R, N, M, D), keys and values.
        self.variables = tuple(variables(present) for present in presents)
        mask = np.repeat(np.asarray(mask), times, axis=0)
        rest = np.ones((len(mask), size - self.length), np.bool_)
        self.allowed = tf.constant(np.concatenate((mask, rest), 1))  # (R, M)
        self.padding = tf.constant(mask.argmax(1)[:, None], tf.int32)  # (R, 1), before each row's first token

    def call(self, name: str, function: Any, inputs: Sequence[Any]) -> Any:
        """What a compiled function that reads tokens into this memory returns."""
        if name not in self._functions:
            # To find out anew which of its traces fits takes TensorFlow longer than the call itself.
            self._functions[name] = function.get_concrete_function(*inputs)
        return self._functions[name](*inputs)

    def reorder(self, rows: IntArray) -> None:
        """See :class:`Memory`."""
        import tensorflow as tf

        if (rows != np.arange(len(rows))).any():
            used = min(capacity(self.length), self.allowed.shape[1])
            _reorderer()(self.variables, tf.constant(rows, tf.int32), used)


# Compiled by XLA, which updates a variable where it is; otherwise TensorFlow would copy it each time.
@cache
def _reorderer() -> Any:
    import tensorflow as tf

    @tf.function(jit_compile=True, autograph=False)
    def reorder(variables: Any, rows: Tensor, used: int) -> None:
        for variable in tf.nest.flatten(variables):
            moved = tf.gather(variable[:, :, :used], rows)
            variable.assign(ops.slice_update(variable, (0, 0, 0, 0), moved))

    return reorder


# -- scores of the next token ------------------------------------------------------------------------------------------


def _repetition_penalty(penalty: float) -> Processor:
    """The tokens so far become less likely (Keskar et al. 2019, §4.1, https://arxiv.org/abs/1909.05858).

    The paper divides their scores, which would make a token of negative score likelier: those are multiplied.
    """

    def process(scores: Tensor, ids: IntArray) -> Tensor:
        seen = np.zeros(scores.shape, np.bool_)
        np.put_along_axis(seen, np.where(ids < 0, ids[:, -1:], ids), True, axis=1)
        return ops.where(seen, ops.where(scores < 0, scores * penalty, scores / penalty), scores)

    return process


def _bad_words(words: Sequence[tuple[int, ...]]) -> Processor:
    """The last token of a word that is ruled out is ruled out after the others."""
    single = sorted({word[0] for word in words if len(word) == 1})
    longer = [(np.array(word[:-1]), word[-1]) for word in words if len(word) > 1]

    def process(scores: Tensor, ids: IntArray) -> Tensor:
        ruled_out = np.zeros(scores.shape, np.bool_)
        ruled_out[:, single] = True
        for beginning, last in longer:
            if len(beginning) <= ids.shape[1]:
                ruled_out[:, last] |= (ids[:, -len(beginning) :] == beginning).all(1)
        return ops.where(ruled_out, -np.inf, scores)

    return process


def _min_length(least: IntArray, eos: Sequence[int]) -> Processor:
    """No end before ``least`` (R,) tokens, counted with padding."""
    longest = int(least.max())

    def process(scores: Tensor, ids: IntArray) -> Tensor:
        if ids.shape[1] >= longest:
            return scores
        ruled_out = np.zeros(scores.shape, np.bool_)
        ruled_out[:, list(eos)] = (ids.shape[1] < least)[:, None]
        return ops.where(ruled_out, -np.inf, scores)

    return process


def _temperature(temperature: float) -> Processor:
    return lambda scores, ids: scores / temperature


def _top_k(count: int) -> Processor:
    """Only the ``count`` likeliest tokens (Fan et al. 2018, https://arxiv.org/abs/1805.04833)."""

    def process(scores: Tensor, ids: IntArray) -> Tensor:
        least = ops.top_k(scores, min(count, scores.shape[-1]))[0][:, -1:]
        return ops.where(scores < least, -np.inf, scores)

    return process


def _top_p(probability: float, keep: int) -> Processor:
    """The likeliest tokens that together have the probability (Holtzman et al. 2019, https://arxiv.org/abs/1904.09751)."""

    def process(scores: Tensor, ids: IntArray) -> Tensor:
        order = ops.argsort(scores, axis=-1)
        ordered = ops.take_along_axis(scores, order, axis=-1)
        removed = ops.cumsum(ops.softmax(ordered, axis=-1), axis=-1) <= 1 - probability
        kept = np.arange(scores.shape[-1]) >= scores.shape[-1] - keep
        removed = ops.logical_and(removed, np.logical_not(kept))
        back = ops.argsort(order, axis=-1)
        return ops.where(ops.take_along_axis(removed, back, axis=-1), -np.inf, scores)

    return process


def _processors(options: Options, prompts: Prompts) -> list[Processor]:
    """What is done to the scores, in order; empty for plain greedy search."""
    out: list[Processor] = []
    if options.repetition_penalty != 1:
        out.append(_repetition_penalty(options.repetition_penalty))
    if options.bad_words:
        out.append(_bad_words(options.bad_words))
    if options.eos and options.min_length > prompts.lengths.min():
        least = options.min_length + prompts.ids.shape[1] - prompts.lengths
        out.append(_min_length(least.repeat(options.rows_per_prompt), options.eos))
    if options.do_sample:
        # Beams have to have something left if their best tokens end them.
        keep = 1 if options.num_beams == 1 else max(2, 1 + len(options.eos))
        if options.temperature != 1:
            out.append(_temperature(options.temperature))
        if options.top_k is not None:
            out.append(_top_k(max(options.top_k, keep)))
        if options.top_p is not None:
            out.append(_top_p(options.top_p, keep))
    return out


# -- the loops ---------------------------------------------------------------------------------------------------------


class _Run:
    """One call of ``generate``: greedy search and sampling, a step at a time."""

    def __init__(
        self,
        model: GenerationMixin,
        prompts: Prompts,
        options: Options,
        generator: Any,
        jit_compile: bool,
        inputs: Any,
    ) -> None:
        self.options = options
        self.prompts = prompts
        self._model = model
        self._inputs = inputs
        self._generator = generator
        self._jit_compile = jit_compile
        self._process = _processors(options, prompts)
        self._rows = len(prompts.ids) * options.rows_per_prompt
        self._mask = np.ones(prompts.ids.shape, np.bool_) if prompts.mask is None else prompts.mask
        self.limits = prompts.limits.repeat(options.rows_per_prompt)
        self.length = prompts.ids.shape[1]
        # Prompts and new tokens, the padding before prompts as -1.
        self.ids: IntArray = np.full((self._rows, prompts.total), options.pad or 0, np.int64)
        self.ids[:, : self.length] = np.where(self._mask, prompts.ids, -1).repeat(options.rows_per_prompt, 0)
        self.ended = np.zeros(self._rows, np.bool_)
        self.reasons = np.full(self._rows, LENGTH, dtype=object)
        self.scores: list[Any] = []
        self._strings = stop_strings(options)
        self._same_limits = len(set(self.limits.tolist())) == 1
        self._memory: Memory | None = None

    def begin(self) -> Tensor:
        """Read the prompts, each once; returns the scores (R, V) of the first new token."""
        prompts, times = self.prompts, self.options.rows_per_prompt
        logits, self._memory = self._model._begin(prompts.ids, self._mask, prompts.total, times, **self._inputs)
        return ops.repeat(logits, times, axis=0) if times > 1 else logits

    def proceed(self, tokens: IntArray) -> Tensor:
        """Read one new token (R,) a row; returns the scores (R, V) of the next."""
        return self._model._continue(tokens, self._memory, self._jit_compile)

    def processed(self, scores: Tensor) -> Tensor:
        """Scores (R, V) after all options that change them."""
        if self._process:
            scores = ops.cast(scores, "float32")
            for process in self._process:
                scores = process(scores, self.ids[:, : self.length])
        return scores

    def draw(self, scores: Tensor, count: int) -> Tensor:
        """``count`` different columns of each row, drawn by the probabilities whose logarithms the scores are.

        The largest after adding Gumbel noise (Kool et al. 2019, https://arxiv.org/abs/1903.06059).
        """
        import tensorflow as tf

        uniform = tf.random.uniform if self._generator is None else self._generator.uniform
        noise = -tf.math.log(-tf.math.log(uniform(scores.shape, minval=np.finfo(np.float32).tiny)))
        return ops.top_k(ops.cast(scores, "float32") + noise, count)[1]

    def choose(self, logits: Tensor) -> IntArray:
        """The next token (R,) of every row; ended rows get padding."""
        import tensorflow as tf

        scores = self.processed(logits)
        tokens = self.draw(scores, 1)[:, 0] if self.options.do_sample else tf.argmax(scores, -1)
        chosen = _array(tokens).astype(np.int64)
        if self.options.output_scores:
            logprobs = _array(ops.log_softmax(ops.cast(scores, "float32")))
            self.scores.append(np.where(self.ended, np.float32(0), logprobs[np.arange(self._rows), chosen]))
        return chosen

    def add(self, tokens: IntArray) -> tuple[IntArray, bool]:
        """Append one token (R,) a row. Returns the tokens, padding in rows that had ended, and whether all have now."""
        if self._may_end:
            tokens = np.where(self.ended, self.options.pad or 0, tokens)
        self.ids[:, self.length] = tokens
        self.length += 1
        step = self.length - self.prompts.ids.shape[1]
        if self.options.eos:
            self._end(np.isin(tokens, self.options.eos), EOS)
        if self._strings is not None:
            new = self.ids[:, self.prompts.ids.shape[1] : self.length].tolist()
            found = [not over and self._strings.found(row) for over, row in zip(self.ended, new, strict=True)]
            self._end(np.array(found), STOP_STRING)
        if not self._same_limits:
            self._end(self.limits <= step, LENGTH)
        return tokens, step >= int(self.limits.max()) or (self._may_end and bool(self.ended.all()))

    def advance(self, tokens: IntArray) -> tuple[IntArray, bool]:
        """Read one token (R,) a row, then choose and append at least one more; returns what :meth:`add` did last."""
        options = self.options
        if self._process or options.do_sample or options.output_scores or options.stop_strings:
            return self.add(self.choose(self.proceed(tokens)))
        left = int(self.limits.max()) - (self.length - self.prompts.ids.shape[1])
        found = self._model._likeliest(tokens, self._memory, self._jit_compile, left, self.ended, options.eos)
        for column in found.T:
            tokens, finished = self.add(column)
            if finished:
                break
        return tokens, finished

    @property
    def _may_end(self) -> bool:
        return bool(self.options.eos) or self._strings is not None or not self._same_limits

    def _end(self, now: Any, reason: str) -> None:
        self.reasons[now & ~self.ended] = reason
        self.ended |= now

    def reorder(self, rows: IntArray) -> None:
        """Let row i go on as what was row ``rows[i]``."""
        assert self._memory is not None
        self._memory.reorder(rows)
        self.ids[:, : self.length] = self.ids[rows, : self.length]

    def result(self, beams: Any = None) -> tuple[Any, ...]:
        """The GenerationOutput.

        Args:
            beams: what :meth:`BeamSearch.result` gave.
        """
        prompt, options = self.prompts.ids, self.options
        totals, scores = None, np.stack(self.scores, 1) if self.scores else None
        if beams is None:
            new, reasons = self.ids[:, prompt.shape[1] : self.length], tuple(self.reasons.tolist())
        else:
            new, reasons, *found = beams
            if options.output_scores:
                totals, scores = found
        sequences = np.concatenate((prompt.repeat(len(new) // len(prompt), 0), new), 1)
        tensors = (None if each is None else ops.convert_to_tensor(each) for each in (scores, totals))
        return generation_output(ops.convert_to_tensor(sequences, "int32"), reasons, *tensors)


def _array(tensor: Tensor) -> np.ndarray[Any, Any]:
    return np.asarray(tensor.numpy())


def _stream(run: _Run) -> Generator[tuple[int | None, ...], None, Callable[[], tuple[Any, ...]]]:
    tokens: IntArray | None = None
    finished = False
    while not finished:
        logits = run.begin() if tokens is None else run.proceed(tokens)
        ended = run.ended.tolist()
        tokens, finished = run.add(run.choose(logits))
        yield tuple(None if over else token for token, over in zip(tokens.tolist(), ended, strict=True))
    return run.result


def _search(run: _Run) -> None:
    """Greedy search or sampling to the end; the result is in the run."""
    tokens, finished = run.add(run.choose(run.begin()))
    while not finished:
        tokens, finished = run.advance(tokens)


def _beam_search(run: _Run) -> tuple[Any, ...]:
    """Beam search to the end; returns :meth:`BeamSearch.result`."""
    options, prompts = run.options, run.prompts
    search = BeamSearch(prompts.limits, options)
    batch, beams = len(prompts.ids), options.num_beams
    logits = run.begin()
    while True:
        vocabulary = logits.shape[-1]
        logprobs = run.processed(ops.log_softmax(ops.cast(logits, "float32")))
        sums = ops.reshape(logprobs, (batch, beams, vocabulary)) + search.scores[:, :, None]
        sums = ops.reshape(sums, (batch, beams * vocabulary))
        count = min(search.num_candidates, beams * vocabulary)
        if options.do_sample:
            indices = run.draw(sums, count)
            best = ops.take_along_axis(sums, indices, axis=1)
        else:
            best, indices = ops.top_k(sums, count)
        found = _array(indices).astype(np.int64)
        rows, tokens = search.advance(_array(best), found // vocabulary, found % vocabulary)
        if search.done.all():
            break
        run.reorder(rows)
        run.ids[:, run.length] = tokens
        run.length += 1
        logits = run.proceed(tokens)
    return search.result(options.pad)


class GenerationMixin:
    """``generate`` for a model with a language model head, which says how it reads tokens one after the other."""

    config: Any
    # Names of further inputs that `generate` passes to `_begin`.
    generation_inputs: ClassVar[tuple[str, ...]] = ()

    def _begin(self, prompt: IntArray, mask: Any, total: int, times: int, **inputs: Any) -> tuple[Tensor, Memory]:
        """Read prompts; returns the scores (B, V) of the next token and what is remembered. Given by the architecture.

        Args:
            prompt: (B, S). mask: (B, S) boolean, False for padding, which is on the left.
            total: the most tokens there will be.
            times: rows of each prompt in the memory, beside each other.
        """
        raise NotImplementedError

    def _continue(self, tokens: IntArray, memory: Any, jit_compile: bool) -> Tensor:
        """Read one token (R,) a row; returns the scores (R, V) of the next. Given by the architecture."""
        raise NotImplementedError

    def _likeliest(
        self, tokens: IntArray, memory: Any, jit_compile: bool, count: int, ended: BoolArray, eos: Sequence[int]
    ) -> IntArray:
        """Read one token (R,) a row; returns the likeliest next ones (R, T), of which all but the last were read too.

        Without a compiled function that does so, only one.

        Args:
            count: the greatest T; it is less once all rows have ``ended`` (R,) or have one of the tokens ``eos``.
        """
        logits = self._continue(tokens, memory, jit_compile)
        return _array(ops.argmax(logits, axis=-1)).astype(np.int64)[:, None]

    def _max_positions(self) -> int | None:
        """How many positions the model knows; None for no limit."""
        raise NotImplementedError

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
        generator: Any = None,
        seed: int | None = None,
        output_scores: bool = False,
        stream: bool = False,
        jit_compile: bool = True,
        **inputs: Any,
    ) -> Any:
        """Continue texts.

        Every prompt gets the continuation it would get alone, whatever else is in the batch. Arguments that would have
        no effect are errors. TensorFlow compiles the model when a number of rows, or a power of two of tokens (prompt
        and new ones together), comes up for the first time; that takes seconds. Plain greedy search is compiled as a
        loop, which is faster than a token at a time as every other way of generating goes.

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
            generator: source of randomness, a ``tf.random.Generator``; or seed: for a new one. By default TensorFlow's
                own, which ``tf.random.set_seed`` seeds.
            output_scores: also return log-probabilities.
            stream: return an iterator over the tokens as they come, one a row, None in rows that have ended. It has the
                whole result as its ``output`` once exhausted. Not with beams.
            jit_compile: whether XLA compiles the model's step: faster tokens after a longer first call.
            inputs: further inputs of the model where it takes some.

        Returns:
            A GenerationOutput tuple: ``sequences`` (B·num_return_sequences, longest), prompts included, filled up on
            the right (prompts of different lengths on the left); ``stop_reasons``, of each "eos", "stop_string" or
            "length"; with ``output_scores`` also ``scores`` (B·num_return_sequences, new tokens), the log-probability
            of each new token after all processing, 0 after the end, and from beam search ``sequence_scores``, by which
            the sequences of a prompt are sorted.

        Raises:
            ValueError, TypeError: naming the argument, what it is and what it should be.
            RuntimeError: if Keras does not run on TensorFlow, or within a ``tf.function``.
        """
        if keras.backend.backend() != "tensorflow":
            raise RuntimeError(
                f"{type(self).__name__}.generate() needs Keras on TensorFlow, but Keras's backend is "
                f"{keras.backend.backend()!r}: set the environment variable KERAS_BACKEND=tensorflow"
            )
        import tensorflow as tf

        if not tf.executing_eagerly():
            raise RuntimeError(
                f"{type(self).__name__}.generate() compiles what it needs itself and cannot be a part of a tf.function"
            )
        for name in inputs:
            if name not in self.generation_inputs:
                raise TypeError(f"{type(self).__name__}.generate() got an unexpected keyword argument {name!r}")
        options = check_options(
            self.config,
            max_length=max_length,
            max_new_tokens=max_new_tokens,
            min_length=min_length,
            do_sample=do_sample,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            repetition_penalty=repetition_penalty,
            num_beams=num_beams,
            length_penalty=length_penalty,
            early_stopping=early_stopping,
            num_return_sequences=num_return_sequences,
            bad_words_ids=bad_words_ids,
            eos_token_id=eos_token_id,
            pad_token_id=pad_token_id,
            stop_strings=stop_strings,
            tokenizer=tokenizer,
            output_scores=output_scores,
            stream=stream,
            generator=generator,
            seed=seed,
        )
        bos = getattr(self.config, "bos_token_id", None) if bos_token_id is None else bos_token_id
        ids, mask = (_array(each) if tf.is_tensor(each) else each for each in (input_ids, attention_mask))
        prompts = check_prompts(ids, mask, options, int(self.config.vocab_size), bos, self._max_positions())
        if seed is not None:
            generator = tf.random.Generator.from_seed(seed)
        elif generator is not None and not isinstance(generator, tf.random.Generator):
            raise TypeError(f"generator must be a tf.random.Generator, not {type(generator).__name__}")
        run = _Run(self, prompts, options, generator, jit_compile, inputs)
        if stream:
            return TokenStream(_stream(run))
        if num_beams == 1:
            _search(run)
            return run.result()
        return run.result(_beam_search(run))


class _Compiled:
    """The compiled functions of a model.

    Attributes:
        read: reads prompts.
        step: (with XLA or without) reads one token a row.
        run: reads tokens and chooses the likeliest next ones, several times.
        variables: what the model consisted of.
    """

    def __init__(self, model: Any) -> None:
        import tensorflow as tf

        self.variables = model.variables
        last = model._max_positions() - 1

        def read(ids: Tensor, mask: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
            length = ops.shape(ids)[1]
            bias = attention_bias(mask, True, length, length, model.compute_dtype)
            state, presents = model.read(ids, position_ids(mask, length, length), bias, None)
            return model.score(state), presents

        def proceed(tokens: Tensor, start: Tensor, allowed: Tensor, padding: Tensor, memory: Any) -> tuple[Tensor, Any]:
            # The memory holds the tokens before `start`; what is behind them is not to be attended to, the token is.
            held = ops.logical_and(allowed, ops.arange(allowed.shape[1]) < start)  # (R, M)
            attended = ops.concatenate((held, ops.ones((held.shape[0], 1), "bool")), axis=1)  # (R, M + 1)
            bias = allowed_to_bias(ops.expand_dims(attended, (1, 2)), model.compute_dtype)
            # Rows that have ended would run on to positions that the model does not know.
            positions = ops.minimum(start - padding, last)
            state, presents = model.read(tokens, positions, bias, memory)
            # XLA writes to a memory where it is if all that reads it comes before; otherwise it copies it. So the
            # place to write to is made to depend on the result.
            place = (0, 0, start + ops.cast(nothing_of(state[0, 0]), "int32"), 0)
            written = tuple(
                (ops.slice_update(keys, place, present[0]), ops.slice_update(values, place, present[1]))
                for (keys, values), present in zip(memory, presents, strict=True)
            )
            return model.score(state), written

        def step(tokens: Tensor, start: Tensor, allowed: Tensor, padding: Tensor, memory: Any) -> Tensor:
            held = tf.nest.map_structure(ops.convert_to_tensor, memory)
            logits, written = proceed(tokens, start, allowed, padding, held)
            tf.nest.map_structure(lambda variable, value: variable.assign(value), memory, written)
            return logits

        def run(
            tokens: Tensor,
            start: Tensor,
            count: Tensor,
            ended: Tensor,
            ends: Tensor,
            allowed: Tensor,
            padding: Tensor,
            memory: Any,
        ) -> tuple[Tensor, Tensor]:
            def goes_on(done: Tensor, tokens: Tensor, ended: Tensor, chosen: Tensor, held: Any) -> Tensor:
                return ops.logical_and(done < count, ops.logical_not(ops.all(ended)))

            def once(done: Tensor, tokens: Tensor, ended: Tensor, chosen: Tensor, held: Any) -> tuple[Tensor, ...]:
                logits, written = proceed(tokens, start + done, allowed, padding, held)
                tokens = ops.expand_dims(ops.cast(ops.argmax(logits, axis=-1), "int32"), 1)  # (R, 1)
                ended = ops.logical_or(ended, ops.take(ends, tokens[:, 0]))
                return done + 1, tokens, ended, ops.slice_update(chosen, (0, done), tokens), written

            held = tf.nest.map_structure(ops.convert_to_tensor, memory)
            chosen = ops.zeros((tokens.shape[0], TOKENS_A_CALL), "int32")
            done, _, _, chosen, written = tf.while_loop(goes_on, once, (tf.constant(0), tokens, ended, chosen, held))
            tf.nest.map_structure(lambda variable, value: variable.assign(value), memory, written)
            return done, chosen

        def for_xla(function: Callable[..., Any]) -> Any:
            @wraps(function)
            def traced(*inputs: Any) -> Any:
                # On other devices XLA leaves products to their libraries.
                with nullcontext() if tf.config.list_logical_devices("GPU") else products_for_xla.on():
                    return function(*inputs)

            return tf.function(traced, jit_compile=True, autograph=False)

        shapes = (tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None, None), tf.bool))
        self.read = tf.function(read, input_signature=shapes, autograph=False)
        self.step = {True: for_xla(step), False: tf.function(step, autograph=False)}
        self.run = for_xla(run)


class KeyValueGeneration(GenerationMixin):
    """``generate`` for a model whose layers remember keys and values.

    The main layer says what the first layer reads (``embed``), which layers follow (``blocks``) and what becomes of the
    last one's states (``finish``).
    """

    base_model: Any
    compute_dtype: str
    get_output_embeddings: Any
    variables: Any
    _generation: _Compiled | None = None

    def _functions(self) -> _Compiled:
        if self._generation is None:
            self._generation = _Compiled(self)
        return self._generation

    def _changed(self) -> None:
        """Forget the functions that were compiled, for variables that the model no longer has."""
        super()._changed()  # type: ignore[misc]
        self._generation = None

    def _max_positions(self) -> int | None:
        return int(self.config.max_position_embeddings)

    def read(
        self, input_ids: Tensor, position_ids: Tensor, bias: Tensor, memory: Sequence[Any] | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Read the next tokens (R, S), after those of the memory.

        Returns:
            The last one's state (R, H), and per layer the keys and values of these tokens, (2, R, N, S, D).
        """
        base = self.base_model
        context = ForwardContext(self.config, input_ids, None, None, None, position_ids, ops.shape(input_ids)[1])
        states, presents = base.embed(context), []
        for i, layer in enumerate(part(base, base.blocks)):
            past = None if memory is None else memory[i]
            states, _, present = layer(states, context=LayerContext(bias, past=past, keep=True))
            presents.append(present)
        return base.finish(states[:, -1]), tuple(presents)

    def score(self, states: Tensor) -> Tensor:
        """The scores (R, V) of the next token, of the last one's states (R, H)."""
        return self.get_output_embeddings()(states)

    def _begin(self, prompt: IntArray, mask: Any, total: int, times: int, **inputs: Any) -> tuple[Tensor, Memory]:
        import tensorflow as tf

        # Adapters and quantisation give a model other variables without a word.
        if self._generation is not None and [*map(id, self._generation.variables)] != [*map(id, self.variables)]:
            self._generation = None
        logits, presents = self._functions().read(tf.constant(prompt, tf.int32), tf.constant(mask))
        return logits, KeyValueMemory(presents, mask, total, times)

    def _continue(self, tokens: IntArray, memory: Any, jit_compile: bool) -> Tensor:
        import tensorflow as tf

        ids, start = tf.constant(tokens[:, None], tf.int32), tf.constant(memory.length)
        inputs = (ids, start, memory.allowed, memory.padding, memory.variables)
        logits = memory.call("step", self._functions().step[jit_compile], inputs)
        memory.length += 1
        return logits

    def _likeliest(
        self, tokens: IntArray, memory: Any, jit_compile: bool, count: int, ended: BoolArray, eos: Sequence[int]
    ) -> IntArray:
        if not jit_compile:
            return super()._likeliest(tokens, memory, jit_compile, count, ended, eos)
        import tensorflow as tf

        # Of the vocabulary's size however many ends there are: another shape would have to be compiled for.
        ends = np.zeros(self.config.vocab_size, np.bool_)
        ends[list(eos)] = True
        inputs = (
            tf.constant(tokens[:, None], tf.int32),
            tf.constant(memory.length),
            tf.constant(min(count, TOKENS_A_CALL)),
            tf.constant(ended),
            tf.constant(ends),
            memory.allowed,
            memory.padding,
            memory.variables,
        )
        done, chosen = memory.call("run", self._functions().run, inputs)
        memory.length += int(done)
        return _array(chosen[:, :done]).astype(np.int64)
