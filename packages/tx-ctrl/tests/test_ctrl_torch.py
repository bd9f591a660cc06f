"""What only CTRL has, in PyTorch: sinusoidal positions, the order of inputs, the bias of its head."""

import math

import numpy as np
import pytest
import torch

from tx_core.weights import Place, WeightsError
from tx_ctrl import CTRLConfig, CTRLLMHeadModel, CTRLModel
from tx_ctrl.weights import WEIGHTS
from tx_testing.suites.spec import load_spec

SPEC = load_spec(__file__, "ctrl_spec")


def model_of(cls, seed=0, **config):
    torch.manual_seed(seed)
    return cls(SPEC.make_config(initializer_range=0.3, **config)).eval()


def ids_of(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 99, shape))


def test_positions():
    """All sines, then all cosines, of angles that turn ever slower; exact at late positions too."""
    model = model_of(CTRLModel, n_positions=50000)
    late = [0, 1, 255, 49999]
    found = model.positions(torch.tensor([late]))[0]
    assert found.dtype == torch.float32
    for row, position in zip(found.tolist(), late, strict=True):
        angles = [position / 10000 ** (2 * j / 32) for j in range(16)]
        np.testing.assert_allclose(row, [*map(math.sin, angles), *map(math.cos, angles)], atol=1e-7)


def test_positions_are_a_constant_of_the_model(tmp_path):
    """In no file, wherever the model is made and put, and as exact as its type."""
    model = model_of(CTRLModel)
    wanted = model.positions.table.clone()
    assert not [name for name in model.state_dict() if "positions" in name]
    model.save_pretrained(tmp_path)
    with torch.device("meta"):
        empty = CTRLModel(model.config)
    assert empty.positions.table.is_meta
    for each in (
        CTRLModel.from_pretrained(tmp_path),
        CTRLModel.from_pretrained(tmp_path, dtype="float64").float(),
        model_of(CTRLModel).half().float(),
        empty.to_empty(device="cpu"),
    ):
        assert torch.equal(each.positions.table, wanted)
    assert CTRLModel.from_pretrained(tmp_path, dtype="bfloat16").positions.table.dtype == torch.bfloat16
    assert model_of(CTRLModel).to("meta").positions.table.is_meta


def test_embeddings_are_scaled():
    model, ids, types = model_of(CTRLModel), ids_of(1, 4), ids_of(1, 4, seed=1)
    states = model(ids, token_type_ids=types, output_hidden_states=True).hidden_states[0]
    wanted = (model.w(ids) + model.w(types)) * 32**0.5 + model.positions(torch.arange(4)[None])
    torch.testing.assert_close(states, wanted)


def test_positional_order_is_that_of_2019():
    model, ids = model_of(CTRLLMHeadModel), ids_of(2, 6)
    past = model(ids[:, :2]).past
    mask, types, positions, heads = torch.ones(2, 6), ids_of(2, 4, seed=1), torch.arange(2, 6)[None], torch.ones(2, 4)
    found = model(ids[:, 2:], past, mask, types, positions, heads, ids[:, 2:])
    wanted = model(ids[:, 2:], past=past, token_type_ids=types, labels=ids[:, 2:])
    assert found._fields == ("loss", "logits", "past")
    torch.testing.assert_close(found[:2], wanted[:2])


def test_bias_of_the_head(tmp_path):
    model = model_of(CTRLLMHeadModel)
    with torch.no_grad():
        model.lm_head.bias += 3
    scores = model.transformer(ids_of(1, 3))[0] @ model.transformer.w.weight.T
    torch.testing.assert_close(model(ids_of(1, 3)).logits, scores + 3)
    model.resize_token_embeddings(102)
    assert model.lm_head.bias[:99].eq(3).all()
    assert model.lm_head.bias[99:].eq(3).all()
    # A file of the bare model has none: it starts at 0.
    model_of(CTRLModel).save_pretrained(tmp_path)
    loaded, report = CTRLLMHeadModel.from_pretrained(str(tmp_path), output_loading_info=True)
    assert report.newly_initialized == ["lm_head.bias"]
    assert not loaded.lm_head.bias.any()


def test_salesforce_names_count_through_the_model():
    names = {
        "transformer.w.weight": ("w", "same"),
        "lm_head.bias": ("b", "same"),
        "transformer.h.0.layernorm1.weight": ("encoder/encoder_layer/layer_normalization/gamma", "same"),
        "transformer.h.0.multi_head_attention.Wq.weight": (
            "encoder/encoder_layer/multi_head_attention/dense/kernel",
            "transpose",
        ),
        "transformer.h.0.ffn.2.bias": ("encoder/encoder_layer/sequential/dense_5/bias", "same"),
        "transformer.h.2.layernorm2.bias": ("encoder/encoder_layer_2/layer_normalization_5/beta", "same"),
        "transformer.h.2.multi_head_attention.dense.weight": (
            "encoder/encoder_layer_2/multi_head_attention_2/dense_15/kernel",
            "transpose",
        ),
        "transformer.h.47.ffn.0.weight": ("encoder/encoder_layer_47/sequential_47/dense_286/kernel", "transpose"),
        "transformer.layernorm.weight": ("encoder/layer_normalization_96/gamma", "same"),
    }
    for published, original in names.items():
        assert WEIGHTS.to_original(published) == Place(*original)
        assert WEIGHTS.from_original(original[0]) == (Place(published, original[1]),)
    assert WEIGHTS.from_original("encoder/layer_normalization_4/beta") == (Place("transformer.layernorm.bias", "same"),)
    for wrong in (
        "encoder/encoder_layer_2/multi_head_attention_2/dense_18/kernel",  # layer 3's
        "encoder/encoder_layer_2/multi_head_attention_1/dense_12/kernel",
        "encoder/encoder_layer_0/sequential/dense_4/kernel",  # the first has no number
        "encoder/encoder_layer_1/other_1/dense_6/kernel",
        "encoder/layer_normalization/gamma",
    ):
        assert WEIGHTS.from_original(wrong) == (), wrong


def test_salesforce_checkpoint(tmp_path):
    """Written here under the names of the original code, with an optimizer's slots."""
    from tx_core.checkpoints import write_tf1

    source = model_of(CTRLLMHeadModel)
    arrays = {}
    for name, value in source.named_parameters():
        original, layout, *_ = WEIGHTS.to_original(name)
        original = original.replace("layer_normalization_96", "layer_normalization_4")  # of two layers
        array = value.detach().numpy()
        arrays[original] = np.ascontiguousarray(array.T if layout == "transpose" else array)
        arrays[f"{original}/Adagrad"] = np.zeros_like(arrays[original])
    arrays["global_step"] = np.array(413000, np.int64)
    write_tf1(tmp_path / "model.ckpt-413000", arrays)
    loaded, report = CTRLLMHeadModel.from_pretrained(
        str(tmp_path / "model.ckpt-413000"), config=source.config, from_tf=True, output_loading_info=True
    )
    assert not any(report.values())
    for one, two in zip(loaded.parameters(), source.parameters(), strict=True):
        assert torch.equal(one, two)
    del arrays["encoder/encoder_layer_1/sequential_1/dense_10/bias"]
    write_tf1(tmp_path / "broken.ckpt", arrays)
    with pytest.raises(WeightsError, match=r"h\.1\.ffn\.0\.bias"):
        CTRLLMHeadModel.from_pretrained(str(tmp_path / "broken.ckpt"), config=source.config, from_tf=True)


def test_salesforce_program_gets_its_own_names(tmp_path):
    """Keras numbers layers through the whole model, so the last normalisation is called by how many there are."""
    from tx_core.checkpoints import open_checkpoint
    from tx_core.converting import convert

    source = model_of(CTRLLMHeadModel)
    source.save_pretrained(tmp_path / "source")
    convert(tmp_path / "source", tmp_path / "there", "tf1")
    last, state = f"encoder/layer_normalization_{2 * source.config.n_layer}", source.state_dict()
    with open_checkpoint(tmp_path / "there") as checkpoint:
        for name, original, transposed in (
            ("transformer.layernorm.weight", f"{last}/gamma", False),
            ("transformer.w.weight", "w", False),
            ("lm_head.bias", "b", False),
            (
                "transformer.h.0.multi_head_attention.Wq.weight",
                "encoder/encoder_layer/multi_head_attention/dense/kernel",
                True,
            ),
            ("transformer.h.1.ffn.2.weight", "encoder/encoder_layer_1/sequential_1/dense_11/kernel", True),
        ):
            found = checkpoint.read(original)
            np.testing.assert_array_equal(found.T if transposed else found, state[name].numpy(), err_msg=name)
        assert "encoder/layer_normalization_96/gamma" not in checkpoint.names()


def test_odd_widths_are_refused():
    with pytest.raises(ValueError, match="n_embd is 33"):
        CTRLModel(CTRLConfig(n_embd=33, n_head=3))


def test_keywords_of_2019_that_no_model_reads() -> None:
    config = CTRLConfig(summary_type="cls_index", summary_use_proj=True, summary_first_dropout=0.1)
    assert config.to_dict()["summary_type"] == "cls_index"
