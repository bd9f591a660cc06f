"""Processes that are killed at one of their calls to the system."""

from __future__ import annotations

import gc
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from typing import Any

#: Functions of `os` that change a folder or make a change last.
CALLS = ("rename", "replace", "unlink", "remove", "fsync", "open", "write", "close")


def kills(run: Callable[[], object], calls: tuple[str, ...] = CALLS) -> Iterator[str]:
    """Run in a process that is killed before its first call, then in one that is killed after it, and so on.

    Each time that a process was killed gives the name of that moment. At the end one runs through, "done".
    """
    point = 0
    while True:
        point += 1
        for when in ("before", "after"):
            if not _killed(run, calls, point, when == "after"):
                yield "done"
                return
            yield f"{when} call {point}"


def _killed(run: Callable[[], object], calls: tuple[str, ...], point: int, after: bool) -> bool:
    process = fork()
    if process == 0:
        status = 1
        try:
            _kill_at(calls, point, after)
            run()
            status = 0
        except Exception:  # noqa: BLE001  # whatever it is, this copy of the process must end here
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(process, 0)
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0, "the process failed by itself; its traceback is above"
        return False
    assert os.WTERMSIG(status) == signal.SIGKILL
    return True


def fork() -> int:
    """A copy of this process, as `os.fork` makes one, that frees nothing of what was there before.

    What other tests left may be TensorFlow's, and belong to threads that the copy does not have: to free it crashes.
    """
    process = os.fork()
    if process == 0:
        gc.freeze()
    return process


def _kill_at(calls: tuple[str, ...], point: int, after: bool) -> None:
    done = 0

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **keywords: Any) -> Any:
            nonlocal done
            done += 1
            number = done
            if number == point and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return call(*arguments, **keywords)
            finally:
                if number == point:
                    os.kill(os.getpid(), signal.SIGKILL)

        return run

    for name in calls:
        setattr(os, name, counted(getattr(os, name)))
