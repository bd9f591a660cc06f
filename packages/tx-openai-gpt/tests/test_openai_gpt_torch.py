"""What only OpenAI GPT has, in PyTorch: its activation function, choices, OpenAI's checkpoint, fast steps."""

import shutil
import tarfile

import numpy as np
import pytest
import torch

from tx_core.weights import WeightsError
from tx_openai_gpt import (
    OpenAIGPTConfig,
    OpenAIGPTDoubleHeadsModel,
    OpenAIGPTLMHeadModel,
    OpenAIGPTModel,
    OpenAIGPTTokenizer,
    load_tf_weights_in_openai_gpt,
)
from tx_testing.data import data_path
from tx_testing.suites.spec import load_spec

SPEC = load_spec(__file__, "openai_gpt_spec")


def model_of(cls, seed=0, **config):
    torch.manual_seed(seed)
    return cls(SPEC.make_config(initializer_range=0.3, **config)).eval()


def ids_of(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 99, shape))


def test_gelu_is_the_approximation_it_was_trained_with():
    ids = ids_of(2, 5)
    one, same, other = (model_of(OpenAIGPTModel, afn=afn)(ids)[0] for afn in ("gelu", "gelu_new", "relu"))
    assert torch.equal(one, same)
    assert (one - other).abs().max() > 1e-3
    assert OpenAIGPTConfig(afn="gelu").to_dict()["afn"] == "gelu"


def test_outputs_have_no_past():
    assert model_of(OpenAIGPTModel)(ids_of(2, 5))._fields == ("last_hidden_state",)
    with pytest.raises(TypeError, match="past"):
        model_of(OpenAIGPTModel)(ids_of(2, 5), past=None)


def test_choices():
    model, ids = model_of(OpenAIGPTDoubleHeadsModel), ids_of(2, 3, 5)
    where, labels = torch.tensor([[4, 1, 2], [0, 3, 4]]), torch.tensor([2, 0])
    output = model(ids, None, None, None, None, where, ids, labels)  # the order of 2.1
    assert output._fields == ("loss", "mc_loss", "logits", "mc_logits")
    assert output.logits.shape == (2, 3, 5, 99)
    flat = model(ids.flatten(0, 1), mc_token_ids=where.flatten(), lm_labels=ids.flatten(0, 1))
    torch.testing.assert_close(output.mc_logits.flatten(), flat.mc_logits)
    torch.testing.assert_close(output.loss, flat.loss)
    torch.testing.assert_close(output.mc_loss, torch.nn.functional.cross_entropy(output.mc_logits, labels))
    assert model(ids, mc_labels=labels)._fields == ("mc_loss", "logits", "mc_logits")


def test_openai_checkpoint(tmp_path):
    with tarfile.open(data_path("checkpoints/openai-gpt-original/transformer_small.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / "model"
    config = OpenAIGPTConfig(50, n_positions=50, n_embd=10, n_head=2, n_layer=2)
    model = OpenAIGPTLMHeadModel(config)
    assert load_tf_weights_in_openai_gpt(model, config, str(folder)) is model
    loaded, report = OpenAIGPTModel.from_pretrained(str(folder), config=config, from_tf=True, output_loading_info=True)
    assert not any(report.values())
    assert len(report.loaded) == 2 + 2 * 12
    flat = np.concatenate([np.load(folder / f"params_{i}.npy") for i in range(2)])
    for base in (model.transformer, loaded):
        base.eval()
        np.testing.assert_array_equal(base.positions_embed.weight.detach().flatten(), flat[:500])
        np.testing.assert_array_equal(base.tokens_embed.weight.detach().flatten(), flat[500:1000])
        np.testing.assert_array_equal(base.h[0].attn.c_attn.weight.detach().flatten(), flat[1000:1300])
        np.testing.assert_array_equal(base.h[1].ln_2.bias.detach(), flat[-10:])
        np.testing.assert_array_equal(base.h[1].ln_2.weight.detach(), flat[-20:-10])
    torch.testing.assert_close(model.transformer(ids_of(1, 5) // 2)[0], loaded(ids_of(1, 5) // 2)[0])
    with pytest.raises(WeightsError, match=r"h\.2\.attn\.c_attn\.weight"):
        OpenAIGPTModel.from_pretrained(str(folder), config=config, n_layer=3, from_tf=True)


def test_openai_folder_as_it_is_downloaded(tmp_path):
    with tarfile.open(data_path("checkpoints/openai-gpt-original/transformer_small.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / "model"
    model, report = OpenAIGPTLMHeadModel.from_pretrained(folder, n_head=2, output_loading_info=True)
    assert len(report.loaded) == 2 + 2 * 12
    config = model.config
    assert (config.vocab_size, config.n_positions, config.n_embd, config.n_layer) == (50, 50, 10, 2)
    with pytest.raises(ValueError, match="n_head"):  # the files do not say how many
        OpenAIGPTLMHeadModel.from_pretrained(folder)
    for content in ("{}", "[]", "[[1], [2]]", "[[1, 2, 3], [4, 5]]", "[1, 2]", '[["a", "b"], [1, 2]]', "no"):
        (folder / "params_shapes.json").write_text(content)
        with pytest.raises(ValueError, match=r"params_shapes\.json"):
            OpenAIGPTConfig.from_pretrained(folder)


@pytest.mark.parametrize("names", [("encoder_bpe_40000.json", "vocab_40000.bpe"), ("encoder_bpe.json", "vocab.bpe")])
def test_openai_vocabulary_as_it_is_downloaded(names, tmp_path):
    folder = data_path("vocab/openai-gpt")
    files = [folder / name for name in ("encoder_bpe_40000.json", "vocab_40000.bpe")]
    for file, name in zip(files, names, strict=True):
        shutil.copy(file, tmp_path / name)
    found, wanted = OpenAIGPTTokenizer.from_pretrained(tmp_path), OpenAIGPTTokenizer(*files)
    assert found.encoder == wanted.encoder
    assert found.bpe_ranks == wanted.bpe_ranks


def test_original_kernels_with_and_without_an_axis(tmp_path):
    """The published files have (1, in, out); some copies leave the axis out."""
    import json

    source = model_of(OpenAIGPTModel)
    from tx_openai_gpt.weights import WEIGHTS

    names = {f"transformer.{name}": value.detach().numpy() for name, value in source.named_parameters()}
    order = sorted(names, key=lambda name: int(WEIGHTS.to_original(name)[0]))
    for axis in (True, False):
        folder = tmp_path / str(axis)
        folder.mkdir()
        shapes = [
            [1, *names[name].shape] if axis and WEIGHTS.to_original(name)[1] == "conv1d" else [*names[name].shape]
            for name in order
        ]
        (folder / "params_shapes.json").write_text(json.dumps(shapes))
        flat = np.concatenate([names[name].ravel() for name in order])
        for i, piece in enumerate(np.array_split(flat, 3)):
            np.save(folder / f"params_{i}.npy", piece)
        loaded = OpenAIGPTModel.from_pretrained(str(folder), config=source.config)
        for one, two in zip(loaded.parameters(), source.parameters(), strict=True):
            assert torch.equal(one, two)


def test_steps_equal_modules():
    ids, model = ids_of(2, 4), model_of(OpenAIGPTLMHeadModel)
    wanted = model.generate(ids, max_new_tokens=6, eos_token_id=()).sequences
    seen = []
    model.transformer.h[0].mlp.register_forward_hook(lambda *_: seen.append("hook"))
    torch.testing.assert_close(model.generate(ids, max_new_tokens=6, eos_token_id=()).sequences, wanted)
    assert len(seen) == 6


def test_a_keyword_of_2019_that_no_model_reads() -> None:
    assert OpenAIGPTConfig(predict_special_tokens=False).to_dict()["predict_special_tokens"] is False
