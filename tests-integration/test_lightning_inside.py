"""A model inside a ``LightningModule``: trained, checkpointed, resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tx_bert import BertForSequenceClassification, BertTokenizer
from tx_testing import glue

lightning = pytest.importorskip("lightning", reason="lightning is not installed")


def module(**options: Any) -> Any:
    """A classifier of tx-tiny's BERT; without dropout, since checkpoints of lightning do not hold the generator."""

    class Classifier(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self, learning_rate: float = 1e-3) -> None:
            super().__init__()
            self.save_hyperparameters()
            torch.manual_seed(0)
            self.model = BertForSequenceClassification.from_pretrained(
                "tx-tiny/bert", num_labels=2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
            ).train()
            self.losses: list[float] = []

        def training_step(self, batch: dict[str, torch.Tensor], index: int) -> torch.Tensor:
            loss: torch.Tensor = self.model(**batch).loss
            self.losses.append(loss.item())
            return loss

        def validation_step(self, batch: dict[str, torch.Tensor], index: int) -> None:
            self.log("val_loss", self.model(**batch).loss)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.AdamW(self.parameters(), lr=self.hparams.learning_rate)

    return Classifier(**options)


def trainer(epochs: int, folder: Path) -> Any:
    return lightning.Trainer(
        max_epochs=epochs,
        default_root_dir=folder,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


@pytest.mark.filterwarnings("ignore")
def test_a_resumed_training_is_the_one_that_went_on(tmp_path: Path) -> None:
    tokenizer = BertTokenizer.from_pretrained("tx-tiny/bert")
    pairs = glue.mrpc(12)
    encoded = tokenizer([pair[:2] for pair in pairs], padding=True, truncation=True, max_length=48, return_tensors="pt")
    rows = [
        {**{name: tensor[i] for name, tensor in encoded.items()}, "labels": torch.tensor(pairs[i][2])}
        for i in range(len(pairs))
    ]
    loader = torch.utils.data.DataLoader(rows, batch_size=4)

    whole = module(learning_rate=2e-3)
    running = trainer(2, tmp_path)
    running.fit(whole, loader, loader)
    assert len(whole.losses) == 6
    assert whole.losses[-1] < whole.losses[0]
    assert running.callback_metrics["val_loss"] < whole.losses[0]

    first = module(learning_rate=2e-3)
    running = trainer(1, tmp_path)
    running.fit(first, loader, loader)
    checkpoint = tmp_path / "first.ckpt"
    running.save_checkpoint(checkpoint)
    second = module(learning_rate=2e-3)
    trainer(2, tmp_path).fit(second, loader, loader, ckpt_path=checkpoint)
    assert first.losses + second.losses == whole.losses
    for name, tensor in whole.state_dict().items():
        assert torch.equal(second.state_dict()[name], tensor), name

    loaded = type(first).load_from_checkpoint(checkpoint)
    assert loaded.hparams.learning_rate == 2e-3
    loaded.model.save_pretrained(tmp_path / "model")
    plain = BertForSequenceClassification.from_pretrained(tmp_path / "model")
    with torch.no_grad():
        batch = next(iter(loader))
        assert torch.equal(plain(**batch).logits, first.model.eval()(**batch).logits)
