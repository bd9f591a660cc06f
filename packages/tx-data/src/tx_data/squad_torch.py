"""Windows of SQuAD as a `TensorDataset`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import TensorDataset

from .squad_features import SquadFeatures


def dataset_of(features: Sequence[SquadFeatures], training: bool) -> TensorDataset:
    """The tensors of 2019, in their order: input_ids, attention_mask, token_type_ids, (N, S) each; then for training
    start_position, end_position, cls_index (N,), p_mask (N, S), is_impossible (N,); for evaluation the numbers of the
    windows (N,), cls_index, p_mask. The last two kinds are float32, others int64."""

    def column(name: str, dtype: Any = torch.long) -> torch.Tensor:
        return torch.tensor([getattr(each, name) for each in features], dtype=dtype)

    inputs = [column(name) for name in ("input_ids", "attention_mask", "token_type_ids")]
    cls_index, p_mask = column("cls_index"), column("p_mask", torch.float)
    if not training:
        return TensorDataset(*inputs, torch.arange(len(features)), cls_index, p_mask)
    positions = column("start_position"), column("end_position")
    return TensorDataset(*inputs, *positions, cls_index, p_mask, column("is_impossible", torch.float))
