"""Read and write arrays by name, whatever the file format; NumPy only, and nothing in a file is ever executed.

`open_checkpoint` decides by content which format it sees: safetensors (whole or sharded), PyTorch's `.bin` in both its
formats, Keras-2-era `.h5`, TensorFlow 1 checkpoints, and the `.npy` shards of OpenAI's first GPT.
"""

from __future__ import annotations

from tx_core.checkpoints.base import ArrayInfo, Checkpoint, CheckpointError, LazyArray
from tx_core.checkpoints.detect import open_checkpoint
from tx_core.checkpoints.safetensors import write_safetensors
from tx_core.checkpoints.torch_bin import write_torch_bin

__all__ = [
    "ArrayInfo",
    "Checkpoint",
    "CheckpointError",
    "LazyArray",
    "open_checkpoint",
    "write_safetensors",
    "write_torch_bin",
]
