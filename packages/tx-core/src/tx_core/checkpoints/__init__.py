"""Read and write arrays by name, whatever the file format; NumPy only, and nothing in a file is ever executed.

`open_checkpoint` decides by content which format it sees: safetensors (whole or sharded), PyTorch's `.bin` in both its
formats, Keras-2-era `.h5`, TensorFlow 1 checkpoints, and the `.npy` shards of OpenAI's first GPT.
"""

from __future__ import annotations

from tx_core.checkpoints.arguments import Arguments, Shapes
from tx_core.checkpoints.base import ArrayInfo, Checkpoint, CheckpointError, LazyArray
from tx_core.checkpoints.detect import open_checkpoint
from tx_core.checkpoints.keras_h5 import write_keras_h5
from tx_core.checkpoints.safetensors import write_safetensors
from tx_core.checkpoints.tf1 import write_tf1
from tx_core.checkpoints.torch_bin import write_torch_bin

__all__ = [
    "Arguments",
    "ArrayInfo",
    "Checkpoint",
    "CheckpointError",
    "LazyArray",
    "Shapes",
    "open_checkpoint",
    "write_keras_h5",
    "write_safetensors",
    "write_tf1",
    "write_torch_bin",
]
