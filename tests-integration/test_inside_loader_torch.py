"""Tokenizers in the workers of PyTorch's ``DataLoader``, which get copies of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from tx_bert import BertTokenizer
from tx_gpt2 import GPT2Tokenizer
from tx_roberta import RobertaTokenizer
from tx_testing import glue
from tx_transfo_xl import TransfoXLTokenizer
from tx_xlnet import XLNetTokenizer


@pytest.mark.parametrize("method", ["fork", "forkserver"])
def test_workers_make_the_same_batches(method: str) -> None:
    pairs = glue.mrpc(20)
    classes: dict[str, Any] = {
        "bert": BertTokenizer,
        "gpt2": GPT2Tokenizer,
        "roberta": RobertaTokenizer,
        "transfo-xl": TransfoXLTokenizer,
        "xlnet": XLNetTokenizer,
    }
    # A process that is started afresh imports PyTorch, so one tokenizer has to do there.
    for name in classes if method == "fork" else ("bert",):
        tokenizer = classes[name].from_pretrained(f"tx-tiny/{name}")
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        collate = glue.Collate(tokenizer)
        alone = [*DataLoader(pairs, batch_size=6, collate_fn=collate)]
        several = [*DataLoader(pairs, batch_size=6, collate_fn=collate, num_workers=2, multiprocessing_context=method)]
        assert len(alone) == len(several) == 4
        for one, two in zip(alone, several, strict=True):
            assert list(one) == list(two)
            assert type(one) is type(two)
            for key, tensor in one.items():
                assert torch.equal(two[key], tensor), (name, key)
