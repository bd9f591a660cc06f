"""Loading puts weights straight into place: the peak is hardly more than the weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
from tx_bert import BertConfig, TFBertModel

def status(key):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key)) * 1024

small, large, form = sys.argv[2:]
if sys.argv[1] == "save":
    tiny = BertConfig(50, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    TFBertModel(tiny).save_pretrained(small, format=form)
    TFBertModel(BertConfig()).save_pretrained(large, format=form)
else:
    TFBertModel.from_pretrained(small)  # what TensorFlow sets up once is no part of the weights
    before = status("VmRSS")
    model = TFBertModel.from_pretrained(large)
    # Not getrusage, whose peak a process inherits from the one that started it.
    print((status("VmHWM") - before) / (4 * model.num_parameters()))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory in use from /proc")
@pytest.mark.parametrize("form", ["safetensors", "h5"])
def test_peak_memory_of_loading(tmp_path: Path, form: str) -> None:
    arguments = [tmp_path / "small", tmp_path / "large", form]
    subprocess.run([sys.executable, "-c", SCRIPT, "save", *arguments], check=True)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "load", *arguments], check=True, capture_output=True, text=True
    )
    ratio = float(done.stdout)
    assert 0.9 < ratio < 1.2
