#!/usr/bin/env python3
"""Which attention heads does a model need? Measures it on a task of GLUE, for a model that was fine-tuned on it.

    python examples/run_bertology.py --model_name_or_path mrpc --task_name mrpc --data_dir glue_data/MRPC \\
        --batch_size 32 --try_masking --output_dir mrpc_heads

For each head: its importance, by how much the loss of a row changes as the head is faded out, |∂ loss / ∂ mask|, in
the mean of all rows (Michel et al. 2019, https://arxiv.org/abs/1905.10650); and the entropy of its attention in nats,
in the mean of all tokens. With --try_masking the least important heads are masked, --masking_amount of all at a time,
as long as the score is at least --masking_threshold of what it was. These heads are then removed from the model. The
last head of a layer stays, since a layer cannot be without.

The folder of --output_dir gets head_importance.npy, attn_entropy.npy and head_ranks.npy (0 for the most important),
all (layers, heads), and results.json; with --try_masking also head_mask.npy, the scores by masked heads as results.svg,
and the model without the heads, which run_glue.py measures with --do_eval. GLUE's rows are read by run_glue.py,
which has to lie beside this. Of the flags of 2019 --local_rank, --server_ip and --server_port are gone: one process
measures, and a debugger attaches from outside.
"""

from __future__ import annotations

import argparse
import copy
import logging
import math
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from run_glue import dataset
from torch import Tensor
from torch.func import grad, vmap
from torch.utils.data import DataLoader

from tx_core import AutoModelForSequenceClassification
from tx_core.files import atomic_write, progress, saving
from tx_data import glue_main_metrics, glue_output_modes, glue_scores, glue_tasks_num_labels
from tx_training import Evaluation, Processes, set_seed
from tx_training.arguments import add_data_arguments, add_model_arguments, add_task_argument
from tx_training.results import write_plot, write_results
from tx_training.scripts_torch import load_model
from tx_training.steps_torch import first_output

logger = logging.getLogger(__name__)

Rows = Sequence[dict[str, Tensor]]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add_task_argument(parser, glue_output_modes)
    add("--output_dir", type=Path, required=True, metavar="FOLDER", help="for the results")
    add("--overwrite_output_dir", action="store_true", help="write into a folder that has something")
    add("--batch_size", type=int, default=1, metavar="N", help="rows at a time; results do not depend on it (1)")
    add("--data_subset", type=int, default=-1, metavar="N", help="read the first rows of the development set only")
    add("--dont_normalize_importance_by_layer", action="store_true", help="do not divide it by its norm in the layer")
    add("--dont_normalize_global_importance", action="store_true", help="do not put it between 0 and 1")
    add("--try_masking", action="store_true", help="mask heads while the score holds, and remove them")
    add("--masking_threshold", type=float, default=0.9, metavar="P", help="how much of the score has to stay (0.9)")
    add("--masking_amount", type=float, default=0.1, metavar="P", help="how many of all heads are masked at once (0.1)")
    add("--metric_name", metavar="NAME", help="what the score is (the task's metric)")
    add("--seed", type=int, default=42, metavar="N", help="of all that is drawn (42)")
    add("--no_cuda", action="store_true", help="use no GPU")
    add_data_arguments(parser, "with dev.tsv")
    add_model_arguments(parser)
    parser.set_defaults(do_train=True)  # the named model is read, never the one in --output_dir
    options = parser.parse_args(arguments)
    if not options.data_dir.is_dir():
        parser.error(f"--data_dir: there is no folder {str(options.data_dir)!r}")
    for name in ("batch_size", "max_seq_length"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1, not {getattr(options, name)}")
    if options.data_subset != -1 and options.data_subset < 1:
        parser.error(f"--data_subset must be at least 1, or -1 for all rows, not {options.data_subset}")
    for name in ("masking_threshold", "masking_amount"):
        if not 0 < getattr(options, name) < 1:
            parser.error(f"--{name} must be between 0 and 1, not {getattr(options, name)}")
    folder = options.output_dir
    if folder.exists() and not folder.is_dir():
        parser.error(f"--output_dir: {folder} is a file")
    if folder.is_dir() and any(folder.iterdir()) and not options.overwrite_output_dir:
        parser.error(f"--output_dir: {folder} is not empty: give --overwrite_output_dir, or another folder")
    if folder.resolve() == Path(options.model_name_or_path).resolve():
        parser.error(f"--output_dir: {folder} is the model that is measured: give another folder")
    return options


def all_heads(config: Any) -> Tensor:
    """A mask (layers, heads) that keeps the heads that a model has."""
    mask = torch.zeros(config.num_hidden_layers, config.num_attention_heads)
    for layer in range(len(mask)):
        mask[layer, config.kept_heads(layer)] = 1.0
    return mask


class Heads(NamedTuple):
    """What is known of each head; both (layers, heads).

    Attributes:
        importance: the mean over rows of |∂ loss / ∂ mask|.
        entropy: of what a token attends to, in nats, the mean over tokens that are no padding; not a number for heads
            that the model has no more.
    """

    importance: Tensor
    entropy: Tensor

    @classmethod
    def measured(cls, model: Any, rows: Rows, mask: Tensor, batch_size: int) -> Heads:
        """Those of a model some of whose heads are masked.

        Args:
            model: in any mode; measured without dropout.
            rows: with labels and attention_mask (tokens,). mask: (layers, heads), 1 keeps a head.
            batch_size: rows at a time.
        """
        device, config = model.device, model.config

        def loss(mask: Tensor, row: dict[str, Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
            """The loss of one row, and for each layer its heads' entropies (heads,), summed over tokens."""
            outputs = model(**{name: values[None] for name, values in row.items()}, head_mask=mask)
            weights = (each.detach() for each in outputs.attentions)  # (1, heads, queries, keys)
            real = row["attention_mask"]
            return outputs.loss, tuple(-(torch.xlogy(each, each).sum(-1) * real).sum((0, 2)) for each in weights)

        # For each row by itself: what makes one row's loss fall may make another's rise.
        by_row = vmap(grad(loss, has_aux=True), in_dims=(None, 0))
        importance = torch.zeros(mask.shape, dtype=torch.float64)
        entropy, tokens = torch.full_like(importance, math.nan), 0
        for layer in range(len(mask)):
            entropy[layer, config.kept_heads(layer)] = 0.0
        was, training = config.output_attentions, model.training
        config.output_attentions = True
        model.eval()
        try:
            loader: DataLoader[dict[str, Tensor]] = DataLoader(rows, batch_size)  # type: ignore[arg-type]
            with progress(len(loader), "Heads", "batch") as bar:
                for batch in loader:
                    gradients, entropies = by_row(mask.to(device), {k: v.to(device) for k, v in batch.items()})
                    importance += gradients.detach().abs().sum(0).cpu()
                    for layer, sums in enumerate(entropies):
                        entropy[layer, config.kept_heads(layer)] += sums.sum(0).cpu().double()
                    tokens += int(batch["attention_mask"].sum())
                    bar.update()
        finally:
            config.output_attentions = was
            model.train(training)
        return cls(importance / len(rows), entropy / tokens)


def check_pruning(model: Any) -> None:
    """Raise NotImplementedError for a model whose heads cannot be removed, before hours of measuring."""
    with torch.device("meta"):  # of the same shape, but without numbers
        other = type(model)(copy.deepcopy(model.config))
    other.prune_heads({0: other.config.kept_heads(0)[1:]})


def normalised(importance: Tensor, options: argparse.Namespace) -> Tensor:
    """Importances (layers, heads) that can be compared across layers, and lie between 0 and 1."""
    if not options.dont_normalize_importance_by_layer:
        importance = importance / (importance.norm(dim=-1, keepdim=True) + 1e-20)
    if not options.dont_normalize_global_importance:
        importance = (importance - importance.min()) / (importance.max() - importance.min() + 1e-20)
    return importance


def without(mask: Tensor, importance: Tensor, count: int) -> Tensor:
    """A mask without the `count` least important of the heads that it keeps, but with one head a layer at least."""
    mask = mask.clone()
    for place in importance.flatten().argsort(stable=True).tolist():
        layer, head = divmod(place, mask.shape[1])
        if count and mask[layer, head] and mask[layer].sum() > 1:
            mask[layer, head] = 0.0
            count -= 1
    return mask


class Study:
    """A model, the rows it is measured on, and its score with some heads masked."""

    def __init__(self, options: argparse.Namespace, model: Any, rows: Rows) -> None:
        self.options, self.model, self.rows = options, model, rows
        self.metric = options.metric_name or glue_main_metrics[options.task_name]

    def measures(self, mask: Tensor | None = None) -> dict[str, float]:
        """The loss and the metrics, with a mask (layers, heads) or without.

        Raises:
            ValueError: the task has no metric of the name that was asked for.
        """
        own = {} if mask is None else {"head_mask": mask.to(self.model.device)}
        found = Evaluation(
            self.rows,
            self.options.batch_size,
            metrics=partial(glue_scores, self.options.task_name),
            loss=lambda model, batch: first_output(model, {**batch, **own}),
        )(self.model)
        if self.metric == "loss" or self.metric not in found:
            known = ", ".join(name for name in found if name != "loss")
            raise ValueError(f"--metric_name {self.metric}: {self.options.task_name} has {known}")
        return found

    def heads(self, mask: Tensor) -> Heads:
        """What is known of each head while some are masked, the importance normalised."""
        found = Heads.measured(self.model, self.rows, mask, self.options.batch_size)
        return Heads(normalised(found.importance, self.options), found.entropy)

    def seconds(self) -> float:
        """How long the model takes for all rows: the best of three times."""
        times = []
        for _ in range(3):
            start = time.perf_counter()
            self.measures()
            times.append(time.perf_counter() - start)
        return min(times)

    def masking(self, importance: Tensor) -> tuple[Tensor, list[dict[str, float]]]:
        """The mask (layers, heads) of all heads that the score can do without, and the measures on the way there.

        The importance is measured again after each step: it depends on which heads are left.

        Returns:
            The mask, and for each step, that without a mask first and one below the threshold last, how many heads are
            masked and the measures.
        """
        mask = all_heads(self.model.config)
        there = int(mask.sum())
        step = max(1, int(mask.numel() * self.options.masking_amount))
        curve = [{"masked": 0.0, **self.measures(mask)}]
        least = self.options.masking_threshold * curve[0][self.metric]
        while True:
            next_mask = without(mask, importance, step)
            if torch.equal(next_mask, mask):
                return mask, curve
            curve.append({"masked": there - float(next_mask.sum()), **self.measures(next_mask)})
            logger.info("%d heads masked: %s %.4f", curve[-1]["masked"], self.metric, curve[-1][self.metric])
            if not curve[-1][self.metric] >= least:
                return mask, curve
            mask = next_mask
            importance = self.heads(mask).importance

    def prune(self, mask: Tensor) -> dict[str, Any]:
        """Remove the heads that a mask masks, and tell what that changed."""
        before = {"seconds": self.seconds(), "parameters": self.model.num_parameters()}
        masked = self.measures(mask)
        gone = {
            layer: [head for head in self.model.config.kept_heads(layer) if not mask[layer, head]]
            for layer in range(len(mask))
        }
        gone = {layer: heads for layer, heads in gone.items() if heads}
        self.model.prune_heads(gone)
        after = {"seconds": self.seconds(), "parameters": self.model.num_parameters()}
        return {
            "heads": gone,
            "masked": masked,
            "pruned": self.measures(),
            "before": before,
            "after": after,
            "speed_up": before["seconds"] / after["seconds"],
        }


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Measures, masks and prunes, and returns what results.json has."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    set_seed(options.seed)
    model, tokenizer = load_model(options, AutoModelForSequenceClassification)
    task, labels = options.task_name, glue_tasks_num_labels[options.task_name]
    if model.config.num_labels != labels:
        raise ValueError(
            f"{options.model_name_or_path} has {model.config.num_labels} labels, and {task} {labels}: fine-tune it on "
            "the task first, with run_glue.py"
        )
    if options.try_masking:
        check_pruning(model)
    model.to(Processes.start("cpu" if options.no_cuda else None).device)
    rows = dataset(options, task, tokenizer, "dev")
    study = Study(options, model, rows if options.data_subset == -1 else rows[: options.data_subset])

    mask = all_heads(model.config)
    heads = study.heads(mask)
    ranks = heads.importance.flatten().argsort(descending=True, stable=True).argsort().view_as(mask)
    arrays = {"head_importance": heads.importance, "attn_entropy": heads.entropy, "head_ranks": ranks}
    results: dict[str, Any] = {"task": task, "metric": study.metric, "measures": study.measures()}
    results |= {name: values.tolist() for name, values in arrays.items()}
    folder = options.output_dir
    if options.try_masking:
        arrays["head_mask"], curve = study.masking(heads.importance)
        results |= {"head_mask": arrays["head_mask"].tolist(), "masking": curve}
        results["pruning"] = study.prune(arrays["head_mask"])
    folder.mkdir(parents=True, exist_ok=True)
    with saving(folder):
        for name, values in arrays.items():
            with atomic_write(folder / f"{name}.npy") as temporary:
                np.save(temporary, values.numpy(), allow_pickle=False)
        write_results(folder, results)
        if options.try_masking:
            write_plot(folder, [plotted(each) for each in curve], "heads masked")
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
    sys.stdout.write(summary(results))
    return results


def plotted(measures: dict[str, float]) -> dict[str, float]:
    """A step of the masking as `write_plot` takes it."""
    return {"step" if name == "masked" else f"eval_{name}": value for name, value in measures.items()}


def summary(results: dict[str, Any]) -> str:
    """What is printed of the results."""
    metric = results["metric"]
    lines = [f"{metric} = {results['measures'][metric]:.4f}"]
    if "pruning" in results:
        pruning = results["pruning"]
        lines.append(f"heads removed = {sum(map(len, pruning['heads'].values()))}")
        lines.append(f"{metric} without them = {pruning['pruned'][metric]:.4f}")
        lines.append(f"speed-up = {pruning['speed_up']:.2f}")
    return "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    main()
