"""Text generation in PyTorch. What needs no framework is in ``generation``; mirrored by ``generation_tf``.

Shapes: B prompts, R rows (B times the sequences or beams of each), S sequence, K keys, N heads, D head width,
V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from tx_core.models.attention_torch import attention_bias, left_padding
from tx_core.models.forward_torch import ForwardContext, LayerContext

from .options import (
    EOS,
    LENGTH,
    STOP_STRING,
    BeamSearch,
    Decodes,
    Options,
    Prompts,
    TokenStream,
    check_options,
    check_prompts,
    generation_output,
    stop_strings,
)

# Takes one token's states (R, H) through a layer, with the bias of attention.
Step = Callable[[Tensor, Tensor | None], Tensor]
# Turns the scores (R, V) of the next token into others, given the tokens so far (R, S), -1 for padding.
Processor = Callable[[Tensor, Tensor], Tensor]


# -- memory ------------------------------------------------------------------------------------------------------------


class Memory(Protocol):
    """What a model remembers of the tokens so far, one row a sequence."""

    def repeat(self, times: int) -> None:
        """Make ``times`` rows of every row, beside each other."""

    def reorder(self, rows: Tensor) -> None:
        """Let row i continue what was row ``rows[i]``; (R,)."""


class KeyValueMemory:
    """The keys and values of all layers, written in place into tensors that grow by doubling.

    Args:
        layers: number of layers.
        total: the most tokens there will be.
        prompt_mask: (R, S), what of the prompt is to be attended to; None if that is all. What follows always is.
        device: where the model is.
        positions: how many positions the model knows; None for no limit. Rows that have ended get no later ones.
    """

    def __init__(
        self,
        layers: int,
        total: int,
        prompt_mask: Tensor | None,
        device: torch.device,
        positions: int | None = None,
    ) -> None:
        self.layers = [LayerMemory(self) for _ in range(layers)]
        self.length = 0  # tokens held by all layers
        self.total = total
        # What the model made to read single tokens fast; None until then, empty if it has none.
        self.steps: list[Step] | None = None
        self.plain_head: bool | None = None  # whether the model's head is but a product
        self._new = 0  # tokens that the layers are being given
        self._positions = torch.arange(total, device=device)[None]  # (1 or R, total)
        self._mask: Tensor | None = None  # (R, total)
        self._bias: Tensor | None = None  # (R, 1, 1, total), of one query
        if prompt_mask is not None:
            rest = prompt_mask.new_ones(prompt_mask.shape[0], total - prompt_mask.shape[1])
            self._mask = torch.cat((prompt_mask, rest), 1)
            last = None if positions is None else positions - 1
            self._positions = (self._positions - left_padding(self._mask)).clamp(min=0, max=last)

    def next(self, length: int, dtype: torch.dtype) -> tuple[Tensor, Tensor | None, bool]:
        """Begin to read the next tokens, which every layer then is given.

        Returns:
            Their positions (1 or R, S), and the ``bias`` and ``is_causal`` of :class:`LayerContext`.
        """
        start = self.length = self.length + self._new
        stop = start + length
        self._new = length
        positions = self._positions[:, start:stop]
        if self._mask is None:
            if length == 1 or start == 0:
                return positions, None, length > 1
            return positions, attention_bias(None, True, length, stop, dtype, positions.device), False
        if length > 1:
            return positions, attention_bias(self._mask[:, :stop], True, length, stop, dtype, positions.device), False
        if self._bias is None:
            self._bias = attention_bias(self._mask, False, 1, self.total, dtype, positions.device)
            assert self._bias is not None
        return positions, self._bias[..., :stop], False

    def repeat(self, times: int) -> None:
        """See :class:`Memory`."""
        if times == 1:
            return
        for layer in self.layers:
            layer.repeat(times)
        if self._mask is not None:
            self._mask = self._mask.repeat_interleave(times, 0)
            self._positions = self._positions.repeat_interleave(times, 0)
            self._bias = None

    def reorder(self, rows: Tensor) -> None:
        """See :class:`Memory`. Rows take those of the same prompt only; those that stay are not touched."""
        changed = (rows != torch.arange(len(rows), device=rows.device)).nonzero()[:, 0]
        if len(changed):
            for layer in self.layers:
                layer.reorder(changed, rows[changed])


class LayerMemory:
    """One layer's part of a :class:`KeyValueMemory`; attention layers take it as their ``past``."""

    def __init__(self, memory: KeyValueMemory) -> None:
        self._memory = memory
        self._keys: Tensor | None = None  # (R, N, capacity, D)
        self._values: Tensor | None = None

    def extend(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Write the keys and values (R, N, S, D) of the next tokens; returns those of all tokens, (R, N, K, D)."""
        length = key.shape[2]
        start = self._memory.length
        stop = start + length
        if self._keys is None or self._values is None or stop > self._keys.shape[2]:
            capacity = min(self._memory.total, max(64, 2 * stop))
            self._keys = self._grown(self._keys, key, capacity)
            self._values = self._grown(self._values, value, capacity)
        self._keys.narrow(2, start, length).copy_(key)
        self._values.narrow(2, start, length).copy_(value)
        return self._keys.narrow(2, 0, stop), self._values.narrow(2, 0, stop)

    def _grown(self, old: Tensor | None, like: Tensor, capacity: int) -> Tensor:
        new = like.new_empty(like.shape[0], like.shape[1], capacity, like.shape[3])
        if old is not None:
            length = self._memory.length
            new[:, :, :length] = old[:, :, :length]
        return new

    def repeat(self, times: int) -> None:
        """As :meth:`KeyValueMemory.repeat`."""
        assert self._keys is not None
        assert self._values is not None
        length = self._memory.length + self._memory._new
        repeated = []
        for old in (self._keys, self._values):
            new = old.new_empty(old.shape[0] * times, *old.shape[1:])
            new.unflatten(0, (-1, times))[..., :length, :] = old[:, None, :, :length]
            repeated.append(new)
        self._keys, self._values = repeated

    def reorder(self, changed: Tensor, sources: Tensor) -> None:
        """Overwrite the rows ``changed`` by what the rows ``sources`` hold."""
        length = self._memory.length + self._memory._new
        for tensor in (self._keys, self._values):
            assert tensor is not None
            used = tensor.narrow(2, 0, length)
            used[changed] = used[sources]


def is_plain(model: nn.Module, kinds: Sequence[type[nn.Module]]) -> bool:
    """Whether a model computes exactly what its classes' ``forward`` say, outside of training.

    That is so if it consists of modules of the given classes, none of a subclass (adapters, quantised layers,
    parametrisations are), none with hooks, and autocast is off.
    """
    hooks = ("_forward_hooks", "_forward_pre_hooks")
    return not (
        any(getattr(nn.modules.module, f"_global{name}") for name in hooks)
        or any(
            module.training or type(module) not in kinds or any(getattr(module, name) for name in hooks)
            for module in model.modules()
        )
        # Last: a quantised layer has no parameters.
        or torch.is_autocast_enabled(next(model.parameters()).device.type)
    )


# Up to so many rows a product takes about as long as reading the weights. Beyond, the usual functions do well.
_FEW_ROWS = 32
# Rows of a weight matrix that one product takes at a time: a few megabytes stay in a processor's cache.
_WEIGHT_ROWS = 1024


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x·Wᵀ + b, as torch.nn.functional.linear, but of few rows faster.

    The product of few rows with a matrix runs in one thread on some processors; a batch of smaller ones is shared out.

    Args:
        x: (R, I). weight: (O, I). bias: (O,).

    Returns:
        (R, O).
    """
    rows, (outputs, inputs) = x.shape[0], weight.shape
    parts = max(torch.get_num_threads(), outputs // _WEIGHT_ROWS)
    if not _are_few(x) or parts == 1 or parts > outputs:
        return nn.functional.linear(x, weight, bias)
    size = outputs // parts
    whole = parts * size
    blocks = weight[:whole].unflatten(0, (parts, size)).transpose(1, 2)  # (parts, I, size)
    y = torch.bmm(x.expand(parts, rows, inputs), blocks).transpose(0, 1).reshape(rows, whole)
    if whole < outputs:
        y = torch.cat((y, x @ weight[whole:].T), 1)
    return y if bias is None else y + bias


def linear_transposed(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x·W + b, as torch.addmm, but of few rows faster; see :func:`linear`.

    Args:
        x: (R, I). weight: (I, O). bias: (O,).

    Returns:
        (R, O).
    """
    rows, inputs = x.shape
    parts = torch.get_num_threads()
    if parts == 1 or inputs % parts or not _are_few(x):
        return torch.addmm(bias, x, weight)
    pieces = x.view(rows, parts, -1).transpose(0, 1)  # (parts, R, I / parts)
    return torch.bmm(pieces, weight.view(parts, -1, weight.shape[1])).sum(0).add_(bias)


def _are_few(x: Tensor) -> bool:
    return x.shape[0] <= _FEW_ROWS and x.dtype == torch.float32 and x.device.type == "cpu"


# -- scores of the next token ------------------------------------------------------------------------------------------


def _repetition_penalty(penalty: float) -> Processor:
    """The tokens so far become less likely (Keskar et al. 2019, §4.1, https://arxiv.org/abs/1909.05858).

    The paper divides their scores, which would make a token of negative score likelier: those are multiplied.
    """

    def process(scores: Tensor, ids: Tensor) -> Tensor:
        ids = torch.where(ids < 0, ids[:, -1:], ids)
        found = scores.gather(1, ids)
        return scores.scatter(1, ids, torch.where(found < 0, found * penalty, found / penalty))

    return process


def _bad_words(words: Sequence[tuple[int, ...]], device: torch.device) -> Processor:
    """The last token of a word that is ruled out is ruled out after the others."""
    single = torch.tensor(sorted({word[0] for word in words if len(word) == 1}), dtype=torch.long, device=device)
    longer = [(torch.tensor(word[:-1], device=device), word[-1]) for word in words if len(word) > 1]

    def process(scores: Tensor, ids: Tensor) -> Tensor:
        scores = scores.index_fill(1, single, -torch.inf)
        for beginning, last in longer:
            if len(beginning) <= ids.shape[1]:
                begun = (ids[:, -len(beginning) :] == beginning).all(1)
                scores[:, last].masked_fill_(begun, -torch.inf)
        return scores

    return process


def _min_length(least: Tensor, eos: Sequence[int]) -> Processor:
    """No end before ``least`` (R,) tokens, counted with padding."""
    ends = torch.tensor(eos, dtype=torch.long, device=least.device)
    longest = int(least.max())

    def process(scores: Tensor, ids: Tensor) -> Tensor:
        if ids.shape[1] >= longest:
            return scores
        early = (ids.shape[1] < least)[:, None]
        return torch.where(early, scores.index_fill(1, ends, -torch.inf), scores)

    return process


def _temperature(temperature: float) -> Processor:
    return lambda scores, ids: scores / temperature


def _top_k(count: int) -> Processor:
    """Only the ``count`` likeliest tokens (Fan et al. 2018, https://arxiv.org/abs/1805.04833)."""

    def process(scores: Tensor, ids: Tensor) -> Tensor:
        least = scores.topk(min(count, scores.shape[-1])).values[:, -1:]
        return scores.masked_fill(scores < least, -torch.inf)

    return process


def _top_p(probability: float, keep: int) -> Processor:
    """The likeliest tokens that together have the probability (Holtzman et al. 2019, https://arxiv.org/abs/1904.09751)."""

    def process(scores: Tensor, ids: Tensor) -> Tensor:
        ordered, order = scores.sort(-1)
        removed = ordered.softmax(-1).cumsum(-1) <= 1 - probability
        removed[:, -keep:] = False
        return scores.masked_fill(removed.scatter(1, order, removed), -torch.inf)

    return process


def _processors(options: Options, prompts: Prompts, device: torch.device) -> list[Processor]:
    """What is done to the scores, in order; empty for plain greedy search."""
    out: list[Processor] = []
    if options.repetition_penalty != 1:
        out.append(_repetition_penalty(options.repetition_penalty))
    if options.bad_words:
        out.append(_bad_words(options.bad_words, device))
    if options.eos and options.min_length > prompts.lengths.min():
        padding = prompts.ids.shape[1] - prompts.lengths
        least = torch.as_tensor(options.min_length + padding, device=device)
        out.append(_min_length(least.repeat_interleave(options.rows_per_prompt), options.eos))
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
        self, model: GenerationMixin, prompts: Prompts, options: Options, generator: torch.Generator | None, inputs: Any
    ) -> None:
        self.options = options
        self.prompts = prompts
        self.model = model
        self._inputs = inputs
        self.generator = generator
        self._device: torch.device = model.device
        self._prompt = torch.from_numpy(prompts.ids).to(self._device)
        self._mask = None if prompts.mask is None else torch.from_numpy(prompts.mask).to(self._device)
        self._process = _processors(options, prompts, self._device)
        self._rows = len(prompts.ids) * options.rows_per_prompt
        self.limits = prompts.limits.repeat(options.rows_per_prompt)
        self.length = prompts.ids.shape[1]
        # Prompts and new tokens, the padding before prompts as -1.
        marked = self._prompt if self._mask is None else self._prompt.masked_fill(~self._mask, -1)
        self.ids = torch.full((self._rows, prompts.total), options.pad or 0, device=self._device)
        self.ids[:, : self.length] = marked.repeat_interleave(options.rows_per_prompt, 0)
        self.ended = torch.zeros(self._rows, dtype=torch.bool, device=self._device)
        self.reasons = np.full(self._rows, LENGTH, dtype=object)
        self.scores: list[Tensor] = []
        self._eos = torch.tensor(options.eos, device=self._device)
        self._strings = stop_strings(options)
        self._same_limits = len(set(self.limits.tolist())) == 1
        self._memory: Memory | None = None

    def begin(self) -> Tensor:
        """Read the prompts, each once; returns the scores (R, V) of the first new token."""
        model, times = self.model, self.options.rows_per_prompt
        logits, self._memory = model._begin(self._prompt, self._mask, self.prompts.total, **self._inputs)
        self._memory.repeat(times)
        return logits.repeat_interleave(times, 0) if times > 1 else logits

    def proceed(self, tokens: Tensor) -> Tensor:
        """Read one new token (R,) a row; returns the scores (R, V) of the next."""
        assert self._memory is not None
        return self.model._continue(tokens, self._memory)

    def processed(self, scores: Tensor) -> Tensor:
        """Scores (R, V) after all options that change them."""
        if self._process:
            scores = scores.float()
            for process in self._process:
                scores = process(scores, self.ids[:, : self.length])
        return scores

    def choose(self, logits: Tensor) -> Tensor:
        """The next token (R,) of every row; ended rows get padding."""
        scores = self.processed(logits)
        if self.options.do_sample:
            tokens = torch.multinomial(scores.float().softmax(-1), 1, generator=self.generator)[:, 0]
        else:
            tokens = scores.argmax(-1)
        if self.options.output_scores:
            logprobs = scores.float().log_softmax(-1).gather(1, tokens[:, None])[:, 0]
            self.scores.append(logprobs.masked_fill(self.ended, 0))
        return tokens

    def add(self, tokens: Tensor) -> tuple[Tensor, bool]:
        """Append one token (R,) a row. Returns the tokens, padding in rows that had ended, and whether all have now."""
        if self._may_end:
            tokens = tokens.masked_fill(self.ended, self.options.pad or 0)
        self.ids[:, self.length] = tokens
        self.length += 1
        step = self.length - self.prompts.ids.shape[1]
        if self.options.eos:
            now = torch.isin(tokens, self._eos) if len(self._eos) > 1 else tokens == self._eos
            self._end(now, EOS)
        if self._strings is not None:
            new = self.ids[:, self.prompts.ids.shape[1] : self.length].tolist()
            running = (~self.ended).tolist()
            found = [go and self._strings.found(row) for go, row in zip(running, new, strict=True)]
            self._end(torch.tensor(found, device=self._device), STOP_STRING)
        if not self._same_limits:
            self._end(torch.from_numpy(self.limits <= step).to(self._device), LENGTH)
        return tokens, step >= int(self.limits.max()) or (self._may_end and bool(self.ended.all()))

    @property
    def _may_end(self) -> bool:
        return bool(self.options.eos) or self._strings is not None or not self._same_limits

    def _end(self, now: Tensor, reason: str) -> None:
        now = now & ~self.ended
        if reason != LENGTH and bool(now.any()):
            self.reasons[now.cpu().numpy()] = reason
        self.ended |= now

    def reorder(self, rows: Tensor) -> None:
        """Let row i go on as what was row ``rows[i]``."""
        assert self._memory is not None
        self._memory.reorder(rows)
        self.ids[:, : self.length] = self.ids[rows, : self.length]

    def result(self, beams: Any = None) -> tuple[Any, ...]:
        """The GenerationOutput, of tensors that may take part in training, unlike those made in inference mode.

        Args:
            beams: what :meth:`BeamSearch.result` gave.
        """
        prompt, options = self._prompt, self.options
        totals, scores = None, torch.stack(self.scores, 1).clone() if self.scores else None
        if beams is None:
            new, reasons = self.ids[:, prompt.shape[1] : self.length], tuple(self.reasons.tolist())
        else:
            tokens, reasons, *found = beams
            new = torch.from_numpy(tokens).to(self._device)
            if options.output_scores:
                totals, scores = (torch.from_numpy(each).to(self._device) for each in found)
        sequences = torch.cat((prompt.repeat_interleave(len(new) // len(prompt), 0), new), 1)
        return generation_output(sequences, reasons, scores, totals)


@contextmanager
def _inference(model: Any) -> Iterator[None]:
    """Within it no gradients are recorded, and a model that is being trained has no dropout."""
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        with torch.inference_mode():
            yield
    finally:
        for module in training:
            module.training = True


def _stream(run: _Run) -> Generator[tuple[int | None, ...], None, Callable[[], tuple[Any, ...]]]:
    # The mode is left before every yield: it must not leak into the code that takes the tokens.
    tokens: Tensor | None = None
    finished = False
    while not finished:
        with _inference(run.model):
            logits = run.begin() if tokens is None else run.proceed(tokens)
            ended = run.ended.tolist()
            tokens, finished = run.add(run.choose(logits))
            step = tuple(None if over else token for token, over in zip(tokens.tolist(), ended, strict=True))
        yield step
    return run.result


def _search(run: _Run) -> None:
    """Greedy search or sampling to the end; the result is in the run."""
    tokens, finished = run.add(run.choose(run.begin()))
    while not finished:
        tokens, finished = run.add(run.choose(run.proceed(tokens)))


def _beam_search(run: _Run) -> tuple[Any, ...]:
    """Beam search to the end; returns :meth:`BeamSearch.result`."""
    options, prompts = run.options, run.prompts
    search = BeamSearch(prompts.limits, options)
    batch, beams = len(prompts.ids), options.num_beams
    logits = run.begin()
    while True:
        vocabulary = logits.shape[-1]
        logprobs = run.processed(logits.float().log_softmax(-1)).reshape(batch, beams, vocabulary)
        sums = logprobs + torch.from_numpy(search.scores).to(logprobs.device)[:, :, None]
        sums = sums.reshape(batch, beams * vocabulary)
        count = min(search.num_candidates, beams * vocabulary)
        if options.do_sample:
            indices = torch.multinomial(sums.softmax(-1), count, generator=run.generator)
            best = sums.gather(1, indices)
        else:
            best, indices = sums.topk(count)
        found = indices.cpu().numpy()
        rows, tokens = search.advance(best.cpu().numpy(), found // vocabulary, found % vocabulary)
        if search.done.all():
            break
        source, new = (torch.from_numpy(each).to(logits.device) for each in (rows, tokens))
        run.reorder(source)
        run.ids[:, run.length] = new
        run.length += 1
        logits = run.proceed(new)
    return search.result(options.pad)


class GenerationMixin:
    """``generate`` for a model with a language model head, which says how it reads tokens one after the other."""

    config: Any
    device: Any
    modules: Any
    # Names of further inputs that `generate` passes to `_begin`.
    generation_inputs: ClassVar[tuple[str, ...]] = ()

    def _begin(self, prompt: Tensor, mask: Tensor | None, total: int, **inputs: Any) -> tuple[Tensor, Memory]:
        """Read prompts; returns the scores (B, V) of the next token and what is remembered. Given by the architecture.

        Args:
            prompt: (B, S). mask: (B, S) boolean, False for padding, which is on the left; None for no padding.
            total: the most tokens there will be.
        """
        raise NotImplementedError

    def _continue(self, tokens: Tensor, memory: Any) -> Tensor:
        """Read one token (R,) a row; returns the scores (R, V) of the next. Given by the architecture."""
        raise NotImplementedError

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
        generator: torch.Generator | None = None,
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
            generator: source of randomness, on the model's device; or seed: for a new one. By default PyTorch's own.
            output_scores: also return log-probabilities.
            stream: return an iterator over the tokens as they come, one a row, None in rows that have ended. It has the
                whole result as its ``output`` once exhausted. Not with beams.
            inputs: further inputs of the model where it takes some.

        Returns:
            A GenerationOutput tuple: ``sequences`` (B·num_return_sequences, longest), prompts included, filled up on
            the right (prompts of different lengths on the left); ``stop_reasons``, of each "eos", "stop_string" or
            "length"; with ``output_scores`` also ``scores`` (B·num_return_sequences, new tokens), the log-probability
            of each new token after all processing, 0 after the end, and from beam search ``sequence_scores``, by which
            the sequences of a prompt are sorted.

        Raises:
            ValueError, TypeError: naming the argument, what it is and what it should be.
        """
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
        ids, mask = (each.cpu().numpy() if isinstance(each, Tensor) else each for each in (input_ids, attention_mask))
        prompts = check_prompts(ids, mask, options, int(self.config.vocab_size), bos, self._max_positions())
        if seed is not None:
            generator = torch.Generator(self.device).manual_seed(seed)
        run = _Run(self, prompts, options, generator, inputs)
        if stream:
            return TokenStream(_stream(run))
        with _inference(self):
            if num_beams == 1:
                _search(run)
                found = None
            else:
                found = _beam_search(run)
        return run.result(found)


class KeyValueGeneration(GenerationMixin):
    """``generate`` for a model whose layers remember keys and values.

    The bare model says what the first layer reads (``embed``), which layers follow (``blocks``) and what becomes of the
    last one's states (``finish``). A layer may have a ``step``, a fast form of its ``forward`` for single tokens, which
    holds for layers that consist of the kinds of modules listed in ``plain``.
    """

    base_model: Any
    get_output_embeddings: Any

    def _max_positions(self) -> int | None:
        return int(self.config.max_position_embeddings)

    def _begin(self, prompt: Tensor, mask: Tensor | None, total: int, **inputs: Any) -> tuple[Tensor, Memory]:
        layers = self.config.num_hidden_layers
        memory = KeyValueMemory(layers, total, mask, prompt.device, self._max_positions())
        return self._continue(prompt, memory), memory

    def _continue(self, tokens: Tensor, memory: Any) -> Tensor:
        if tokens.dim() == 1:
            tokens = tokens[:, None]
        base, length = self.base_model, tokens.shape[1]
        dtype = base.get_input_embeddings().weight.dtype
        positions, bias, is_causal = memory.next(length, dtype)
        states = base.embed(ForwardContext(self.config, tokens, None, None, None, positions, length))
        if memory.steps is None:
            memory.steps = steps(base, memory)
        if memory.steps and length == 1:
            states = states[:, 0]
            for step in memory.steps:
                states = step(states, bias)
            return self.score(base.finish(states), memory)
        for layer, past in zip(base.get_submodule(base.blocks), memory.layers, strict=True):
            states = layer(states, LayerContext(bias, is_causal, past=past))[0]
        return self.score(base.finish(states[:, -1]), memory)

    def score(self, states: Tensor, memory: Any) -> Tensor:
        """The scores (R, V) of the next token, of the last one's states (R, H)."""
        head = self.get_output_embeddings()
        if memory.plain_head is None:
            memory.plain_head = is_plain(head, (nn.Linear,))
        if memory.plain_head:
            return linear(states, head.weight, head.bias)
        logits: Tensor = head(states)
        return logits


def steps(base: Any, memory: KeyValueMemory) -> list[Step]:
    """What reads a single token fast, layer by layer; empty where a layer is not what its class says."""
    layers = base.get_submodule(base.blocks)
    if not is_plain(layers, (nn.ModuleList, *base.plain)):
        return []
    return [layer.step(past) for layer, past in zip(layers, memory.layers, strict=True)]
