"""Memories in the replicas of ``nn.DataParallel``, in PyTorch. Mirrored by ``batches_tf``.

``nn.DataParallel`` divides inputs, and joins outputs, on their first axis. Memories such as ``mems`` (M, B, H) have the
batch elsewhere. So its replicas return and take them with the batch in front, ``mems`` as (B, M, H) and ``past`` as
(B, 2, N, P, D): what one call of the parallel model returns the next one takes.

Shapes: B batch, M memory, H hidden size, P past, N heads, D head width.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor

from tx_core.outputs import BATCH_AXES


def rows_first(replica: Any) -> Callable[..., Any]:
    """The ``forward`` of a replica, which takes and returns memories with the batch in front."""
    cls = type(replica)
    signature = inspect.signature(cls.forward)

    def forward(*args: Any, **kwargs: Any) -> Any:
        given = {name: _moved(x, 0, BATCH_AXES[name]) if name in BATCH_AXES else x for name, x in kwargs.items()}
        bound = signature.bind_partial(replica, *args, **given)
        for name in BATCH_AXES.keys() & bound.arguments.keys() - given.keys():  # by position
            bound.arguments[name] = _moved(bound.arguments[name], 0, BATCH_AXES[name])
        outputs = cls.forward(*bound.args, **bound.kwargs)
        fields = [name for name in BATCH_AXES if name in getattr(outputs, "_fields", ())]
        return outputs._replace(**{name: _moved(getattr(outputs, name), BATCH_AXES[name], 0) for name in fields})

    return forward


def _moved(x: Any, source: int, target: int) -> Any:
    """A memory, a tensor or a nest of them, with an axis moved; None as it is."""
    if x is None:
        return None
    return x.movedim(source, target) if isinstance(x, Tensor) else tuple(_moved(each, source, target) for each in x)
