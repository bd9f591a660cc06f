"""Loading puts weights straight into place: the peak is hardly more than the weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
import torch
from tx_bert import BertConfig, BertModel

def status(key):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key)) * 1024

if sys.argv[1] == "save":
    torch.manual_seed(0)
    BertModel(BertConfig(num_hidden_layers=4)).save_pretrained(sys.argv[2], format=sys.argv[3])
else:
    before = status("VmRSS")
    model = BertModel.from_pretrained(sys.argv[2])
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    # Not getrusage, whose peak a process inherits from the one that started it.
    print((status("VmHWM") - before) / weights, "torch._dynamo" in sys.modules)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory in use from /proc")
@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_peak_memory_of_loading(tmp_path: Path, form: str) -> None:
    subprocess.run([sys.executable, "-c", SCRIPT, "save", tmp_path, form], check=True)
    done = subprocess.run([sys.executable, "-c", SCRIPT, "load", tmp_path], check=True, capture_output=True, text=True)
    ratio, compiler = done.stdout.split()
    assert 0.9 < float(ratio) < 1.2
    # PyTorch imports its compiler, which takes seconds, if parameters without memory are initialised.
    assert compiler == "False"
