"""What a user's type checker knows of tx: read by mypy alone (its settings name this file), never run."""

from __future__ import annotations

from typing import assert_type

import torch

import tx_tiny
import tx_tokenizers
from tx_bert import BertConfig, BertForSequenceClassification, BertTokenizer, TFBertModel
from tx_core import LoadReport
from tx_gpt2 import GPT2LMHeadModel
from tx_tokenizers import BatchEncoding

assert_type(tx_tokenizers.__version__, str)
assert_type(tx_tiny.__version__, str)
tx_tiny.MODELZ  # type: ignore[attr-defined]  # noqa: B018

assert_type(BertConfig.from_pretrained("bert-base-uncased"), BertConfig)
assert_type(BertConfig().hidden_size, int)

tokenizer = BertTokenizer.from_pretrained("bert-base-uncased")
assert_type(tokenizer, BertTokenizer)
assert_type(tokenizer("a text", return_tensors="pt"), BatchEncoding)
assert_type(tokenizer.encode("a text"), list[int])
assert_type(tokenizer.decode([1, 2]), str)

assert_type(GPT2LMHeadModel.from_pretrained("gpt2", dtype=torch.bfloat16), GPT2LMHeadModel)
assert_type(TFBertModel.from_pretrained("bert-base-uncased"), TFBertModel)
model, report = BertForSequenceClassification.from_pretrained("bert-base-uncased", output_loading_info=True)
assert_type(model, BertForSequenceClassification)
assert_type(model.config, BertConfig)
assert_type(report, LoadReport)
