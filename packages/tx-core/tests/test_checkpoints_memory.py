"""Reading array by array takes the memory of one array, not of the file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tx_core.checkpoints import LazyArray, write_safetensors, write_tf1, write_torch_bin

# Megabytes of each array, the largest first: a reader that keeps what it read shows at every later one.
SIZES = {"safetensors": [100, *[50] * 6], "torch": [50, *[25] * 4], "tf1": [50, *[25] * 4]}


def make(megabytes: int) -> Callable[[], npt.NDArray[np.float32]]:
    return lambda: np.ones(megabytes << 18, np.float32)


MEASURE = r"""
import re, sys
import numpy as np
from tx_core.checkpoints import open_checkpoint, write_safetensors

def peak():
    # Not getrusage: its peak is inherited from the process that started this one.
    return int(re.search(r"VmHWM:\s*(\d+) kB", open("/proc/self/status").read())[1]) * 1024

with open_checkpoint(sys.argv[1]) as checkpoint:
    # What is needed once whatever the size (pages of code, the tables of the checksum) belongs to the start.
    checkpoint.read("small")
    before = peak()
    for name in checkpoint.names():
        array = checkpoint.read(name)
        assert array.reshape(-1)[-1] == 1
        del array
    print(peak() - before)
    if len(sys.argv) > 2:
        write_safetensors(sys.argv[2], {name: lambda name=name: checkpoint.read(name) for name in checkpoint.names()})
        print(peak() - before)
"""


def peaks(*arguments: Path) -> list[int]:
    """Bytes above the start, in a process of its own: the peak of this one is that of all tests before."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [int(line) for line in done.stdout.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc/self/status, which only Linux has")
@pytest.mark.parametrize("form", SIZES)
def test_the_peak_is_that_of_the_largest_array(tmp_path: Path, form: str) -> None:
    sizes = SIZES[form]
    arrays: dict[str, LazyArray] = {f"array{i}": make(size) for i, size in enumerate(sizes)}
    arrays["small"] = np.ones(3, np.float32)
    path = tmp_path / "checkpoint"
    if form == "safetensors":
        write_safetensors(path, arrays)
    elif form == "torch":
        write_torch_bin(path, arrays)
    else:
        write_tf1(path, arrays)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) >= sum(sizes) << 20
    copy = [tmp_path / "copy.safetensors"] if form == "safetensors" else []
    for peak in peaks(path, *copy):
        assert 0.9 * (max(sizes) << 20) <= peak <= 1.2 * (max(sizes) << 20), f"{peak / (1 << 20):.0f} MiB"
