"""What Keras is doing at the moment, for code that it calls without saying so. The only such switches of tx.

Each is set for the length of a ``with`` block, and seen by the thread that set it alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Switch:
    """Off, but within ``with switch.on():``."""

    def __init__(self, name: str) -> None:
        self._variable = ContextVar(name, default=False)

    def __bool__(self) -> bool:
        return self._variable.get()

    @contextmanager
    def on(self) -> Iterator[None]:
        """Switch on within a block."""
        token = self._variable.set(True)
        try:
            yield
        finally:
            self._variable.reset(token)


# New variables are left undefined: for models whose weights come from a file.
skipping_initialization = Switch("tx_skipping_initialization")
# Products are traced in the form that XLA computes fastest for few rows on CPUs. Reading the weights takes all the time
# there. The results are the same.
products_for_xla = Switch("tx_products_for_xla")
# Keras is finding out the shapes of a model's outputs (a call on keras.Input).
symbolic_call = Switch("tx_symbolic_call")
# Keras is building what a compiled model measures, on inputs that may have lost their types.
symbolic_build = Switch("tx_symbolic_build")
