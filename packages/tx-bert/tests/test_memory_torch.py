"""Loading puts weights straight into place: the peak is hardly more than the weights, nothing where they are mapped."""

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

action, folder, form, vocabulary, options = sys.argv[1:]
if action == "save":
    torch.manual_seed(0)
    BertModel(BertConfig(int(vocabulary), num_hidden_layers=4)).save_pretrained(folder, format=form)
    small = BertConfig(9, hidden_size=16, num_hidden_layers=1, num_attention_heads=1, intermediate_size=16)
    BertModel(small).save_pretrained(f"{folder}/small", format=form)
else:
    # How much of PyTorch's own code is read from its files for it depends on the file system.
    BertModel.from_pretrained(f"{folder}/small", **eval(options))
    before = status("VmRSS")
    model = BertModel.from_pretrained(folder, **eval(options))
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    # Not getrusage, whose peak a process inherits from the one that started it.
    loaded = status("VmHWM")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1
    used = status("VmHWM")
    print((loaded - before) / weights, (used - before) / weights, "torch._dynamo" in sys.modules)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory in use from /proc")
@pytest.mark.parametrize(
    "form, vocabulary, options, least, most",
    [
        ("safetensors", 30522, "{}", 0.0, 0.1),
        ("safetensors", 30522, "{'mmap': False}", 0.9, 1.2),
        # The largest array is there in both types.
        ("safetensors", 8000, "{'dtype': 'bfloat16'}", 0.9, 1.2),
        ("safetensors", 8000, "{'dtype': 'float64'}", 0.9, 1.2),
        ("bin", 30522, "{}", 0.9, 1.2),
    ],
)
def test_peak_memory_of_loading(
    tmp_path: Path, form: str, vocabulary: int, options: str, least: float, most: float
) -> None:
    arguments = [tmp_path, form, str(vocabulary), options]
    subprocess.run([sys.executable, "-c", SCRIPT, "save", *arguments], check=True)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "load", *arguments], check=True, capture_output=True, text=True
    )
    loaded, used, compiler = done.stdout.split()
    assert least <= float(loaded) < most
    assert 0.9 < float(used) < 1.2  # all of it read, and changed
    # PyTorch imports its compiler, which takes seconds, if parameters without memory are initialised.
    assert compiler == "False"
