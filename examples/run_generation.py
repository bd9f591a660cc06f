#!/usr/bin/env python3
"""Continues texts, with any language model of tx. The command lines are those of 2019:

    python examples/run_generation.py --model_type gpt2 --model_name_or_path gpt2 --length 20 --prompt "The weather"
    python examples/run_generation.py --model_type ctrl --model_name_or_path ctrl --repetition_penalty 1.2

Without a prompt it asks for one after the other, until the end of the input. New since then: --framework tf, --stream
(words appear as they are written), --prompt_file (a prompt a line, several continued together) and --num_beams.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

# These models were trained on long texts and continue a short one badly: so they are given something to read before it,
# and these tokens, which end a text.
NEED_PADDING = {"xlnet": "<eod> </s> ", "transfo-xl": "<eos> "}
PADDING_TEXT = """The old lighthouse stood at the end of the long stone pier, and every evening for forty years its
keeper had climbed the stairs to light the lamp. He knew the ships by the sound of their engines and the captains by the
way they greeted him from the bridge. In winter, when the harbour was frozen, nobody came for weeks, and he read the
books that his daughter had sent him from the city, one after the other, until he knew them almost by heart. In spring
the boats returned, and with them the letters, the newspapers and the smell of fresh bread from the bakery in the
square. This year the first boat brought a visitor, a young woman with a heavy suitcase, who asked him the way. """
NOTHING_ENDS_A_TEXT = 10_000  # new tokens, for --length -1 with a model that has no limit
TOGETHER = 32  # prompts of a file that are continued at a time


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model_type", required=True, help="gpt2, openai-gpt, ctrl, …")
    parser.add_argument("--model_name_or_path", required=True, help="a folder, or a name on the hub")
    parser.add_argument("--prompt", default="", help="the text to continue; asked for if missing")
    parser.add_argument("--prompt_file", type=Path, help="a file with a prompt a line")
    parser.add_argument("--padding_text", default="", help="what XLNet and Transformer-XL read before the prompt")
    parser.add_argument("--xlm_lang", default="", help="the language of a multilingual XLM")
    parser.add_argument("--length", type=int, default=20, help="new tokens; -1 for as many as the model can")
    parser.add_argument("--num_samples", type=int, default=1, help="continuations a prompt")
    parser.add_argument("--temperature", type=float, default=1.0, help="0 for the likeliest token each time")
    parser.add_argument("--repetition_penalty", type=float, default=1.0, help="1.2 is good for CTRL")
    parser.add_argument("--top_k", type=int, default=0, help="draw from the likeliest tokens only; 0 for all")
    parser.add_argument("--top_p", type=float, default=0.9, help="draw from the likeliest that have this probability")
    parser.add_argument("--num_beams", type=int, default=1, help="with --temperature 0: beam search")
    parser.add_argument("--stop_token", default=None, help="where a continuation ends")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--no_cuda", action="store_true", help="use no GPU")
    parser.add_argument("--framework", choices=("torch", "tf"), default="torch")
    parser.add_argument("--stream", action="store_true", help="print words as they are written")
    options = parser.parse_args(arguments)
    if options.stream and (options.num_samples > 1 or options.num_beams > 1):
        parser.error("--stream is for one continuation: leave out --num_samples and --num_beams")
    if options.prompt and options.prompt_file:
        parser.error("give either --prompt or --prompt_file")
    if options.prompt_file and not options.prompt_file.is_file():
        parser.error(f"--prompt_file: there is no file {str(options.prompt_file)!r}")
    if options.num_beams > 1 and options.temperature != 0:
        parser.error("--num_beams needs --temperature 0")
    if options.padding_text and options.model_type not in NEED_PADDING:
        parser.error(f"--padding_text is for {' and '.join(NEED_PADDING)}, not {options.model_type}")
    if options.xlm_lang and options.model_type != "xlm":
        parser.error(f"--xlm_lang is for xlm, not {options.model_type}")
    for name, right in (
        ("length", options.length != 0),
        ("num_samples", options.num_samples >= 1),
        ("num_beams", options.num_beams >= 1),
        ("temperature", options.temperature >= 0),
        ("repetition_penalty", options.repetition_penalty > 0),
        ("top_p", 0 <= options.top_p <= 1),
    ):
        if not right:
            parser.error(f"--{name} cannot be {getattr(options, name)}")
    return options


def load(options: argparse.Namespace) -> tuple[Any, Any]:
    """Tokenizer and model."""
    from tx_core import architecture

    record = architecture.find(options.model_type)
    classes = record.torch if options.framework == "torch" else record.tf
    task = architecture.Task.CAUSAL_LM
    if task not in classes:
        raise SystemExit(f"{options.model_type} does not continue texts: it has no causal language model")
    tokenizer_class: Any = architecture.load(record.tokenizer)
    model_class: Any = architecture.load(classes[task])
    tokenizer = tokenizer_class.from_pretrained(options.model_name_or_path)
    where = {}
    if options.framework == "torch":
        import torch

        where["device"] = "cuda" if torch.cuda.is_available() and not options.no_cuda else "cpu"
    elif options.no_cuda:
        import tensorflow as tf

        tf.config.set_visible_devices([], "GPU")
    return tokenizer, model_class.from_pretrained(options.model_name_or_path, **where)


def encoded(prompt: str, tokenizer: Any, options: argparse.Namespace) -> list[int]:
    """A prompt's tokens, with what the architecture needs before them."""
    if options.model_type in NEED_PADDING:
        prompt = (options.padding_text or PADDING_TEXT + NEED_PADDING[options.model_type]) + prompt
    ids: list[int] = tokenizer.encode(prompt, add_special_tokens=False)
    if options.model_type == "ctrl":
        if options.temperature > 0.7:
            logger.warning("CTRL works best at a temperature below 0.7, and with --repetition_penalty 1.2")
        if not ids or ids[0] not in tokenizer.control_codes.values():
            logger.warning("the prompt does not begin with a control code such as Opinion: the text may be poor")
    return ids


def positions(model: Any) -> int | None:
    """How many tokens the model reads at most; None for no limit."""
    most: int | None = model.config.longest_sequence
    return most


def settings(
    prompts: list[list[int]], tokenizer: Any, model: Any, options: argparse.Namespace, before: int = 0
) -> dict[str, Any]:
    """The arguments of ``generate``; ``before`` is how many prompts were continued already."""
    most, longest = positions(model), max(map(len, prompts))
    if most is not None and longest >= most:
        raise SystemExit(f"the prompt has {longest} tokens; the model reads {most} at most")
    chosen: dict[str, Any] = {
        "repetition_penalty": options.repetition_penalty,
        # A text ends by its length or by --stop_token, as in 2019.
        "eos_token_id": (),
        "pad_token_id": getattr(tokenizer, "pad_token_id", None) or 0,
        "num_return_sequences": options.num_samples,
    }
    if most is None:
        chosen["max_new_tokens"] = NOTHING_ENDS_A_TEXT if options.length < 0 else options.length
    elif options.length < 0 or longest + options.length > most:
        chosen["max_length"] = most
    else:
        chosen["max_new_tokens"] = options.length
    if options.temperature == 0:
        chosen.update(num_beams=max(options.num_beams, options.num_samples))
    else:
        chosen.update(do_sample=True, temperature=options.temperature, seed=options.seed + before)
        chosen.update(top_k=options.top_k if options.top_k > 0 else None, top_p=options.top_p or None)
    if options.stop_token:
        chosen.update(stop_strings=options.stop_token, tokenizer=tokenizer)
    if options.xlm_lang:
        chosen.update(langs=tokenizer.lang2id[options.xlm_lang])
    return chosen


def batches(prompts: list[list[int]], model: Any, options: argparse.Namespace) -> Iterator[list[list[int]]]:
    """The prompts, several at a time where each then gets as many tokens as it would alone."""
    most = positions(model)
    too_long = most is not None and options.length > 0 and max(map(len, prompts)) + options.length > most
    size = 1 if options.stream or too_long else TOGETHER
    return (prompts[i : i + size] for i in range(0, len(prompts), size))


def shown(text: str, options: argparse.Namespace) -> str:
    """The text up to the stop token."""
    return text.partition(options.stop_token)[0] if options.stop_token else text


def written(
    prompts: list[list[int]], tokenizer: Any, model: Any, options: argparse.Namespace, before: int = 0
) -> Iterator[str]:
    """The continuations, those of each prompt together."""
    chosen = settings(prompts, tokenizer, model, options, before)
    result = model.generate(prompts, **chosen)
    longest = max(map(len, prompts))
    for i, row in enumerate(result.sequences):
        length = chosen.get("max_new_tokens") or chosen["max_length"] - len(prompts[i // options.num_samples])
        # What is filled up after a stop token goes with it.
        new = [int(token) for token in row[longest : longest + length]]
        yield shown(tokenizer.decode(new), options)


def stream(prompt: list[int], tokenizer: Any, model: Any, options: argparse.Namespace, before: int = 0) -> None:
    """Print a continuation while it is written: each word when the next one begins, since what follows may change it
    (further letters, the rest of a character, the space before a comma)."""
    tokens: list[int] = []
    text = ""
    printed = 0
    for (token,) in model.generate([prompt], stream=True, **settings([prompt], tokenizer, model, options, before)):
        tokens.append(int(token))
        text = shown(tokenizer.decode(tokens), options)
        sure = len(text) - len(options.stop_token or "")  # a stop token may have begun
        end = max(text.rfind(" ", 0, max(sure, 0)), text.rfind("\n", 0, max(sure, 0)))
        if end > printed:
            print(text[printed:end], end="", flush=True)
            printed = end
    print(text[printed:])


def read(file: Path) -> list[str]:
    """The prompts of a file, a line each."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SystemExit(f"{file} is not a text in UTF-8: {error}") from error
    prompts = [line.rstrip("\r") for line in text.split("\n") if line.strip()]
    if not prompts:
        raise SystemExit(f"{file} holds no prompt")
    return prompts


def main(arguments: list[str] | None = None) -> None:
    """Continue the prompts of the command line."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    options = parse(arguments)
    prompts = read(options.prompt_file) if options.prompt_file else [options.prompt] if options.prompt else []
    try:
        tokenizer, model = load(options)
    except (ImportError, OSError, ValueError) as error:
        raise SystemExit(str(error)) from error

    def proceed(prompts: list[str], before: int = 0) -> None:
        rows = [encoded(prompt, tokenizer, options) for prompt in prompts]
        if any(not row for row in rows):
            raise SystemExit("a prompt has no tokens")
        for batch in batches(rows, model, options):
            if options.stream:
                stream(batch[0], tokenizer, model, options, before)
            else:
                for text in written(batch, tokenizer, model, options, before):
                    print(text, flush=True)
            before += len(batch)

    if prompts:
        proceed(prompts)
    else:
        print("Model prompt >>> ", end="", flush=True)
        asked = 0
        for line in sys.stdin:
            if line.strip():
                proceed([line.rstrip("\n")], asked)
                asked += 1
            print("Model prompt >>> ", end="", flush=True)


if __name__ == "__main__":
    main()
