"""fairseq's own checkpoints in PyTorch."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tx_core.auto import AutoModel, AutoModelWithLMHead, AutoTokenizer
from tx_core.checkpoints import CheckpointError, write_torch_bin
from tx_core.weights import WeightsError, originals
from tx_roberta import (
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaForMultipleChoice,
    RobertaForQuestionAnswering,
    RobertaForSequenceClassification,
    RobertaForTokenClassification,
    RobertaModel,
    RobertaTokenizer,
)
from tx_roberta.weights import WEIGHTS
from tx_testing.data import data_path
from tx_testing.originals import (
    FAIRSEQ_ARGS,
    fairseq_release,
    fairseq_roberta,
    heavy_chain,
    write_fairseq_roberta,
    write_training,
)

RELEASES = pytest.mark.parametrize("release", ["0.8", "0.10", "0.12"])
IDS = torch.tensor([[0, 5, 6, 7, 19, 2], [0, 8, 9, 2, 1, 1]])
POOLER = ["roberta.pooler.dense.weight", "roberta.pooler.dense.bias"]


@RELEASES
def test_every_release_gives_the_same_model(release: str, tmp_path: Path) -> None:
    arrays = write_fairseq_roberta(tmp_path / "model.pt", release)
    model, report = RobertaForMaskedLM.from_pretrained(tmp_path, output_loading_info=True)
    assert report.newly_initialized == POOLER
    assert not report.unexpected_keys
    assert not report.error_msgs
    assert report.prefix == "model."
    assert report.dropped == ["model.encoder.sentence_encoder.version"][: release == "0.12"]
    assert {*report.loaded} == {name for name, _ in model.named_parameters()} - {*POOLER}
    state, layer = model.state_dict(), "encoder.sentence_encoder.layers.1"
    for published, original in (
        ("roberta.embeddings.word_embeddings.weight", "encoder.sentence_encoder.embed_tokens.weight"),
        ("roberta.embeddings.LayerNorm.bias", "encoder.sentence_encoder.layernorm_embedding.bias"),
        ("roberta.encoder.layer.1.attention.self.query.weight", f"{layer}.self_attn.q_proj.weight"),
        ("roberta.encoder.layer.1.attention.self.key.weight", f"{layer}.self_attn.k_proj.weight"),
        ("roberta.encoder.layer.1.attention.self.value.bias", f"{layer}.self_attn.v_proj.bias"),
        ("roberta.encoder.layer.1.attention.output.LayerNorm.weight", f"{layer}.self_attn_layer_norm.weight"),
        ("roberta.encoder.layer.1.output.LayerNorm.weight", f"{layer}.final_layer_norm.weight"),
        ("lm_head.decoder.weight", "encoder.lm_head.weight"),
        ("lm_head.layer_norm.weight", "encoder.lm_head.layer_norm.weight"),
    ):
        np.testing.assert_array_equal(state[published].numpy(), arrays[original], err_msg=published)
    assert not state["roberta.embeddings.token_type_embeddings.weight"].any()
    assert model.lm_head.decoder.weight is model.roberta.embeddings.word_embeddings.weight
    model.save_pretrained(tmp_path / "saved")
    again = RobertaForMaskedLM.from_pretrained(tmp_path / "saved")
    assert torch.equal(again(IDS).logits, model(IDS).logits)


@RELEASES
def test_what_torch_save_writes(release: str, tmp_path: Path) -> None:
    """With the arguments in a Namespace, in both formats of PyTorch's."""
    arrays = fairseq_release(fairseq_roberta(), release)
    content = {
        "args": argparse.Namespace(**FAIRSEQ_ARGS),
        "model": {name: torch.from_numpy(array) for name, array in arrays.items()},
        "extra_state": {"metrics": {"loss": torch.ones(())}, "val_loss": np.float64(1.5)},
        "last_optimizer_state": {"state": {0: {"exp_avg": torch.ones(3)}}},
    }
    write_fairseq_roberta(tmp_path / "model.pt")
    wanted = RobertaForMaskedLM.from_pretrained(tmp_path)(IDS).logits
    for zipped in (True, False):
        torch.save(content, tmp_path / "model.pt", _use_new_zipfile_serialization=zipped)
        assert torch.equal(RobertaForMaskedLM.from_pretrained(tmp_path)(IDS).logits, wanted)


def test_a_model_written_as_fairseq_does_computes_the_same(tmp_path: Path) -> None:
    write_fairseq_roberta(tmp_path / "model.pt")
    torch.manual_seed(0)
    model = RobertaForMaskedLM(RobertaConfig.from_pretrained(tmp_path)).eval()
    model.roberta.embeddings.token_type_embeddings.weight.data.zero_()
    own = {name: parameter for name, parameter in model.named_parameters() if WEIGHTS.to_original(name) is not None}
    arrays = originals({name: lambda p=p: p.detach().numpy() for name, p in own.items()}, WEIGHTS)
    assert len(own) == len([*model.parameters()]) - 3, "all but the segments and the pooler"
    write_training(
        tmp_path / "model.pt",
        fairseq_release({name: read() for name, read in arrays.items()}, "0.8"),
        args=argparse.Namespace(**FAIRSEQ_ARGS),
    )
    again = RobertaForMaskedLM.from_pretrained(tmp_path)
    assert torch.equal(again(IDS, attention_mask=IDS != 1).logits, model(IDS, attention_mask=IDS != 1).logits)


def test_heads(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    arrays = write_fairseq_roberta(path, heads={"mnli.v2": 3})
    model, report = RobertaForSequenceClassification.from_pretrained(path, output_loading_info=True)
    assert model(IDS).logits.shape == (2, 3)
    assert report.newly_initialized == POOLER
    for leaf in ("dense.weight", "dense.bias", "out_proj.weight", "out_proj.bias"):
        mine = model.classifier.get_parameter(leaf).detach().numpy()
        np.testing.assert_array_equal(mine, arrays[f"classification_heads.mnli.v2.{leaf}"])
    for cls, new in (
        (RobertaModel, POOLER),
        (RobertaForTokenClassification, [*POOLER, "classifier.weight", "classifier.bias"]),
        (RobertaForMultipleChoice, [*POOLER, "classifier.weight", "classifier.bias"]),
    ):
        assert cls.from_pretrained(path, output_loading_info=True)[1].newly_initialized == new
    _, report = RobertaForQuestionAnswering.from_pretrained(path, num_labels=2, output_loading_info=True)
    assert report.newly_initialized == [*POOLER, "qa_outputs.weight", "qa_outputs.bias"]
    with pytest.raises(WeightsError, match=r"classifier\.out_proj\.weight: the file has shape \(3, 8\)"):
        RobertaForSequenceClassification.from_pretrained(path, num_labels=2)
    # A head that has yet to be trained.
    write_fairseq_roberta(path)
    report = RobertaForSequenceClassification.from_pretrained(path, output_loading_info=True)[1]
    assert {name.partition(".")[0] for name in report.newly_initialized} == {"roberta", "classifier"}


def test_several_heads_are_refused_by_their_names(tmp_path: Path) -> None:
    write_fairseq_roberta(tmp_path / "model.pt", heads={"mnli": 3, "rte": 2})
    with pytest.raises(WeightsError, match="several heads of this kind, 'mnli', 'rte': keep one in a copy"):
        RobertaForSequenceClassification.from_pretrained(tmp_path)
    _, report = RobertaForMaskedLM.from_pretrained(tmp_path, output_loading_info=True)
    assert sum("classification_heads" in name for name in report.dropped) == 8


def test_a_given_configuration_and_one_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint7.pt"
    write_fairseq_roberta(path, encoder_attention_heads=None)
    with pytest.raises(CheckpointError, match="do not say encoder_attention_heads"):
        RobertaModel.from_pretrained(path)
    write_fairseq_roberta(tmp_path / "other.pt")
    config = RobertaConfig.from_pretrained(tmp_path / "other.pt", num_attention_heads=4)
    assert RobertaModel.from_pretrained(path, config=config).config.num_attention_heads == 4
    config.save_pretrained(tmp_path)
    assert RobertaModel.from_pretrained(path).config.num_attention_heads == 4
    config.num_hidden_layers = 3
    with pytest.raises(WeightsError, match=r"missing from the file(.|\n)*roberta\.encoder\.layer\.2"):
        RobertaModel.from_pretrained(path, config=config)
    model = RobertaModel(RobertaConfig.from_pretrained(tmp_path / "other.pt"))
    assert not model.load_weights(path).error_msgs


def test_an_untied_output_layer(tmp_path: Path) -> None:
    arrays = fairseq_roberta()
    arrays["encoder.lm_head.weight"] = arrays["encoder.lm_head.weight"] + 1
    write_fairseq_roberta(tmp_path / "model.pt")
    config = RobertaConfig.from_pretrained(tmp_path)
    write_torch_bin(tmp_path / "model.pt", arrays)
    with pytest.raises(WeightsError, match=r"tied in this model(.|\n)*tie_word_embeddings=False"):
        RobertaForMaskedLM.from_pretrained(tmp_path / "model.pt", config=config)
    model = RobertaForMaskedLM.from_pretrained(
        tmp_path / "model.pt", config=config.changed({"tie_word_embeddings": False})
    )
    np.testing.assert_array_equal(model.lm_head.decoder.weight.detach().numpy(), arrays["encoder.lm_head.weight"])


def test_other_models_say_what_they_are(tmp_path: Path) -> None:
    write_fairseq_roberta(tmp_path / "model.pt")
    config = RobertaConfig.from_pretrained(tmp_path)
    names = ("encoder.layers.0.fc1.weight", "decoder.layers.0.encoder_attn.q_proj.weight")
    write_torch_bin(tmp_path / "model.pt", {f"model.{name}": np.zeros((4, 4), np.float32) for name in names})
    with pytest.raises(WeightsError, match=r"model\.decoder\.layers\.0(.|\n)*this is a model of fairseq's with an enc"):
        RobertaForMaskedLM.from_pretrained(tmp_path, config=config)


def test_the_folder_as_fairseq_ships_it(tmp_path: Path) -> None:
    """model.pt, dict.txt and GPT-2's files: configuration, tokenizer and model, also by the Auto classes."""
    folder = tmp_path / "roberta.base"
    folder.mkdir()
    source = data_path("vocab/roberta-base")
    vocabulary = json.loads((source / "vocab.json").read_text(encoding="utf-8"))
    gpt2 = json.loads((data_path("vocab/gpt2") / "vocab.json").read_text(encoding="utf-8"))
    symbols = [str(gpt2.get(token, token)) for token in sorted(vocabulary, key=vocabulary.__getitem__)[4:-1]]
    (folder / "dict.txt").write_text("".join(f"{symbol} {9 - k % 9}\n" for k, symbol in enumerate(symbols)))
    shutil.copy(data_path("vocab/gpt2") / "vocab.json", folder / "encoder.json")
    shutil.copy(source / "merges.txt", folder / "vocab.bpe")
    write_fairseq_roberta(folder / "model.pt", "0.8", tokens=len(vocabulary))
    tokenizer = RobertaTokenizer.from_pretrained(folder)
    ids = tokenizer.encode("Hello world! cécé herlolip 418")
    assert ids == RobertaTokenizer.from_pretrained(source).encode("Hello world! cécé herlolip 418")
    assert AutoTokenizer.from_pretrained(str(folder)).encode("Hello world!") == [0, 31414, 232, 328, 2]
    assert type(AutoModel.from_pretrained(str(folder))) is RobertaModel
    model = AutoModelWithLMHead.from_pretrained(str(folder / "model.pt"))
    assert type(model) is RobertaForMaskedLM
    with torch.no_grad():
        assert model(torch.tensor([ids])).logits.shape == (1, len(ids), len(vocabulary))


def test_a_real_checkpoint() -> None:
    """By its authors' own test (package sapiens): it knows the residues of an antibody, masked or not."""
    path = data_path("checkpoints/roberta-fairseq/checkpoint_vh.pt")
    symbols, chain = heavy_chain(path.parent)
    model, report = RobertaForMaskedLM.from_pretrained(str(path), output_loading_info=True)
    assert report.newly_initialized == POOLER
    assert {name.partition(".")[0] for name in report.dropped} == {"extra_state", "last_optimizer_state"}
    ids = torch.tensor([chain])
    masked = ids.index_fill(1, torch.tensor([1, 2, 6]), symbols.index("<mask>"))
    with torch.no_grad():
        best = model(ids).logits[0].argmax(-1)
        guessed = model(masked).logits[0].argmax(-1)
    assert int((best == ids[0])[1:-1].sum()) > 100
    assert "".join(symbols[k] for k in guessed[1:7]) == "QVQLVQ"
