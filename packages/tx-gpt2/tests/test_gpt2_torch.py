"""What only GPT-2 has, in PyTorch: past, choices, options of its configuration, OpenAI's checkpoint, fast steps."""

import json
import logging
import shutil

import numpy as np
import pytest
import torch
from torch import nn

from tx_core import prune_layer
from tx_core.weights import WeightsError
from tx_gpt2 import Conv1D, GPT2Config, GPT2DoubleHeadsModel, GPT2LMHeadModel, GPT2Model, load_tf_weights_in_gpt2
from tx_testing.data import data_path
from tx_testing.suites.spec import load_spec

SPEC = load_spec(__file__, "gpt2_spec")


def model_of(cls, seed=0, **config):
    torch.manual_seed(seed)
    return cls(SPEC.make_config(initializer_range=0.3, **config)).eval()


def ids_of(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 99, shape))


# --- past


def test_one_mask_for_all_rows():
    model, ids, mask = model_of(GPT2LMHeadModel), ids_of(3, 5), torch.tensor([[0, 1, 1, 1, 0]])
    for labels in (ids, ids.masked_fill(mask == 0, -100)):
        one, all_ = (model(ids, attention_mask=m, labels=labels) for m in (mask, mask.expand(3, -1)))
        torch.testing.assert_close(one[:2], all_[:2])


def test_positional_order_is_that_of_2019():
    model, ids = model_of(GPT2LMHeadModel), ids_of(2, 6)
    past = model(ids[:, :2]).past
    mask, types, positions = torch.ones(2, 6), ids_of(2, 4, seed=1), torch.arange(2, 6)[None]
    heads, labels = torch.ones(2, 4), ids[:, 2:]
    found = model(ids[:, 2:], past, mask, types, positions, heads, labels)
    wanted = model(
        ids[:, 2:],
        past=past,
        attention_mask=mask,
        token_type_ids=types,
        position_ids=positions,
        head_mask=heads,
        labels=labels,
    )
    assert found._fields == ("loss", "logits", "past")
    torch.testing.assert_close(found.loss, wanted.loss)
    torch.testing.assert_close(found.logits, wanted.logits)


def test_token_types_are_tokens():
    model, ids, types = model_of(GPT2Model), ids_of(2, 5), ids_of(2, 5, seed=1)
    embedded = model.wte(ids) + model.wte(types)
    torch.testing.assert_close(model(ids, token_type_ids=types)[0], model(inputs_embeds=embedded)[0])


# --- two heads


def test_choices():
    model, ids = model_of(GPT2DoubleHeadsModel), ids_of(2, 3, 5)
    where, labels = torch.tensor([[4, 1, 2], [0, 3, 4]]), torch.tensor([2, 0])
    output = model(ids, mc_token_ids=where, lm_labels=ids, mc_labels=labels)
    assert output._fields == ("loss", "mc_loss", "logits", "mc_logits", "past")
    assert output.logits.shape == (2, 3, 5, 99)
    assert output.mc_logits.shape == (2, 3)
    flat = model(ids.flatten(0, 1), mc_token_ids=where.flatten(), labels=ids.flatten(0, 1))
    assert flat._fields == ("loss", "logits", "mc_logits", "past")
    torch.testing.assert_close(output.logits.flatten(0, 1), flat.logits)
    torch.testing.assert_close(output.mc_logits.flatten(), flat.mc_logits)
    torch.testing.assert_close(output.loss, flat.loss)
    torch.testing.assert_close(output.mc_loss, nn.functional.cross_entropy(output.mc_logits, labels))
    only = model(ids, mc_labels=labels)
    assert only._fields == ("mc_loss", "logits", "mc_logits", "past")
    # The order of 2.1: mc_token_ids after head_mask, then the labels.
    placed = model(ids, None, None, None, None, None, where, ids, labels)
    torch.testing.assert_close(placed[:2], output[:2])
    embedded = model(inputs_embeds=model.transformer.wte(ids), mc_token_ids=where)
    torch.testing.assert_close(embedded.mc_logits, output.mc_logits)
    output.mc_loss.backward()
    assert model.multiple_choice_head.summary.weight.grad.abs().sum() > 0


def test_the_last_token_is_scored_unless_told():
    model, ids = model_of(GPT2DoubleHeadsModel), ids_of(3, 5)
    last = torch.tensor([4, 4, 4])
    torch.testing.assert_close(model(ids).mc_logits, model(ids, mc_token_ids=last).mc_logits)
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 1, 1, 1]])
    last = torch.tensor([2, 4, 4])
    found = model(ids, attention_mask=mask)
    torch.testing.assert_close(found.mc_logits, model(ids, attention_mask=mask, mc_token_ids=last).mc_logits)
    past = model(ids[:, :2], attention_mask=mask[:, :2]).past
    torch.testing.assert_close(model(ids[:, 2:], past, mask).mc_logits, found.mc_logits)
    with pytest.raises(ValueError, match=r"\(3,\)"):
        model(ids, mc_token_ids=torch.tensor([1, 2]))


def test_a_token_of_padding_is_scored_if_told():
    model, ids = model_of(GPT2DoubleHeadsModel), ids_of(2, 5)
    mask, where = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]), torch.tensor([4, 4])
    found, wanted = (model(ids, attention_mask=mask, mc_token_ids=where, skip_padding=s) for s in (None, False))
    assert torch.equal(found.mc_logits, wanted.mc_logits)


@pytest.mark.parametrize("kind", ["first", "mean", "last", "cls_index"])
def test_summaries_leave_padding_out(kind):
    model = model_of(GPT2DoubleHeadsModel, summary_type=kind, summary_activation="tanh", summary_first_dropout=0.5)
    ids = ids_of(2, 5)
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 0, 0]])
    found = model(ids, attention_mask=mask).mc_logits
    alone = [model(ids[:1, 2:]).mc_logits, model(ids[1:, :3]).mc_logits]
    torch.testing.assert_close(found, torch.cat(alone))
    hidden = model.transformer(ids[:1, 2:])[0][0]
    vector = {"first": hidden[0], "mean": hidden.mean(0), "last": hidden[-1], "cls_index": hidden[-1]}[kind]
    torch.testing.assert_close(alone[0][0], model.multiple_choice_head.summary(vector).tanh()[0])


def test_summary_without_projection():
    model = model_of(GPT2DoubleHeadsModel, summary_use_proj=False)
    assert model(ids_of(2, 3, 5)).mc_logits.shape == (2, 3, 32)
    assert not list(model.multiple_choice_head.parameters())
    wide = model_of(GPT2DoubleHeadsModel, summary_proj_to_labels=False)
    assert wide.multiple_choice_head.summary.weight.shape == (32, 32)


def test_labels_in_two_spellings():
    model, ids = model_of(GPT2DoubleHeadsModel), ids_of(2, 5)
    with pytest.raises(ValueError, match="lm_labels and labels"):
        model(ids, lm_labels=ids, labels=ids)


# --- configuration


def test_scores_are_scaled_as_configured():
    ids = ids_of(2, 5)
    plain = model_of(GPT2Model)
    both = model_of(GPT2Model, scale_attn_weights=False, scale_attn_by_inverse_layer_idx=True)
    both.load_state_dict(plain.state_dict())
    for i, block in enumerate(both.h):  # scale the queries to what the options do not
        third = block.attn.c_attn.weight.shape[1] // 3
        with torch.no_grad():
            block.attn.c_attn.weight[:, :third] *= (i + 1) / 8**0.5
            block.attn.c_attn.bias[:third] *= (i + 1) / 8**0.5
    torch.testing.assert_close(both(ids)[0], plain(ids)[0])
    one = model_of(GPT2LMHeadModel, scale_attn_weights=False, scale_attn_by_inverse_layer_idx=True)
    sequences = one.generate(ids, max_new_tokens=6, eos_token_id=()).sequences
    torch.testing.assert_close(one(sequences[:, :-1]).logits[:, 4:].argmax(-1), sequences[:, 5:])


@pytest.mark.parametrize("mask", [None, torch.tensor([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1]])])
def test_attention_in_float32(mask):
    ids = ids_of(2, 5)
    exact = model_of(GPT2LMHeadModel)
    wanted = exact(ids, attention_mask=mask).logits
    reduced = {}
    for upcast in (False, True):
        model = model_of(GPT2LMHeadModel, reorder_and_upcast_attn=upcast)
        model.load_state_dict(exact.state_dict())
        model.bfloat16()
        reduced[upcast] = model(ids, attention_mask=mask).logits
        assert reduced[upcast].dtype == torch.bfloat16
        assert model.generate(ids, attention_mask=mask, max_new_tokens=3, eos_token_id=()).sequences.shape == (2, 8)
    assert (reduced[True] != reduced[False]).any()
    for logits in reduced.values():
        assert (logits.float() - wanted).abs().max() < 0.1 * wanted.abs().max()
    upcast = model_of(GPT2LMHeadModel, reorder_and_upcast_attn=True).double()
    torch.testing.assert_close(upcast(ids).logits, exact.double()(ids).logits, rtol=1e-12, atol=1e-12)


def test_conv1d():
    layer = Conv1D(6, 4)
    assert layer.weight.shape == (4, 6)
    x = torch.randn(2, 3, 4)
    torch.testing.assert_close(layer(x), x @ layer.weight + layer.bias)
    index = torch.tensor([3, 0])
    for dim in (None, 1):
        torch.testing.assert_close(prune_layer(layer, index, dim)(x), layer(x)[..., index])
    kept = torch.zeros_like(x)
    kept[..., index] = x[..., index]
    torch.testing.assert_close(prune_layer(layer, index, 0)(x[..., index]), layer(kept))
    assert layer.weight.shape == (4, 6)
    with pytest.raises(ValueError, match="dim is 2"):
        prune_layer(layer, index, 2)


def test_residual_layers_start_smaller():
    model = GPT2Model(GPT2Config(vocab_size=99, n_embd=64, n_layer=8, n_head=4, n_positions=20))
    assert abs(model.h[0].mlp.c_fc.weight.std() - 0.02) < 1e-3
    for layer in (model.h[0].mlp.c_proj, model.h[3].attn.c_proj):
        assert abs(layer.weight.std() - 0.02 / 4) < 5e-4


# --- files


def test_openai_checkpoint():
    folder = data_path("checkpoints/gpt2-tf1")
    sizes = json.loads((folder / "hparams.json").read_text())
    config = GPT2Config(sizes["n_vocab"], n_positions=sizes["n_ctx"], n_embd=15, n_head=5, n_layer=3)
    model = GPT2LMHeadModel(config)
    assert load_tf_weights_in_gpt2(model, config, str(folder / "model.ckpt")) is model
    loaded, report = GPT2LMHeadModel.from_pretrained(
        str(folder / "model.ckpt"), config=config, from_tf=True, output_loading_info=True
    )
    assert not any(report.values())
    assert not report.newly_initialized
    from tx_core.checkpoints import open_checkpoint

    with open_checkpoint(folder / "model.ckpt") as checkpoint:
        assert len(checkpoint.names()) == len(report.loaded) == 2 + 12 * 3 + 2
        kernel = checkpoint.read("model/h1/mlp/c_fc/w")
        assert kernel.shape == (1, 15, 60)
        for each in (model, loaded):
            np.testing.assert_array_equal(each.transformer.h[1].mlp.c_fc.weight.detach(), kernel[0])
            np.testing.assert_array_equal(each.transformer.wpe.weight.detach(), checkpoint.read("model/wpe"))
            assert each.lm_head.weight is each.transformer.wte.weight
    loaded.eval()
    assert loaded(torch.tensor([[1, 2, 3]])).logits.isfinite().all()
    with pytest.raises(WeightsError, match=r"h\.3\.ln_1\.weight"):
        GPT2Model.from_pretrained(str(folder / "model.ckpt"), config=config, n_layer=4, from_tf=True)


def test_files_of_the_hub(tmp_path):
    """Their names lack the prefix, and they carry causal masks."""
    from safetensors.torch import load_file, save_file

    source = model_of(GPT2LMHeadModel)
    source.save_pretrained(tmp_path)
    arrays = load_file(tmp_path / "model.safetensors")
    arrays = {name.removeprefix("transformer."): value for name, value in arrays.items()}
    for i in range(2):
        arrays[f"h.{i}.attn.bias"] = torch.ones(1, 1, 40, 40).tril()
        arrays[f"h.{i}.attn.masked_bias"] = torch.tensor(-1e4)
    save_file(arrays, tmp_path / "model.safetensors")
    for cls in (GPT2LMHeadModel, GPT2Model):
        model, report = cls.from_pretrained(str(tmp_path), output_loading_info=True)
        assert not any(report.values())
        assert len(report.dropped) == 4
        wanted = source if cls is GPT2LMHeadModel else source.transformer
        torch.testing.assert_close(model(ids_of(1, 4))[0], wanted(ids_of(1, 4))[0])


def test_a_new_choice_head_is_told(tmp_path, caplog):
    model_of(GPT2LMHeadModel).save_pretrained(tmp_path)
    with caplog.at_level(logging.WARNING):
        GPT2DoubleHeadsModel.from_pretrained(str(tmp_path))
    assert "multiple_choice_head.summary.weight" in caplog.text


# --- generation


def test_steps_are_plain_calls_only_where_nothing_was_changed():
    ids = ids_of(2, 4)
    model = model_of(GPT2LMHeadModel)
    wanted = model.generate(ids, max_new_tokens=6, eos_token_id=()).sequences
    seen = []
    handle = model.transformer.h[0].mlp.register_forward_hook(lambda *_: seen.append("hook"))
    torch.testing.assert_close(model.generate(ids, max_new_tokens=6, eos_token_id=()).sequences, wanted)
    assert len(seen) == 6
    handle.remove()

    class Adapted(Conv1D):
        def forward(self, x):
            seen.append("adapter")
            return super().forward(x)

    model.transformer.h[1].mlp.c_fc.__class__ = Adapted
    torch.testing.assert_close(model.generate(ids, max_new_tokens=6, eos_token_id=()).sequences, wanted)
    assert seen.count("adapter") == 6


def test_both_heads_generate():
    lm, both = model_of(GPT2LMHeadModel), model_of(GPT2DoubleHeadsModel)
    both.load_state_dict(lm.state_dict(), strict=False)
    ids = ids_of(2, 4)
    found, wanted = (model.generate(ids, max_new_tokens=5, eos_token_id=()).sequences for model in (both, lm))
    torch.testing.assert_close(found, wanted)


def test_openai_folder_as_it_is_downloaded():
    model, report = GPT2LMHeadModel.from_pretrained(data_path("checkpoints/gpt2-tf1"), output_loading_info=True)
    assert not any(report.values())
    assert len(report.loaded) == 2 + 12 * 3 + 2
    config = model.config
    assert (config.vocab_size, config.n_positions, config.n_embd, config.n_head, config.n_layer) == (356, 20, 15, 5, 3)


def test_the_newest_of_several_checkpoints(tmp_path):
    """TensorFlow's own note in the folder says which it is."""
    source = data_path("checkpoints/gpt2-tf1")
    for path in source.glob("model.ckpt.*"):
        shutil.copy(path, tmp_path / path.name.replace("model.ckpt", "model-1000"))
    shutil.copy(source / "hparams.json", tmp_path)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model-1000"\n')
    _, report = GPT2LMHeadModel.from_pretrained(tmp_path, output_loading_info=True)
    assert len(report.loaded) == 2 + 12 * 3 + 2
