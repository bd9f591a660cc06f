"""What ``generate`` returns. Needs no framework."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any

from tx_core.outputs import output


def generation_output(
    sequences: Any, stop_reasons: tuple[str, ...], scores: Any = None, sequence_scores: Any = None
) -> tuple[Any, ...]:
    """What ``generate`` returns: ``(sequences, stop_reasons)``, with scores asked for also ``scores`` and, from beam
    search, ``sequence_scores``.
    """
    result: tuple[Any, ...] = output(
        "GenerationOutput",
        sequences=sequences,
        stop_reasons=stop_reasons,
        scores=scores,
        sequence_scores=sequence_scores,
    )
    return result


# Gives the tokens (R,) of each step, None in rows that have ended; and in the end what gives the result.
Steps = Generator[tuple[int | None, ...], None, Callable[[], tuple[Any, ...]]]


class TokenStream(Iterator[tuple[int | None, ...]]):
    """The tokens of a ``generate(..., stream=True)`` as they come: one a row, None for a row that has ended.

    ``output`` is the whole result, once the stream is exhausted.
    """

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._output: tuple[Any, ...] | None = None

    def __next__(self) -> tuple[int | None, ...]:
        try:
            return next(self._steps)
        except StopIteration as end:
            if self._output is None and end.value is not None:
                self._output = end.value()
            raise StopIteration from None

    @property
    def output(self) -> Any:
        """The GenerationOutput.

        Raises:
            RuntimeError: if there are tokens still to come.
        """
        if self._output is None:
            raise RuntimeError("the stream has not ended: take all its tokens before its output")
        return self._output
