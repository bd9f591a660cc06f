#!/usr/bin/env python3
"""Trains the models that tx-tiny ships: their vocabulary first, then the weights.

    python train.py bert --data DATA --output ../src/tx_tiny/models/bert
    python train.py gpt2 --data DATA --output ../src/tx_tiny/models/gpt2
    python train.py distilbert --data DATA --output ../src/tx_tiny/models/distilbert
    python train.py roberta --data DATA --output ../src/tx_tiny/models/roberta
    python train.py transfo-xl --data DATA --output ../src/tx_tiny/models/transfo-xl
    python train.py xlnet --data DATA --output ../src/tx_tiny/models/xlnet

The third, the fourth and the last begin with the finished tx-tiny/bert, the Transformer-XL's words with those of
tx-tiny/gpt2. DATA is a folder with the texts that text.py describes. Needs tx-tiny's dependencies with PyTorch, and for
the XLNet's vocabulary the library sentencepiece. The same command gives the same files on the same machine and
releases: every random number comes from --seed and the number of the step, and only deterministic kernels run. A run
that was interrupted goes on from --state when it is started again.

The output folder gets config.json, model.safetensors (float16), the tokenizer's files and training.jsonl: the settings,
the course of the losses, and what the finished files reach on the parts of the text that were never trained on.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

# cuBLAS is deterministic only with a fixed workspace, and reads this when it starts.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import numpy as np
import torch
from text import read_corpus
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

logger = logging.getLogger("train")

# Each module has DEFAULTS, settings of its task, and prepare(corpus, settings, folder), which writes the tokenizer's
# files into the folder and gives the task: model(), batch(generator), loss(model, batch), evaluate(model, part), and
# description; and carried, if a step leaves something for the next: tensors by name.
MODULES = {
    "bert": "masked",
    "gpt2": "causal",
    "distilbert": "distil",
    "roberta": "transfer",
    "transfo-xl": "recurrent",
    "xlnet": "permutation",
}


def groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameters for the optimiser: matrices decay, biases and the scales of normalisation do not."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]


def rate(step: int, settings: argparse.Namespace) -> float:
    """The learning rate of a step: a linear rise, then half a cosine down to a twentieth of the peak."""
    if step < settings.warmup:
        return float(settings.rate * (step + 1) / settings.warmup)
    done = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return float(settings.rate * (0.05 + 0.95 * (1 + math.cos(math.pi * done)) / 2))


def train(task: Any, settings: argparse.Namespace, log: Callable[..., None]) -> dict[str, Tensor]:
    """Train a new model of the task; the weights of the step with the lowest loss on the dev part."""
    device = torch.device(settings.device)
    torch.manual_seed(settings.seed)
    model = task.model().to(device)
    optimiser = torch.optim.AdamW(groups(model, settings.weight_decay), lr=settings.rate, betas=(0.9, 0.98), eps=1e-6)
    first, best, best_loss, losses = 0, {}, math.inf, []
    identity = json.dumps({name: value for name, value in recorded(settings).items() if name != "stop"})
    if settings.state.is_file():
        state = torch.load(settings.state, map_location=device, weights_only=True)
        if state["settings"] != identity:
            raise SystemExit(f"{settings.state} is of a run with other settings: delete it or name another --state")
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        first, best, best_loss = state["step"], state["best"], state["best_loss"]
        if "carried" in state:
            task.carried = state["carried"]
        log(resumed=first)
    start = time.monotonic()
    last = min(settings.stop, settings.steps)
    for step in range(first, last):
        for group in optimiser.param_groups:
            group["lr"] = rate(step, settings)
        torch.manual_seed(settings.seed * 1_000_003 + step)  # dropout
        batch = task.batch(np.random.default_rng([settings.seed, step]))
        model.train()
        loss = task.loss(model, {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()})
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        losses.append(loss.detach())
        if (step + 1) % settings.every == 0 or step + 1 == last:
            model.eval()
            dev = task.evaluate(model, "dev")
            log(step=step + 1, train_loss=round(torch.stack(losses).mean().item(), 4), **dev)
            losses = []
            if dev["loss"] < best_loss:
                best_loss = dev["loss"]
                best = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
            state = {"settings": identity, "step": step + 1, "best": best, "best_loss": best_loss}
            state |= {"model": model.state_dict(), "optimiser": optimiser.state_dict()}
            if hasattr(task, "carried"):
                state["carried"] = task.carried
            temporary = settings.state.with_suffix(".tmp")
            torch.save(state, temporary)
            temporary.replace(settings.state)
    log(seconds=round(time.monotonic() - start))
    return best


def save(task: Any, weights: dict[str, Tensor], folder: Path) -> Any:
    """Write the weights in half precision; the model as it reads back from the file, in single precision."""
    model = task.model()
    model.load_state_dict(weights)
    model.half().save_pretrained(folder)
    return type(model).from_pretrained(folder)


def recorded(settings: argparse.Namespace) -> dict[str, Any]:
    """The settings that the result depends on."""
    places = ("data", "output", "state", "module")
    return {name: value for name, value in vars(settings).items() if name not in places}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=list(MODULES))
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--stop", type=int, help="end after so many of the steps, before the rate is at its end")
    parser.add_argument("--batch", type=int, help="sequences of a step")
    parser.add_argument("--rate", type=float, help="peak learning rate")
    parser.add_argument("--warmup", type=int, help="steps until the peak")
    parser.add_argument("--dropout", type=float)
    parser.add_argument("--weight-decay", type=float)
    parser.add_argument("--initializer-range", type=float, help="standard deviation of new weights")
    parser.add_argument("--every", type=int, help="steps between two looks at the dev part")
    parser.add_argument("--threads", type=int, default=1, help="of the processor (default: 1)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--state", type=Path, metavar="FILE", help="what an interrupted run goes on from")
    settings = parser.parse_args()
    settings.module = import_module(MODULES[settings.task])
    for name, value in settings.module.DEFAULTS.items():
        if getattr(settings, name) is None:
            setattr(settings, name, value)
    if settings.stop is None:
        settings.stop = settings.steps
    if settings.state is None:
        settings.state = Path(tempfile.gettempdir()) / f"tx-tiny-{settings.task}.pt"
    return settings


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    settings = arguments()
    torch.set_num_threads(settings.threads)
    torch.use_deterministic_algorithms(True)
    settings.output.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []

    def log(**values: object) -> None:
        lines.append(json.dumps(values))
        logger.info("%s", lines[-1])

    corpus = read_corpus(settings.data)
    task = settings.module.prepare(corpus, settings, settings.output)
    log(**recorded(settings))
    processor = torch.cuda.get_device_name() if settings.device == "cuda" else platform.machine()
    log(python=platform.python_version(), torch=torch.__version__, numpy=np.__version__, processor=processor)
    log(sha256=corpus.sha256)
    log(**task.description)
    # On a GPU, kernels that gather attention in one pass add up in no fixed order when they go backwards.
    with sdpa_kernel([SDPBackend.MATH] if settings.device == "cuda" else [SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]):
        weights = train(task, settings, log)
        model = save(task, weights, settings.output)
        for part in ("dev", "test"):
            log(part=part, **task.evaluate(model, part))
    (settings.output / "training.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if settings.stop >= settings.steps:
        settings.state.unlink()


if __name__ == "__main__":
    main()
