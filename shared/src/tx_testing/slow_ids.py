"""Ids against those of the reference's tokenizers that are written in Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import reference
from .texts import awkward_texts, rows

_SCRIPT = r"""
import functools, sys
import numpy as np
import transformers

sys.modules["ftfy"] = None  # OpenAI GPT's words are those of BERT's basic tokenization, whatever is installed

def main(arguments, inputs, folder):
    tokenizer = getattr(transformers, arguments["name"])(*arguments["files"], **arguments["options"])
    assert not tokenizer.is_fast
    if arguments["cased"]:
        type(tokenizer).do_lower_case = False
    found = []
    for call in arguments["calls"]:
        # Its calls hand no keywords on to it.
        tokenizer._tokenize = functools.partial(type(tokenizer)._tokenize, tokenizer, **call)
        found += [tokenizer(text)["input_ids"] for text in arguments["texts"]]
    return {
        "lengths": np.array([len(row) for row in found]),
        "ids": np.array([i for row in found for i in row], dtype=int),
    }
"""


def check_slow_ids(
    tokenizer: Any,
    name: str,
    files: Sequence[str],
    texts: Iterable[str] | None = None,
    calls: Sequence[Mapping[str, Any]] = ({},),
    cased: bool = False,
    **options: Any,
) -> None:
    """Asserts that ids are those of the reference's class ``name``, whether places are asked for or not.

    Args:
        tokenizer: ours, made of the same ``files`` and ``options``.
        texts: ``awkward_texts()``, if none are given.
        calls: the keywords to call it with; all texts are compared for each.
        cased: whether the reference is kept from lowering texts before it splits them.
    """
    texts = [*(awkward_texts() if texts is None else texts)]
    arguments = {"name": name, "files": [*files], "options": options, "texts": texts, "cased": cased}
    expected = rows(reference.run(_SCRIPT, {**arguments, "calls": [*map(dict, calls)]}).arrays, "ids")
    for call in calls:
        for text in texts:
            ids = next(expected)
            encoding = tokenizer(text, return_offsets_mapping=True, **call)
            assert encoding["input_ids"] == ids, (text, call)
            assert tokenizer.encode(text, **call) == ids, (text, call)
            assert all(0 <= start <= end <= len(text) for start, end in encoding["offset_mapping"]), (text, call)
