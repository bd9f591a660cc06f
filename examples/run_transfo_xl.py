#!/usr/bin/env python3
"""How well does a Transformer-XL predict a text? Measures its perplexity, as the authors' evaluation does.

    python examples/run_transfo_xl.py --model_name transfo-xl-wt103 --data wiki.test.tokens
    python examples/run_transfo_xl.py --model_name tx-tiny/transfo-xl --data notes.txt --raw --framework tf

A text has a token for each stretch between spaces and one for the end of each line, as WikiText's files are meant to
be read; with --raw the tokenizer divides it. Every token is predicted from --mem_len states in each layer, its own
among them (``same_length``). So the number depends neither on where segments end (--tgt_len) nor on how many parts of
the text are read side by side (--batch_size): each part but the first begins early enough to know what the layers
would remember there.

Shapes: B parts of the text side by side, S tokens of a segment.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

Array = np.ndarray[Any, Any]
# Reads a segment: ids (B, S), attention mask (B, S) and labels (B, S); returns the loss of each label, (B, S).
Reader = Callable[[Array, Array, Array], Array]

IGNORED = -100


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model_name", default="transfo-xl-wt103", help="a folder, or a name on the hub")
    parser.add_argument("--data", type=Path, required=True, help="a text file in UTF-8")
    parser.add_argument("--raw", action="store_true", help="the text is not divided into tokens yet")
    parser.add_argument("--batch_size", type=int, default=1, help="parts of the text that are read side by side")
    parser.add_argument("--tgt_len", type=int, default=128, help="tokens of a segment")
    parser.add_argument("--mem_len", type=int, default=1600, help="states that each layer remembers")
    parser.add_argument("--clamp_len", type=int, default=1000, help="the largest distance between tokens; 0 for none")
    parser.add_argument("--max_tokens", type=int, help="measure only so many tokens from the beginning")
    parser.add_argument("--framework", choices=("torch", "tf"), default="torch")
    parser.add_argument("--no_cuda", action="store_true", help="use no GPU")
    options = parser.parse_args(arguments)
    if not options.data.is_file():
        parser.error(f"--data: there is no file {str(options.data)!r}")
    for name, least in (("batch_size", 1), ("tgt_len", 1), ("mem_len", 1), ("clamp_len", 0), ("max_tokens", 1)):
        value = getattr(options, name)
        if value is not None and value < least:
            parser.error(f"--{name} must be at least {least}, not {value}")
    return options


@dataclass
class Text:
    """A text as tokens.

    Attributes:
        ids: (tokens,).
        unknown: how many are not in the vocabulary.
    """

    ids: Array
    unknown: int


def read(file: Path, tokenizer: Any, raw: bool, most: int | None = None) -> Text:
    """The tokens of a file, line by line.

    Args:
        raw: whether the tokenizer divides lines; otherwise spaces do.
        most: the most tokens.
    """
    ids: list[int] = []
    try:
        with (
            file.open(encoding="utf-8") as lines,
            tqdm(total=file.stat().st_size, unit="B", unit_scale=True, desc="read", disable=None) as bar,
        ):
            for line in lines:
                tokens = tokenizer.tokenize(line) if raw else line.split()
                ids += tokenizer.convert_tokens_to_ids([*tokens, tokenizer.eos_token])
                bar.update(len(line.encode()))
                if most is not None and len(ids) >= most:
                    break
    except UnicodeDecodeError as error:
        raise SystemExit(f"{file} is not a text in UTF-8: {error}") from error
    found = np.array(ids[:most], np.int64)
    if len(found) < 2:
        raise SystemExit(f"{file} holds {len(found)} tokens: nothing can be predicted")
    return Text(found, int((found == tokenizer.unk_token_id).sum()))


def segments(ids: Array, batch_size: int, length: int, before: int) -> Iterator[tuple[Array, Array, Array]]:
    """The text as B parts side by side, a segment at a time.

    Args:
        length: S.
        before: how many tokens each part but the first reads before those that it predicts.

    Yields:
        ids, attention mask and labels, (B, S): each token after the first is a label exactly once.
    """
    count = len(ids) - 1  # labels
    each = -(-count // batch_size)
    starts = np.arange(0, count, each)  # of what each part predicts
    first = np.maximum(starts - before, 0)  # of what it reads
    # All parts end together. What a part lacks is padding, on the left: it stands before the memory.
    width = int(min(before, starts[-1])) + each
    places = np.arange(width)[None] - width + (starts + each)[:, None]  # (B, width), in the text
    there = (places >= first[:, None]) & (places < count)
    asked = there & (places >= starts[:, None])
    places = np.clip(places, 0, count - 1)
    tokens = np.where(there, ids[places], 0)
    labels = np.where(asked, ids[places + 1], IGNORED)
    for start in range(0, width, length):
        yield tuple(x[:, start : start + length] for x in (tokens, there.astype(np.int64), labels))  # type: ignore[misc]


def torch_reader(model_name: str, use_gpu: bool, **config: Any) -> tuple[Any, Reader]:
    """The model's configuration, and what reads segments with it in PyTorch."""
    import torch

    from tx_transfo_xl import TransfoXLLMHeadModel

    device = "cuda" if use_gpu and torch.cuda.is_available() else "cpu"
    model = TransfoXLLMHeadModel.from_pretrained(model_name, device=device, **config).eval()
    mems: Any = None

    @torch.inference_mode()
    def read_segment(ids: Array, mask: Array, labels: Array) -> Array:
        nonlocal mems
        given = {"input_ids": ids, "attention_mask": mask, "labels": labels}
        outputs = model(mems=mems, **{name: torch.from_numpy(x).to(device) for name, x in given.items()})
        mems = outputs.mems
        losses: Array = outputs.loss.float().cpu().numpy()
        return losses

    return model.config, read_segment


def tf_reader(model_name: str, use_gpu: bool, **config: Any) -> tuple[Any, Reader]:
    """As ``torch_reader``, with TensorFlow."""
    import tensorflow as tf

    from tx_transfo_xl import TFTransfoXLLMHeadModel

    if not use_gpu:
        tf.config.set_visible_devices([], "GPU")
    model = TFTransfoXLLMHeadModel.from_pretrained(model_name, **config)
    call = tf.function(model.__call__, autograph=False, reduce_retracing=True)
    mems: Any = None

    def read_segment(ids: Array, mask: Array, labels: Array) -> Array:
        nonlocal mems
        given = {"input_ids": ids, "attention_mask": mask, "labels": labels}
        inputs: dict[str, Any] = {name: tf.constant(x, tf.int32) for name, x in given.items()}
        outputs = call(inputs if mems is None else {**inputs, "mems": mems})
        mems = outputs.mems
        losses: Array = outputs.loss.numpy()
        return losses

    return model.config, read_segment


def measure(options: argparse.Namespace) -> dict[str, float]:
    """The perplexity of the text that the command line names, and how it was reached."""
    from tx_transfo_xl import TransfoXLTokenizer

    tokenizer = TransfoXLTokenizer.from_pretrained(options.model_name)
    text = read(options.data, tokenizer, options.raw, options.max_tokens)
    make = torch_reader if options.framework == "torch" else tf_reader
    settings = {"mem_len": options.mem_len, "clamp_len": options.clamp_len or -1, "same_length": True}
    config, read_segment = make(options.model_name, not options.no_cuda, **settings)
    # A state of the last layer depends on mem_len - 1 tokens before it for each layer below.
    before = config.n_layer * (options.mem_len - 1)
    total, count, start = 0.0, 0, time.monotonic()
    with tqdm(total=len(text.ids) - 1, unit="token", desc="predict", disable=None) as bar:
        for ids, mask, labels in segments(text.ids, options.batch_size, options.tgt_len, before):
            asked = labels != IGNORED
            total += float(read_segment(ids, mask, labels)[asked].sum(dtype=np.float64))
            count += int(asked.sum())
            bar.update(int(asked.sum()))
            if count:
                bar.set_postfix(ppl=f"{math.exp(min(total / count, 700)):.2f}", refresh=False)
    found = {"loss": total / count, "perplexity": math.exp(min(total / count, 700)), "tokens": count}
    return found | {"unknown": text.unknown, "rate": count / (time.monotonic() - start)}


def main(arguments: list[str] | None = None) -> None:
    """Print the perplexity of a text."""
    options = parse(arguments)
    try:
        found = measure(options)
    except (ImportError, OSError, ValueError) as error:
        raise SystemExit(str(error)) from error
    print(
        f"{options.data}: perplexity {found['perplexity']:.3f} per token ({found['loss']:.4f} nats, "
        f"{found['loss'] / math.log(2):.4f} bits) of {found['tokens']} tokens; {found['unknown']} are not in the "
        f"vocabulary; {found['rate']:.0f} tokens a second"
    )


if __name__ == "__main__":
    main()
