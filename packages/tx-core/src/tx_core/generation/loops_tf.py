"""The loops of ``generate`` in TensorFlow: greedy search and sampling, and beam search. Mirrors ``loops_torch``.

Shapes: B prompts, R rows (B times the sequences or beams of each), S sequence, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from .beams import BeamSearch
from .memory_tf import Memory
from .options import Options
from .progress import Progress
from .prompts import IntArray, Prompts
from .results import Steps, generation_output
from .scores_tf import processors

Tensor = Any


class Run(Progress):
    """One call of ``generate``.

    Args:
        model: reads tokens, see ``GenerationMixin``.
        generator: source of randomness, a ``tf.random.Generator``; None for TensorFlow's own.
        jit_compile: whether XLA compiles the model's step.
    """

    def __init__(self, model: Any, prompts: Prompts, options: Options, generator: Any, jit_compile: bool) -> None:
        super().__init__(prompts, options)
        self.model = model
        self.generator = generator
        self._jit_compile = jit_compile
        self._process = processors(options, prompts)
        # Prompts and new tokens, the padding before prompts as -1.
        self.ids: IntArray = np.full((len(self.limits), prompts.total), options.pad or 0, np.int64)
        self.ids[:, : self.width] = prompts.marked.repeat(options.rows_per_prompt, 0)
        self.scores: list[Any] = []
        self._memory: Memory | None = None

    def whole(self) -> tuple[Any, ...]:
        """Generate to the end; returns the GenerationOutput."""
        if self.options.num_beams == 1:
            self._search()
            return self.result()
        return self.result(self._beam_search())

    def stepwise(self) -> Steps:
        """Generate one token a row at a time."""
        tokens: IntArray | None = None
        finished = False
        while not finished:
            logits = self.begin() if tokens is None else self.proceed(tokens)
            tokens, ended = self.choose(logits), self.ended.copy()
            finished = self.add(tokens)
            yield tuple(None if over else token for token, over in zip(tokens.tolist(), ended, strict=True))
        return self.result

    def _search(self) -> None:
        """Greedy search or sampling to the end."""
        options = self.options
        plain = not (self._process or options.do_sample or options.output_scores or options.stop_strings)
        tokens = self.choose(self.begin())
        finished = self.add(tokens)
        while not finished:
            found = self.likeliest(tokens) if plain else self.choose(self.proceed(tokens))[:, None]
            for tokens in found.T:
                finished = self.add(tokens)

    def _beam_search(self) -> tuple[Any, ...]:
        """Beam search to the end; returns :meth:`BeamSearch.result`."""
        options, prompts = self.options, self.prompts
        search = BeamSearch(prompts.limits, options)
        batch, beams = len(prompts.ids), options.num_beams
        logits = self.begin()
        while True:
            vocabulary = logits.shape[-1]
            logprobs = self.processed(ops.log_softmax(ops.cast(logits, "float32")))
            sums = ops.reshape(logprobs, (batch, beams, vocabulary)) + search.scores[:, :, None]
            sums = ops.reshape(sums, (batch, beams * vocabulary))
            count = min(search.num_candidates, beams * vocabulary)
            if options.do_sample:
                indices = self.draw(sums, count)
                best = ops.take_along_axis(sums, indices, axis=1)
            else:
                best, indices = ops.top_k(sums, count)
            found = array(indices).astype(np.int64)
            rows, tokens = search.advance(array(best), found // vocabulary, found % vocabulary)
            if search.done.all():
                return search.result(options.pad)
            self.reorder(rows)
            self.ids[:, self.length] = tokens
            self.length += 1
            logits = self.proceed(tokens)

    def begin(self) -> Tensor:
        """Read the prompts, each once; returns the scores (R, V) of the first new token."""
        times = self.options.rows_per_prompt
        logits, self._memory = self.model._begin(self.prompts, times, self._jit_compile)
        return ops.repeat(logits, times, axis=0) if times > 1 else logits

    def proceed(self, tokens: IntArray) -> Tensor:
        """Read one new token (R,) a row; returns the scores (R, V) of the next."""
        return self.model._continue(tokens, self._memory)

    def likeliest(self, tokens: IntArray) -> IntArray:
        """Read one new token (R,) a row; returns at least one more of greedy search, (R, T)."""
        left = self.most - self.new
        found: IntArray = self.model._likeliest(tokens, self._memory, left, self.ended, self.options.eos)
        return found

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

        uniform = tf.random.uniform if self.generator is None else self.generator.uniform
        noise = -tf.math.log(-tf.math.log(uniform(scores.shape, minval=np.finfo(np.float32).tiny)))
        return ops.top_k(ops.cast(scores, "float32") + noise, count)[1]

    def choose(self, logits: Tensor) -> IntArray:
        """The next token (R,) of every row, also of those that have ended."""
        import tensorflow as tf

        scores = self.processed(logits)
        tokens = self.draw(scores, 1)[:, 0] if self.options.do_sample else tf.argmax(scores, -1)
        chosen: IntArray = array(tokens).astype(np.int64)
        if self.options.output_scores:
            logprobs = array(ops.log_softmax(ops.cast(scores, "float32")))
            self.scores.append(logprobs[np.arange(len(chosen)), chosen])
        return chosen

    def add(self, tokens: IntArray) -> bool:
        """Append one token (R,) a row; returns whether this was the last."""
        self.ids[:, self.length] = tokens
        return self.note(tokens)

    def reorder(self, rows: IntArray) -> None:
        """Let row i go on as what was row ``rows[i]``."""
        assert self._memory is not None
        self._memory.reorder(rows)
        self.ids[:, : self.length] = self.ids[rows, : self.length]

    def result(self, beams: tuple[Any, ...] | None = None) -> tuple[Any, ...]:
        """The GenerationOutput.

        Args:
            beams: what :meth:`BeamSearch.result` gave.
        """
        prompt, options = self.prompts.ids, self.options
        totals, scores = None, np.stack(self.scores, 1) if self.scores else None
        if beams is None:
            new, reasons = self.ids[:, self.width : self.length], tuple(self.reasons.tolist())
            beyond = self.beyond()
            new = np.where(beyond, options.pad or 0, new)
            scores = None if scores is None else np.where(beyond, np.float32(0), scores)
        else:
            new, reasons, *found = beams
            if options.output_scores:
                totals, scores = found
        sequences = np.concatenate((prompt.repeat(len(new) // len(prompt), 0), new), 1)
        tensors = (None if each is None else ops.convert_to_tensor(each) for each in (scores, totals))
        return generation_output(ops.convert_to_tensor(sequences, "int32"), reasons, *tensors)


def array(tensor: Tensor) -> np.ndarray[Any, Any]:
    """A tensor of TensorFlow's as an array."""
    return np.asarray(tensor.numpy())
