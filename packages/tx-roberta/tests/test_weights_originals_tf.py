"""fairseq's own checkpoints in TensorFlow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tx_core.auto import TFAutoModelWithLMHead
from tx_core.weights import WeightsError
from tx_roberta import (
    TFRobertaForMaskedLM,
    TFRobertaForMultipleChoice,
    TFRobertaForQuestionAnswering,
    TFRobertaForSequenceClassification,
    TFRobertaForTokenClassification,
    TFRobertaModel,
)
from tx_testing.data import data_path
from tx_testing.originals import heavy_chain, write_fairseq_roberta

POOLER = ["roberta.pooler.dense.weight", "roberta.pooler.dense.bias"]


@pytest.mark.parametrize("release", ["0.8", "0.10", "0.12"])
def test_every_release_gives_the_same_model(release: str, tmp_path: Path) -> None:
    folder = tmp_path / "roberta.base"
    folder.mkdir()
    arrays = write_fairseq_roberta(folder / "model.pt", release)
    model, report = TFRobertaForMaskedLM.from_pretrained(folder, output_loading_info=True)
    assert report.newly_initialized == POOLER
    assert report.dropped == ["model.encoder.sentence_encoder.version"][: release == "0.12"]
    values = {name: np.asarray(variable.value) for name, variable in model.named_weights()}
    assert {*report.loaded} == {*values} - {*POOLER}
    layer = "encoder.sentence_encoder.layers.1"
    for published, original in (
        ("roberta.embeddings.position_embeddings.weight", "encoder.sentence_encoder.embed_positions.weight"),
        ("roberta.encoder.layer.1.attention.self.query.weight", f"{layer}.self_attn.q_proj.weight"),
        ("roberta.encoder.layer.1.attention.self.key.bias", f"{layer}.self_attn.k_proj.bias"),
        ("roberta.encoder.layer.1.attention.self.value.weight", f"{layer}.self_attn.v_proj.weight"),
        ("roberta.encoder.layer.1.intermediate.dense.weight", f"{layer}.fc1.weight"),
        ("lm_head.bias", "encoder.lm_head.bias"),
    ):
        kernel = published.endswith("weight") and "embeddings" not in published
        array = arrays[original].T if kernel else arrays[original]
        np.testing.assert_array_equal(values[published], array, err_msg=published)
    assert not values["roberta.embeddings.token_type_embeddings.weight"].any()
    assert type(TFAutoModelWithLMHead.from_pretrained(str(folder))) is TFRobertaForMaskedLM


def test_heads(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    write_fairseq_roberta(path, heads={"mnli": 3})
    model, report = TFRobertaForSequenceClassification.from_pretrained(path, output_loading_info=True)
    assert report.newly_initialized == POOLER
    assert model([[0, 5, 6, 2]])[0].shape == (1, 3)
    for cls, new in (
        (TFRobertaModel, ""),
        (TFRobertaForTokenClassification, "classifier"),
        (TFRobertaForMultipleChoice, "classifier"),
        (TFRobertaForQuestionAnswering, "qa_outputs"),
    ):
        _, report = cls.from_pretrained(path, num_labels=2, output_loading_info=True)
        assert {name.partition(".")[0] for name in report.newly_initialized} == {"roberta", new} - {""}
    write_fairseq_roberta(path, heads={"mnli": 3, "rte": 2})
    with pytest.raises(WeightsError, match="several heads of this kind, 'mnli', 'rte': keep one in a copy"):
        TFRobertaForSequenceClassification.from_pretrained(path)


def test_a_real_checkpoint() -> None:
    """By its authors' own test (package sapiens): it knows the residues of an antibody, masked or not."""
    path = data_path("checkpoints/roberta-fairseq/checkpoint_vh.pt")
    symbols, chain = heavy_chain(path.parent)
    model = TFRobertaForMaskedLM.from_pretrained(str(path))
    best = np.asarray(model([chain])[0])[0].argmax(-1)
    assert int((best == chain)[1:-1].sum()) > 100
    masked = [symbols.index("<mask>") if place in (1, 2, 6) else k for place, k in enumerate(chain)]
    guessed = np.asarray(model([masked])[0])[0].argmax(-1)
    assert "".join(symbols[k] for k in guessed[1:7]) == "QVQLVQ"
