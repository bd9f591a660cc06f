"""Models, optimizers and loaders inside ``accelerate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tx_bert import BertForSequenceClassification, BertTokenizer
from tx_gpt2 import GPT2LMHeadModel
from tx_testing import glue

accelerate = pytest.importorskip("accelerate", reason="accelerate is not installed")

STEPS = 3


def parts(cls: Any) -> tuple[Any, torch.optim.Optimizer, torch.utils.data.DataLoader[Any]]:
    """A model that is to be trained, with dropout, its optimizer, and the batches of STEPS steps and one more."""
    tokenizer = BertTokenizer.from_pretrained("tx-tiny/bert")
    pairs = glue.mrpc(4 * (STEPS + 1))

    def collate(rows: list[tuple[str, str, int]]) -> Any:
        batch = tokenizer([row[:2] for row in rows], padding=True, truncation=True, max_length=48, return_tensors="pt")
        if cls is GPT2LMHeadModel:
            ids = batch["input_ids"]
            return {"input_ids": ids, "attention_mask": batch["attention_mask"], "labels": ids}
        return {**batch, "labels": torch.tensor([row[2] for row in rows])}

    torch.manual_seed(3)
    name = "tx-tiny/gpt2" if cls is GPT2LMHeadModel else "tx-tiny/bert"
    model = cls.from_pretrained(name).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    return model, optimizer, torch.utils.data.DataLoader(pairs, batch_size=4, collate_fn=collate)


def train(model: Any, optimizer: Any, batches: Any, backward: Any) -> list[float]:
    losses = []
    for batch in batches:
        loss = model(**batch).loss
        backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("cls", [BertForSequenceClassification, GPT2LMHeadModel])
def test_training_and_resuming(cls: Any, tmp_path: Path) -> None:
    """The losses are those of a plain loop; a saved state goes on as the run did, and holds the model's own names."""
    model, optimizer, loader = parts(cls)
    torch.manual_seed(4)
    wanted = train(model, optimizer, loader, torch.Tensor.backward)

    accelerator = accelerate.Accelerator(cpu=True)
    plain, optimizer, loader = parts(cls)
    model, optimizer, loader = accelerator.prepare(plain, optimizer, loader)
    assert accelerator.unwrap_model(model) is plain
    torch.manual_seed(4)
    *batches, last = loader
    found = train(model, optimizer, batches, accelerator.backward)
    assert found == wanted[:STEPS]
    accelerator.save_state(tmp_path / "state")
    after = train(model, optimizer, [last], accelerator.backward)
    assert after == wanted[STEPS:]

    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    accelerator.load_state(tmp_path / "state")
    assert train(model, optimizer, [last], accelerator.backward) == after

    plain.save_pretrained(tmp_path / "model")
    again = cls.from_pretrained(tmp_path / "model")
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in plain.state_dict().items())
    # The weights that save_state wrote are a file that tx reads.
    state = cls.from_pretrained(tmp_path / "state" / "model.safetensors", config=plain.config)
    assert state.num_parameters() == plain.num_parameters()
