"""An encoder and a decoder as one model, of BERT, in PyTorch."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from tx_bert import BertConfig, BertForMaskedLM, BertForSequenceClassification, BertModel
from tx_core import Model2Model, PreTrainedEncoderDecoder

SIZES: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 20,
    "initializer_range": 0.3,
}
READ = torch.tensor([[2, 7, 9, 31, 4, 12, 3], [2, 8, 5, 3, 0, 0, 0]])
MASK = (READ != 0).long()
WRITTEN = torch.tensor([[2, 17, 21, 30, 3], [2, 11, 6, 3, 0]])
LABELS = torch.where(WRITTEN == 0, -100, WRITTEN)


def make(seed: int = 0) -> PreTrainedEncoderDecoder:
    torch.manual_seed(seed)
    encoder, decoder = BertModel(BertConfig(**SIZES)), BertForMaskedLM(BertConfig(**SIZES, is_decoder=True))
    return PreTrainedEncoderDecoder(encoder, decoder).eval()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT as it was trained: no decoder."""
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("plain")
    BertForMaskedLM(BertConfig(**SIZES)).save_pretrained(folder)
    return folder


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a request was sent")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_it_gives_what_its_parts_give_by_hand() -> None:
    model = make()
    output = model(READ, WRITTEN, encoder_attention_mask=MASK, decoder_lm_labels=LABELS, output_hidden_states=True)
    states, pooled, encoder_layers = model.encoder(READ, attention_mask=MASK, output_hidden_states=True)
    decoded = model.decoder(
        WRITTEN, encoder_hidden_states=states, encoder_attention_mask=MASK, lm_labels=LABELS, output_hidden_states=True
    )
    assert output._fields == (
        *("loss", "logits", "hidden_states"),
        *("encoder_last_hidden_state", "encoder_pooler_output", "encoder_hidden_states"),
    )
    assert output.logits.shape == (2, 5, 40)
    assert output.encoder_last_hidden_state.shape == (2, 7, 16)
    torch.testing.assert_close(output[:2], decoded[:2], rtol=0, atol=0)
    torch.testing.assert_close(output.hidden_states, decoded.hidden_states, rtol=0, atol=0)
    torch.testing.assert_close(output[3:5], (states, pooled), rtol=0, atol=0)
    torch.testing.assert_close(output.encoder_hidden_states, encoder_layers, rtol=0, atol=0)


def test_the_loss_is_the_cross_entropy_of_the_next_tokens() -> None:
    loss, logits = make()(READ, WRITTEN, encoder_attention_mask=MASK, decoder_lm_labels=LABELS)[:2]
    assert loss.item() == pytest.approx(cross_entropy(logits[:, :-1].flatten(0, 1), LABELS[:, 1:].flatten()).item())


def test_a_token_is_predicted_from_those_before_it_and_from_all_of_the_encoder() -> None:
    model = make()
    logits = model(READ, WRITTEN).logits
    later = model(READ, torch.cat((WRITTEN[:, :3], WRITTEN[:, 3:] + 1), 1)).logits
    torch.testing.assert_close(later[:, :3], logits[:, :3])
    assert (later[:, 3:] - logits[:, 3:]).abs().amax() > 1e-3
    other = READ.clone()
    other[:, -1] = 25
    assert ((model(other, WRITTEN).logits - logits).abs().amax(-1) > 1e-4).all()


def test_padding_of_the_encoder_changes_nothing() -> None:
    model = make()
    logits = model(READ, WRITTEN, encoder_attention_mask=MASK).logits
    torch.testing.assert_close(model(READ[1:, :4], WRITTEN[1:]).logits, logits[1:])
    others = torch.where(MASK == 0, 33, READ)
    torch.testing.assert_close(model(others, WRITTEN, encoder_attention_mask=MASK).logits, logits)
    assert (model(READ, WRITTEN).logits - logits)[1].abs().max() > 1e-3


def test_padding_of_the_decoder_changes_no_token_before_it() -> None:
    model = make()
    mask = (WRITTEN != 0).long()
    logits = model(READ, WRITTEN, encoder_attention_mask=MASK, decoder_attention_mask=mask).logits
    torch.testing.assert_close(model(READ[1:, :4], WRITTEN[1:, :4]).logits, logits[1:, :4])


def test_a_mask_of_each_token_of_the_encoder_needs_one_for_the_decoder() -> None:
    model = make()
    each = MASK[:, None].expand(-1, 7, -1)
    with pytest.raises(
        ValueError, match=r"encoder_attention_mask has shape \(2, 7, 7\).*decoder_encoder_attention_mask"
    ):
        model(READ, WRITTEN, encoder_attention_mask=each)
    output = model(READ, WRITTEN, encoder_attention_mask=each, decoder_encoder_attention_mask=MASK)
    torch.testing.assert_close(output.logits, model(READ, WRITTEN, encoder_attention_mask=MASK).logits)


def test_given_states_are_decoded_without_the_encoder() -> None:
    model = make()
    whole = model(READ, WRITTEN, encoder_attention_mask=MASK)
    calls: list[Any] = []
    model.encoder.register_forward_hook(lambda *each: calls.append(each))
    states = whole.encoder_last_hidden_state
    output = model(None, WRITTEN, encoder_hidden_states=states, encoder_attention_mask=MASK)
    assert output._fields == ("logits",)
    assert torch.equal(output.logits, whole.logits)
    assert not calls


def test_arguments_go_to_the_part_that_they_name() -> None:
    model = make()
    vectors = model.encoder.embeddings.word_embeddings(READ)
    output = model(None, WRITTEN, encoder_inputs_embeds=vectors, encoder_output_attentions=True)
    assert output._fields == ("logits", "encoder_last_hidden_state", "encoder_pooler_output", "encoder_attentions")
    torch.testing.assert_close(output.logits, model(READ, WRITTEN).logits)
    both = model(READ, WRITTEN, output_attentions=True, decoder_output_attentions=False)
    assert "encoder_attentions" in both._fields
    assert "attentions" not in both._fields
    assert type(model(READ, WRITTEN, return_dict=False)) is tuple
    with pytest.raises(TypeError, match="'lm_labels'"):
        model(READ, WRITTEN, lm_labels=LABELS)
    with pytest.raises(ValueError, match="give either input_ids or inputs_embeds"):
        model(decoder_input_ids=WRITTEN)


def test_every_parameter_that_the_loss_depends_on_gets_a_gradient() -> None:
    model = make().train()
    model(READ, WRITTEN, encoder_attention_mask=MASK, decoder_lm_labels=LABELS).loss.backward()
    without = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert without == [name for name, _ in model.named_parameters() if ".pooler." in name]
    assert sorted(model._ddp_params_and_buffers_to_ignore) == sorted(without)
    still = {
        name for name, parameter in model.named_parameters() if parameter.grad is not None and not parameter.grad.any()
    }
    # One number for all keys of a query changes no probability; segments other than the first do not occur.
    assert all(name.endswith("key.bias") for name in still)
    assert any("crossattention" in name for name, _ in model.decoder.named_parameters())


def test_training_lowers_the_loss() -> None:
    model = make()  # without dropout
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = model(READ, WRITTEN, encoder_attention_mask=MASK, decoder_lm_labels=LABELS).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 3


def test_one_checkpoint_makes_both_parts(plain: Path) -> None:
    model, reports = Model2Model.from_pretrained(str(plain), output_loading_info=True)
    assert type(model.encoder) is BertModel
    assert type(model.decoder) is BertForMaskedLM
    assert (model.encoder.config.is_decoder, model.decoder.config.is_decoder) == (False, True)
    assert not any(module.training for module in model.modules())
    assert reports["encoder"].newly_initialized == []
    new = [f"bert.{name}" for name, _ in model.decoder.bert.named_parameters() if "crossattention" in name]
    assert sorted(reports["decoder"].newly_initialized) == sorted(new)
    assert len(new) == 20
    words = BertModel.from_pretrained(plain).embeddings.word_embeddings.weight
    for table in (model.encoder.get_input_embeddings(), model.decoder.get_output_embeddings()):
        assert torch.equal(table.weight, words)
    assert model.encoder.get_input_embeddings().weight is not model.decoder.get_input_embeddings().weight
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


def test_what_is_saved_loads_bit_for_bit(tmp_path: Path, plain: Path) -> None:
    model = Model2Model.from_pretrained(plain)
    model.save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["decoder", "encoder"]
    loads = [
        PreTrainedEncoderDecoder.from_pretrained(tmp_path / "encoder", str(tmp_path / "decoder")),
        PreTrainedEncoderDecoder.from_pretrained(tmp_path),
        Model2Model.from_pretrained(str(tmp_path)),
    ]
    for loaded in loads:
        assert loaded.state_dict().keys() == model.state_dict().keys()
        assert all(torch.equal(x, model.state_dict()[name]) for name, x in loaded.state_dict().items())
        assert torch.equal(loaded(READ, WRITTEN).logits, model(READ, WRITTEN).logits)
    assert type(loads[2]) is Model2Model
    _, reports = PreTrainedEncoderDecoder.from_pretrained(tmp_path, output_loading_info=True)
    assert [reports[part].missing_keys for part in ("encoder", "decoder")] == [[], []]


def test_options_of_saving_reach_both_parts(tmp_path: Path) -> None:
    model = make()
    model.save_pretrained(tmp_path / "a", format="bin")
    found = sorted(path.name for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert found == ["config.json", "config.json", "pytorch_model.bin", "pytorch_model.bin"]
    loaded = PreTrainedEncoderDecoder.from_pretrained(tmp_path / "a")
    assert torch.equal(loaded(READ, WRITTEN).logits, model(READ, WRITTEN).logits)


def test_a_part_that_cannot_be_saved_leaves_the_other_as_it_was(tmp_path: Path) -> None:
    make(0).save_pretrained(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    model = make(1)
    del model.decoder.cls.predictions.transform
    with pytest.raises(ValueError, match="cannot be saved"):
        model.save_pretrained(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="is a file"):
        make().save_pretrained(tmp_path / "file")


def test_models_and_keywords_of_one_part(plain: Path) -> None:
    decoder = BertForMaskedLM(BertConfig(**SIZES, is_decoder=True))
    model, reports = Model2Model.from_pretrained(
        plain, decoder_model=decoder, encoder_output_attentions=True, output_loading_info=True
    )
    assert model.decoder is decoder
    assert reports["decoder"] is None
    assert model.encoder.config.output_attentions
    assert not model.decoder.config.output_attentions
    model = PreTrainedEncoderDecoder.from_pretrained(
        plain, plain, hidden_dropout_prob=0.2, decoder_hidden_dropout_prob=0.3, dtype="bfloat16"
    )
    assert [part.config.hidden_dropout_prob for part in (model.encoder, model.decoder)] == [0.2, 0.3]
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    encoder = BertModel(BertConfig(**SIZES))
    config = BertConfig(**SIZES)
    model = PreTrainedEncoderDecoder.from_pretrained(None, plain, encoder_model=encoder, decoder_config=config)
    assert model.encoder is encoder
    assert not config.is_decoder  # the caller's stays as it is


def test_a_saved_decoder_can_encode_and_a_saved_pair_be_paired_anew(tmp_path: Path) -> None:
    make().save_pretrained(tmp_path)
    model = PreTrainedEncoderDecoder.from_pretrained(tmp_path / "decoder", tmp_path / "decoder")
    assert not model.encoder.config.is_decoder
    assert not any("crossattention" in name for name, _ in model.encoder.named_parameters())
    model.save_pretrained(tmp_path / "again")
    assert isinstance(Model2Model.from_pretrained(tmp_path / "again"), Model2Model)


@pytest.mark.parametrize(
    "name, said",
    [
        ("does-not-exist", r"'does-not-exist' does not tell its architecture"),
        ("roberta", r"takes 'bert' only: use PreTrainedEncoderDecoder\.from_pretrained\(encoder, decoder\)"),
        ("distilbert", r"'distilbert' cannot be the decoder of an encoder: .*these can: .*bert"),
        ("gpt2", r"'gpt2' cannot be the decoder of an encoder"),
    ],
)
def test_what_is_not_bert_is_refused_without_a_request(name: str, said: str, no_network: None) -> None:
    with pytest.raises(ValueError, match=said):
        Model2Model.from_pretrained(name)


def test_what_cannot_decode_is_refused_before_anything_is_loaded(
    tmp_path: Path, no_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.nn.Module, "__init__", None)  # no model is built
    for name in ("distilbert-base-uncased", "gpt2", "xlnet-base-cased"):
        with pytest.raises(ValueError, match="cannot be the decoder of an encoder"):
            PreTrainedEncoderDecoder.from_pretrained("bert-base-uncased", name)
    (tmp_path / "config.json").write_text('{"model_type": "distilbert"}')
    for load in (Model2Model.from_pretrained, lambda path: PreTrainedEncoderDecoder.from_pretrained(path, path)):
        with pytest.raises(ValueError, match="cannot be the decoder of an encoder"):
            load(tmp_path)


def test_what_is_missing_or_contradicts_itself_is_refused(plain: Path, tmp_path: Path) -> None:
    load: Any = PreTrainedEncoderDecoder.from_pretrained
    with pytest.raises(
        ValueError, match=r"has no encoder/config\.json, which PreTrainedEncoderDecoder\.save_pretrained"
    ):
        load(plain)
    with pytest.raises(ValueError, match="needs encoder_pretrained_model_name_or_path"):
        load()
    with pytest.raises(ValueError, match="needs decoder_pretrained_model_name_or_path"):
        load(plain, encoder_model=BertModel(BertConfig(**SIZES)))
    with pytest.raises(ValueError, match="is_decoder is False, but the decoder is loaded with is_decoder=True"):
        load(plain, plain, decoder_is_decoder=False)
    with pytest.raises(TypeError, match="does not know the keyword 'model'"):
        load(plain, plain, model=None)
    with pytest.raises(OSError, match="nowhere"):
        load(tmp_path / "nowhere-bert", plain, local_files_only=True)


def test_parts_that_do_not_fit_are_refused() -> None:
    encoder, decoder = BertModel(BertConfig(**SIZES)), BertForMaskedLM(BertConfig(**SIZES, is_decoder=True))
    with pytest.raises(
        ValueError, match="does not attend to an encoder: build or load BertForMaskedLM with is_decoder=True"
    ):
        PreTrainedEncoderDecoder(encoder, BertForMaskedLM(BertConfig(**SIZES)))
    alone = BertForMaskedLM(BertConfig(**SIZES, is_decoder=True, add_cross_attention=False))
    with pytest.raises(ValueError, match="not with add_cross_attention=False"):
        PreTrainedEncoderDecoder(encoder, alone)
    with pytest.raises(ValueError, match="the encoder of Model2Model is a decoder"):
        Model2Model(BertModel(BertConfig(**SIZES, is_decoder=True)), decoder)
    with pytest.raises(ValueError, match="the encoder's hidden_size is 24 and the decoder's 16"):
        PreTrainedEncoderDecoder(BertModel(BertConfig(**{**SIZES, "hidden_size": 24})), decoder)
    classifier = BertForSequenceClassification(BertConfig(**SIZES, is_decoder=True))
    with pytest.raises(TypeError, match=r"BertForSequenceClassification\.forward\(\) got an unexpected .* 'encoder_"):
        PreTrainedEncoderDecoder(encoder, classifier)(READ, WRITTEN)


def test_parts_of_ones_own() -> None:
    class Reversed(torch.nn.Module):
        """States of the encoder in the reversed order."""

        def __init__(self, model: BertModel) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Tensor) -> tuple[Tensor]:
            return (self.model(input_ids)[0].flip(1),)

    model = make()
    own = PreTrainedEncoderDecoder(Reversed(model.encoder), model.decoder)
    output = own(READ, WRITTEN)
    assert type(output) is tuple
    torch.testing.assert_close(output[0], model(READ, WRITTEN).logits)  # attention does not know an order
