"""The authors' own checkpoints, changed."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tx_core.checkpoints import open_checkpoint, write_tf1

from .data import data_path


def write_googles_bert(folder: Path, slots: Iterable[str], *others: str) -> set[str]:
    """Write Google's BERT as another optimizer would have left it.

    Args:
        folder: where to.
        slots: what the optimizer appends to the names of parameters, in the place of the slots that are there.
        others: names of further arrays.

    Returns:
        The names of all that is no parameter.
    """
    source = data_path("checkpoints/bert-tf1")
    with open_checkpoint(source / "bert_model.ckpt.index") as checkpoint:
        arrays = {n: checkpoint.read(n) for n in checkpoint.names() if not n.endswith(("adam_m", "adam_v"))}
    parameters = [name for name in arrays if name != "global_step"]
    state = {f"{name}/{slot}" for name in parameters for slot in slots}
    state |= {"beta1_power", "beta2_power", "loss_scale", "good_steps", *others}
    shutil.copy(source / "bert_config.json", folder)
    write_tf1(folder / "bert_model.ckpt", {**arrays, **{name: np.zeros(3, np.float32) for name in state}})
    return {*state, "global_step"}
