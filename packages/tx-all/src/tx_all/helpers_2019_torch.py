"""What the PyTorch modules of 2019 had under names that tx has no use for."""

import torch
from torch import nn
from torch.nn import CrossEntropyLoss, MSELoss
from torch.nn import LayerNorm as BertLayerNorm
from torch.nn.functional import silu as swish

from tx_core.models.activations_torch import ACTIVATIONS as ACT2FN
from tx_core.models.activations_torch import gelu, gelu_new
from tx_core.models.pruning_torch import prune_conv1d as prune_conv1d_layer
from tx_core.models.pruning_torch import prune_linear as prune_linear_layer

XLNetLayerNorm = BertLayerNorm
# The ACT2FN of XLNet's module.
ACT2FN_BY_TANH = {**ACT2FN, "gelu": gelu_new}

__all__ = [
    "ACT2FN",
    "BertLayerNorm",
    "CrossEntropyLoss",
    "MSELoss",
    "XLNetLayerNorm",
    "gelu",
    "gelu_new",
    "nn",
    "prune_conv1d_layer",
    "prune_linear_layer",
    "swish",
    "torch",
]
