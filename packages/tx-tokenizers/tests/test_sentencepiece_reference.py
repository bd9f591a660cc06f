"""SentencePiece against the program itself, which stands beside the reference library."""

from __future__ import annotations

import numpy as np
import pytest

from tx_testing import reference
from tx_testing.data import data_path
from tx_testing.texts import PRIVATE, RUNNING, awkward_texts, rows, running_lines
from tx_tokenizers.sentencepiece import SentencePiece

SCRIPT = r"""
import numpy as np
from sentencepiece import SentencePieceProcessor

def main(arguments, inputs, folder):
    processor = SentencePieceProcessor(model_file=arguments["model"])
    ids = [processor.encode(text) for text in arguments["texts"]]
    return {"lengths": np.array([len(row) for row in ids]), "ids": np.array([i for row in ids for i in row])}
"""

MODELS = (
    "sentencepiece/test_model.model",
    "sentencepiece/test_sentencepiece_bpe.model",
    "sentencepiece/test_sentencepiece_with_bytefallback.model",
    "sentencepiece/spiece.model",
    "xlnet-base-cased/spiece.model",
)


@pytest.mark.parametrize("name", MODELS)
def test_ids_are_the_programs(name: str) -> None:
    path = str(data_path("vocab") / name)
    texts = [*PRIVATE, *awkward_texts(), *running_lines(RUNNING[1])[:400]]
    texts += ["a" * 3000, "ab" * 900, "漢字かな交じり文" * 60, " \u2581 a\u2581b", "\u00a0x\u3000y \t z"]
    # Surrogates by themselves are no text to the program.
    texts = [text for text in texts if text == text.encode("utf-8", "ignore").decode() and "\0" not in text]
    found = reference.run(SCRIPT, {"model": path, "texts": texts}).arrays
    processor = SentencePiece.load(path)
    unknown = processor.model.unk_id
    for text, wanted in zip(texts, rows(found, "ids"), strict=True):
        ids = [processor.ids.get(piece, unknown) for piece in processor.tokenize(text)]
        np.testing.assert_array_equal(ids, wanted, err_msg=text[:200])
