"""Sinusoidal positions in PyTorch: computed for a new model, a file's where it has them, and never trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tx_distilbert import DistilBertForMaskedLM, DistilBertModel
from tx_testing.suites.spec import load_spec

SPEC = load_spec(__file__, "distilbert_spec").variant("sinusoidal")
IDS = torch.tensor([[5, 7, 9, 11]])


def table(model: DistilBertModel) -> torch.nn.Parameter:
    found = model.embeddings.position_embeddings.weight
    assert isinstance(found, torch.nn.Parameter)
    return found


def test_a_new_table_alternates() -> None:
    found = table(DistilBertModel(SPEC.make_config())).detach()
    assert found[0].tolist() == [0.0, 1.0] * 16
    for position, column in ((1, 0), (39, 6), (17, 31)):
        angle = torch.tensor(position / 10000 ** (column // 2 * 2 / 32), dtype=torch.float64)
        wanted = angle.cos() if column % 2 else angle.sin()
        assert found[position, column].item() == pytest.approx(wanted.item(), abs=1e-7)


@pytest.mark.parametrize("thawed", [False, True])
def test_training_leaves_it(thawed: bool) -> None:
    model = DistilBertForMaskedLM(SPEC.make_config()).train()
    if thawed:
        model.requires_grad_(True)
    before, words = table(model.distilbert).detach().clone(), model.get_input_embeddings().weight.detach().clone()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(3):
        model(IDS, labels=IDS).loss.backward()
        optimizer.step()
    assert (model.get_input_embeddings().weight - words).abs().max() > 0.01
    assert table(model.distilbert).grad is None
    assert torch.equal(table(model.distilbert), before)


def test_the_file_s_table_counts(tmp_path: Path) -> None:
    model = DistilBertModel(SPEC.make_config()).eval()
    with torch.no_grad():
        table(model).mul_(0.5)
    model.save_pretrained(tmp_path)
    for cls in (DistilBertModel, DistilBertForMaskedLM):
        loaded = cls.from_pretrained(tmp_path)
        assert torch.equal(table(loaded.base_model), table(model))
        assert not table(loaded.base_model).requires_grad
    assert torch.equal(DistilBertModel.from_pretrained(tmp_path)(IDS)[0], model(IDS)[0])
