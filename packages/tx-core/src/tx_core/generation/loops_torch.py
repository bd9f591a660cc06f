"""The loops of ``generate`` in PyTorch: greedy search and sampling, and beam search. Mirrored by ``loops_tf``.

Shapes: B prompts, R rows (B times the sequences or beams of each), S sequence, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .beams import BeamSearch
from .evaluation_torch import in_evaluation
from .memory_torch import Memory
from .options import Options
from .progress import Progress
from .prompts import Prompts
from .results import Steps, generation_output
from .scores_torch import processors


class Run(Progress):
    """One call of ``generate``.

    Args:
        model: reads tokens, see ``GenerationMixin``.
        generator: source of randomness; None for PyTorch's own.
    """

    def __init__(self, model: Any, prompts: Prompts, options: Options, generator: torch.Generator | None) -> None:
        super().__init__(prompts, options)
        self.model = in_evaluation(model)
        self.generator = generator
        self._device: torch.device = model.device
        self._prompt = torch.from_numpy(prompts.ids).to(self._device)
        self._process = processors(options, prompts, self._device)
        # Prompts and new tokens, the padding before prompts as -1.
        marked = torch.from_numpy(prompts.marked).to(self._device)
        self.ids = torch.full((len(self.limits), prompts.total), options.pad or 0, device=self._device)
        self.ids[:, : self.width] = marked.repeat_interleave(options.rows_per_prompt, 0)
        self.scores: list[Tensor] = []
        self._memory: Memory | None = None

    def whole(self) -> tuple[Any, ...]:
        """Generate to the end; returns the GenerationOutput."""
        with torch.inference_mode():
            if self.options.num_beams == 1:
                self._search()
                found = None
            else:
                found = self._beam_search()
        return self.result(found)

    def stepwise(self) -> Steps:
        """Generate one token a row at a time."""
        # Inference mode is left before every yield: it must not leak into the code that takes the tokens.
        tokens: Tensor | None = None
        finished = False
        while not finished:
            with torch.inference_mode():
                logits = self.begin() if tokens is None else self.proceed(tokens)
                tokens, ended = self.choose(logits), self.ended.copy()
                finished = self.add(tokens)
                step = tuple(None if over else token for token, over in zip(tokens.tolist(), ended, strict=True))
            yield step
        return self.result

    def _search(self) -> None:
        """Greedy search or sampling to the end."""
        tokens = self.choose(self.begin())
        while not self.add(tokens):
            tokens = self.choose(self.proceed(tokens))

    def _beam_search(self) -> tuple[Any, ...]:
        """Beam search to the end; returns :meth:`BeamSearch.result`."""
        options, prompts = self.options, self.prompts
        search = BeamSearch(prompts.limits, options)
        batch, beams = len(prompts.ids), options.num_beams
        logits = self.begin()
        while True:
            vocabulary = logits.shape[-1]
            logprobs = self.processed(logits.float().log_softmax(-1)).reshape(batch, beams, vocabulary)
            sums = logprobs + torch.from_numpy(search.scores).to(logprobs.device)[:, :, None]
            sums = sums.reshape(batch, beams * vocabulary)
            count = min(search.num_candidates, beams * vocabulary)
            if options.do_sample:
                indices = torch.multinomial(sums.softmax(-1), count, generator=self.generator)
                best = sums.gather(1, indices)
            else:
                best, indices = sums.topk(count)
            found = indices.cpu().numpy()
            rows, tokens = search.advance(best.cpu().numpy(), found // vocabulary, found % vocabulary)
            if search.done.all():
                return search.result(options.pad)
            source, new = (torch.from_numpy(each).to(logits.device) for each in (rows, tokens))
            self.reorder(source)
            self.ids[:, self.length] = new
            self.length += 1
            logits = self.proceed(new)

    def begin(self) -> Tensor:
        """Read the prompts, each once; returns the scores (R, V) of the first new token."""
        times = self.options.rows_per_prompt
        logits: Tensor
        logits, self._memory = self.model._begin(self.prompts, times)
        return logits.repeat_interleave(times, 0) if times > 1 else logits

    def proceed(self, tokens: Tensor) -> Tensor:
        """Read one new token (R,) a row; returns the scores (R, V) of the next."""
        logits: Tensor = self.model._continue(tokens, self._memory)
        return logits

    def processed(self, scores: Tensor) -> Tensor:
        """Scores (R, V) after all options that change them."""
        if self._process:
            scores = scores.float()
            for process in self._process:
                scores = process(scores, self.ids[:, : self.length])
        return scores

    def choose(self, logits: Tensor) -> Tensor:
        """The next token (R,) of every row, also of those that have ended."""
        scores = self.processed(logits)
        if self.options.do_sample:
            tokens = torch.multinomial(scores.float().softmax(-1), 1, generator=self.generator)[:, 0]
        else:
            tokens = scores.argmax(-1)
        if self.options.output_scores:
            self.scores.append(scores.float().log_softmax(-1).gather(1, tokens[:, None])[:, 0])
        return tokens

    def add(self, tokens: Tensor) -> bool:
        """Append one token (R,) a row; returns whether this was the last."""
        self.ids[:, self.length] = tokens
        # To look at the tokens is all that has to wait for an accelerator.
        return self.note(tokens.cpu().numpy() if self.watched else None)

    def reorder(self, rows: Tensor) -> None:
        """Let row i go on as what was row ``rows[i]``."""
        assert self._memory is not None
        self._memory.reorder(rows)
        self.ids[:, : self.length] = self.ids[rows, : self.length]

    def result(self, beams: tuple[Any, ...] | None = None) -> tuple[Any, ...]:
        """The GenerationOutput, of tensors that may take part in training, unlike those made in inference mode.

        Args:
            beams: what :meth:`BeamSearch.result` gave.
        """
        prompt, options = self._prompt, self.options
        totals, scores = None, torch.stack(self.scores, 1).clone() if self.scores else None
        if beams is None:
            new, reasons = self.ids[:, self.width : self.length], tuple(self.reasons.tolist())
            if self.ended.any():
                beyond = torch.from_numpy(self.beyond()).to(self._device)
                new = new.masked_fill(beyond, options.pad or 0)
                scores = None if scores is None else scores.masked_fill(beyond, 0)
        else:
            tokens, reasons, *found = beams
            new = torch.from_numpy(tokens).to(self._device)
            if options.output_scores:
                totals, scores = (torch.from_numpy(each).to(self._device) for each in found)
        sequences = torch.cat((prompt.repeat_interleave(len(new) // len(prompt), 0), new), 1)
        return generation_output(sequences, reasons, scores, totals)
