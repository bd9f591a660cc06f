"""What encodings answer of words and characters, against the reference's compiled tokenizers."""

from __future__ import annotations

import json
from inspect import getsource
from typing import Any

from . import reference
from .texts import awkward_texts


def answers(encoding: Any, pair: bool) -> dict[str, Any]:
    """All that an encoding of either library answers. The reference runs the text of this function."""

    def span(value: Any) -> list[int] | None:
        return None if value is None else [*value]

    found: dict[str, Any] = {"n": encoding.n_sequences, "rows": []}
    for number, row in enumerate(encoding.encodings):
        tokens = range(len(row.ids))
        mine: dict[str, Any] = {
            "tokens": encoding.tokens(number),
            "words": encoding.word_ids(number),
            "sequences": encoding.sequence_ids(number),
            "to_word": [encoding.token_to_word(number, place) for place in tokens],
            "to_sequence": [encoding.token_to_sequence(number, place) for place in tokens],
            "to_chars": [span(encoding.token_to_chars(number, place)) for place in tokens],
            "row": [row.ids, row.type_ids, row.tokens, row.attention_mask, row.special_tokens_mask, row.word_ids],
            "offsets": [list(offsets) for offsets in row.offsets],
            "overflowing": [other.ids for other in row.overflowing],
        }
        for sequence in range(1 + pair):
            words = [n for n in range(20) if encoding.word_to_tokens(number, n, sequence) is not None]
            mine[f"of_{sequence}"] = [
                [encoding.char_to_token(number, place, sequence) for place in range(40)],
                [encoding.char_to_word(number, place, sequence) for place in range(40)],
                [span(encoding.word_to_tokens(number, word, sequence)) for word in words],
                [span(encoding.word_to_chars(number, word, sequence)) for word in words],
            ]
        found["rows"].append(mine)
    return found


_SCRIPT = """
from __future__ import annotations
import json, os
os.environ["TOKENIZERS_PARALLELISM"] = "false"
import numpy as np
import transformers

def main(arguments, inputs, folder):
    tokenizer = getattr(transformers, arguments["name"])(*arguments["files"], **arguments["options"])
    found = [answers(tokenizer(**call), "text_pair" in call) for call in arguments["calls"]]
    return {"json": np.frombuffer(json.dumps(found).encode(), dtype=np.uint8)}

"""


def check_alignment(
    tokenizer: Any, name: str, files: list[str], padded: bool = True, split: bool = True, **options: Any
) -> None:
    """Asserts that a tokenizer's encodings answer what those of the reference's class ``name`` answer.

    Args:
        tokenizer: ours, made of the same ``files`` and ``options``.
        padded: whether the reference tells padding from text.
        split: whether the reference takes lists of words.
    """
    texts = ["Hello, don't  naïve!", "  a  b \n", "", "unaffable jumping [SEP] un##known", *awkward_texts(60)]
    calls: list[dict[str, Any]] = [{"text": text} for text in texts]
    # Of a pair of which one text has no token, the reference does not always say that it is a pair.
    written = [text for text in texts if any(map(str.isalnum, text))]
    calls += [{"text": a, "text_pair": b} for a, b in zip(written[::3], written[1::3], strict=False)]
    long = "one two three unaffable fair five"
    calls += [
        {"text": texts, "truncation": True, "max_length": 6},
        {"text": long, "truncation": True, "max_length": 5, "stride": 1, "return_overflowing_tokens": True},
        {"text": "one", "text_pair": long, "truncation": "only_second", "max_length": 7},
    ]
    if split:
        calls += [
            {"text": [["hi", "there!", "unaffable"], ["x"]], "is_split_into_words": True},
            {"text": ["hi", "there!"], "text_pair": ["a", "b-c"], "is_split_into_words": True},
        ]
    if padded:
        calls += [{"text": texts, "padding": True, "padding_side": side} for side in ("left", "right")]
        calls.append({"text": written[:3], "text_pair": written[3:6], "padding": "max_length", "max_length": 50})
    arguments = {"name": name, "files": files, "options": options, "calls": calls}
    expected = json.loads(reference.run(_SCRIPT + getsource(answers), arguments).arrays["json"].tobytes())
    for call, theirs in zip(calls, expected, strict=True):
        ours = answers(tokenizer(**call), "text_pair" in call)
        assert json.loads(json.dumps(ours)) == theirs, call
