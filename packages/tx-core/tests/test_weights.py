"""Weight tables and strict comparison, on a small made-up architecture."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace

import numpy as np
import pytest

from tx_core.checkpoints import ArrayInfo
from tx_core.weights import (
    LoadReport,
    Row,
    Tied,
    Weights,
    WeightsError,
    WeightTable,
    compare,
    conv1d,
    embedding,
    keras_layers,
    linear,
    norm,
    originals,
)

TABLE = WeightTable(
    prefix="toy",
    rows=(
        embedding("toy.embeddings.word_embeddings", "toy/words", shared=True),
        *linear("toy.layer.{i}.dense", "toy/layer_{i}/dense"),
        *norm("toy.layer.{i}.LayerNorm", "toy/layer_{i}"),
        *linear("toy.layer.{i}.cross", leaves=("/kernel",)),
        *linear("toy.pooler", "toy/pooler", leaves=("/kernel",)),
        *linear("classifier", "output_", leaves=("weights",), layout="same"),
        Row("lm.bias", "lm/bias"),
    ),
    tied=(Tied("lm.decoder.weight", "toy.embeddings.word_embeddings.weight"),),
    dropped=("toy.position_ids", "toy.layer.{i}.mask"),
    renamed=((".gamma", ".weight"),),
    keras_layers={"lm": "mlm___lm"},
    keras_repeated={"mlm___lm": "toy.embeddings"},
)
LEAVES, LEAVES_TF1 = ("weight", "bias"), ("/kernel",)
HEADS = (("toy.pooler", "classifier"), ("toy.layer.{i}.cross",))


class Arrays:
    """A checkpoint in memory."""

    def __init__(self, arrays: Mapping[str, object], form: str = "safetensors") -> None:
        self.reads: list[str] = []
        self._arrays = {name: np.asarray(array) for name, array in arrays.items()}
        self.format = form
        self.metadata: dict[str, str] = {}

    def names(self) -> list[str]:
        return list(self._arrays)

    def info(self, name: str) -> ArrayInfo:
        return ArrayInfo(self._arrays[name].shape, str(self._arrays[name].dtype))

    def read(self, name: str) -> np.ndarray:
        self.reads.append(name)
        return self._arrays[name]

    def same(self, name: str, other: str) -> bool:
        return self._arrays[name] is self._arrays[other]

    def close(self) -> None: ...


def floats(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


FULL = {
    "toy.embeddings.word_embeddings.weight": floats(5, 2),
    "toy.layer.0.dense.weight": floats(3, 2),
    "toy.layer.0.dense.bias": floats(3),
    "toy.layer.0.LayerNorm.weight": floats(2),
    "toy.layer.0.LayerNorm.bias": floats(2),
    "toy.layer.0.cross.weight": floats(2, 2),
    "toy.pooler.weight": floats(2, 2),
    "classifier.weight": floats(4, 2),
}
WANTED = {name: array.shape for name, array in FULL.items()}


def load(
    arrays: Mapping[str, object],
    wanted: Mapping[str, tuple[int, ...]] = WANTED,
    heads: tuple[tuple[str, ...], ...] = HEADS,
    tied: Mapping[str, str] | None = None,
    form: str = "safetensors",
    users_base: str | None = None,
) -> tuple[LoadReport, dict[str, str], Weights]:
    weights = Weights(Arrays(arrays, form), TABLE, {name: name for name in wanted if TABLE.row(name) is None}, "x.bin")
    report, origin = compare(weights, wanted, TABLE, heads, tied or {}, users_base)
    return report, origin, weights


def without(*names: str) -> dict[str, np.ndarray]:
    return {name: array for name, array in FULL.items() if name not in names}


def test_everything_there() -> None:
    report, origin, weights = load(FULL)
    assert report.loaded == list(FULL)
    assert list(report.values()) == [[], [], [], []]
    np.testing.assert_array_equal(weights.read(origin["toy.layer.0.dense.weight"]), FULL["toy.layer.0.dense.weight"])


def test_prefix_is_restored_and_old_endings_renamed() -> None:
    bare = {name.removeprefix("toy.").replace("LayerNorm.weight", "LayerNorm.gamma"): a for name, a in FULL.items()}
    report, _, _ = load(bare)
    assert sorted(report.loaded) == sorted(FULL)


def test_the_same_parameter_with_and_without_prefix_must_agree() -> None:
    twice = {**FULL, "layer.0.dense.bias": floats(3) + 1}
    with pytest.raises(WeightsError, match=r"'toy.layer.0.dense.bias' and 'layer.0.dense.bias' are one parameter"):
        load(twice)
    load({**FULL, "layer.0.dense.bias": floats(3)})


def test_missing_parameter_is_an_error_with_a_report() -> None:
    with pytest.raises(
        WeightsError, match=r"x\.bin cannot be loaded(.|\n)*missing(.|\n)*toy\.layer\.0\.dense\.bias"
    ) as e:
        load(without("toy.layer.0.dense.bias"))
    assert e.value.report is not None
    assert e.value.report.missing_keys == ["toy.layer.0.dense.bias"]
    assert e.value.report.newly_initialized == []


@pytest.mark.parametrize(
    ("absent", "fine"),
    [
        (("classifier.weight",), True),
        (("toy.pooler.weight", "classifier.weight"), True),
        (("toy.pooler.weight",), False),  # the classifier was trained on another pooler
        (("toy.layer.0.cross.weight",), True),
        (("toy.layer.0.cross.weight", "classifier.weight"), True),
    ],
)
def test_a_new_head_may_be_missing_as_a_whole_chain(absent: tuple[str, ...], fine: bool) -> None:
    if fine:
        report, _, _ = load(without(*absent))
        assert sorted(report.newly_initialized) == sorted(report.missing_keys) == sorted(absent)
    else:
        with pytest.raises(WeightsError, match=r"toy\.pooler\.weight"):
            load(without(*absent))


def test_part_of_a_group_may_not_be_missing() -> None:
    wanted = {**WANTED, "toy.layer.1.cross.weight": (2, 2)}
    with pytest.raises(WeightsError, match=r"toy\.layer\.1\.cross\.weight"):
        load(FULL, wanted)


def test_unknown_name_is_an_error_and_another_heads_is_not() -> None:
    with pytest.raises(WeightsError, match=r"unknown to the model \(1\):\n  toy\.layer\.0\.surprise"):
        load({**FULL, "toy.layer.0.surprise": floats(1)})
    report, _, _ = load({**FULL, "lm.bias": floats(5), "toy.position_ids": np.arange(4), "toy.layer.0.mask": floats(1)})
    assert sorted(report.dropped) == ["lm.bias", "toy.layer.0.mask", "toy.position_ids"]


def test_shape_and_kind_are_checked() -> None:
    with pytest.raises(
        WeightsError, match=r"classifier\.weight: .* shape \(3, 2\), the model wants \(4, 2\)(.|\n)*num_la"
    ):
        load({**FULL, "classifier.weight": floats(3, 2)})
    with pytest.raises(WeightsError, match=r"classifier\.weight: the file has dtype int64"):
        load({**FULL, "classifier.weight": np.zeros((4, 2), np.int64)})
    with pytest.raises(WeightsError, match=r"classifier\.weight: the file has dtype complex64, the model wants floats"):
        load({**FULL, "classifier.weight": np.zeros((4, 2), np.complex64)})


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.", "state_dict.model._orig_mod.", "net.toy_model."])
def test_names_under_one_prefix(prefix: str) -> None:
    under = {prefix + name: array for name, array in FULL.items()}
    state = {
        name: floats(1)
        for name in ("optimizer.state.0.exp_avg", "optimizer_states.0.x", "lr_scheduler.best", "epoch", "scaler.scale")
    }
    for given in (under, {**under, **state}):
        report, origin, weights = load(given)
        assert report.loaded == list(FULL)
        assert report.prefix == prefix
        assert f"all under '{prefix}'" in repr(report)
        assert report.dropped == [name for name in given if name in state]
        np.testing.assert_array_equal(weights.read(origin["toy.pooler.weight"]), FULL["toy.pooler.weight"])
    bare = {prefix + name.removeprefix("toy."): array for name, array in FULL.items()}
    assert load(bare)[0].prefix == prefix
    assert load(FULL)[0].prefix == ""


@pytest.mark.parametrize("other", ["classifier.weight", "teacher.toy.pooler.weight", "loss.w"])
def test_names_that_are_not_all_under_one_prefix(other: str) -> None:
    under = {f"module.{name}": array for name, array in FULL.items()}
    with pytest.raises(WeightsError, match="unknown to the model"):
        load({**under, other: floats(4, 2)})


def test_a_training_state_beside_published_names_is_unknown() -> None:
    with pytest.raises(WeightsError, match=r"optimizer\.state"):
        load({**FULL, "optimizer.state": floats(1)})


def test_what_is_unknown_under_a_prefix_is_named_as_in_the_file() -> None:
    under = {f"module.{name}": array for name, array in FULL.items()}
    with pytest.raises(WeightsError, match=r"module\.other\.weight"):
        load({**under, "module.other.weight": floats(1)})


def test_file_of_something_else() -> None:
    with pytest.raises(WeightsError, match="none of the model's parameters"):
        load({"lm.bias": floats(5)}, heads=(tuple(FULL),))


def test_tied_names() -> None:
    tied = TABLE.aliases()
    words = FULL["toy.embeddings.word_embeddings.weight"]
    only_alias = {**without("toy.embeddings.word_embeddings.weight"), "lm.decoder.weight": words}
    _, origin, _ = load(only_alias, tied=tied)
    assert origin["toy.embeddings.word_embeddings.weight"] == "lm.decoder.weight"
    load({**FULL, "lm.decoder.weight": words}, tied=tied)
    with pytest.raises(WeightsError, match="tie_word_embeddings=False"):
        load({**FULL, "lm.decoder.weight": words + 1}, tied=tied)


def test_a_users_own_head() -> None:
    """Whatever its modules are called; those of the bare model are as strict as ever."""
    wanted = {**WANTED, "my.weight": (1,), "lm.bias": (5,), "lm.scale": (1,), "toy.layer.0.extra": (1,)}
    new = ["my.weight", "lm.bias", "lm.scale", "toy.layer.0.extra"]
    report, _, _ = load(FULL, wanted, (), users_base="toy")
    assert report.newly_initialized == new
    report, _, _ = load({**FULL, "my.weight": floats(1)}, wanted, (), users_base="toy")
    assert report.newly_initialized == new[1:]
    report, _, _ = load(without("classifier.weight"), wanted, (), users_base="toy")
    assert report.newly_initialized == ["classifier.weight", *new]
    with pytest.raises(WeightsError, match=r"missing from the file \(1\):\n  toy\.pooler\.weight"):
        load(without("toy.pooler.weight"), wanted, (), users_base="toy")
    with pytest.raises(WeightsError, match=r"missing from the file \(1\):\n  lm\.bias"):
        load({**FULL, "lm.scale": floats(1)}, wanted, (), users_base="toy")
    # A class that extends one of the architecture's keeps to the rules of that one.
    report, _, _ = load(without("toy.pooler.weight", "classifier.weight"), WANTED, users_base="toy")
    assert report.newly_initialized == ["toy.pooler.weight", "classifier.weight"]
    with pytest.raises(WeightsError, match=r"toy\.pooler\.weight"):
        load(without("toy.pooler.weight"), WANTED, users_base="toy")


def test_originals_both_ways() -> None:
    arrays = {name: (lambda a=array: a) for name, array in FULL.items() if "cross" not in name}
    tf1 = {name: make() for name, make in originals(arrays, TABLE).items()}
    assert tf1["toy/layer_0/dense/kernel"].shape == (2, 3)
    report, origin, weights = load({**tf1, "toy/words/adam_m": floats(5, 2), "global_step": np.int64(3)}, form="tf1")
    assert sorted(report.dropped) == ["global_step", "toy/words/adam_m"]
    assert report.newly_initialized == ["toy.layer.0.cross.weight"]
    for name in arrays:
        np.testing.assert_array_equal(weights.read(origin[name]), FULL[name])
    with pytest.raises(WeightsError, match=r"toy\.layer\.0\.cross\.weight has no name"):
        originals({"toy.layer.0.cross.weight": lambda: floats(1)}, TABLE)


def test_keras_names_both_ways() -> None:
    arrays = {name: (lambda a=array: a) for name, array in {**FULL, "lm.bias": floats(5)}.items()}
    layers = keras_layers(arrays, TABLE, "tf_toy_for_lm")
    words = "tf_toy_for_lm/toy/embeddings/word_embeddings/weight:0"
    assert list(layers["mlm___lm"]) == ["tf_toy_for_lm/mlm___lm/bias:0", words]
    assert words in layers["toy"]
    assert "tf_toy_for_lm/toy/layer_._0/LayerNorm/gamma:0" in layers["toy"]
    assert layers["toy"]["tf_toy_for_lm/toy/layer_._0/dense/kernel:0"]().shape == (2, 3)
    file = {f"{layer}/{name}": make() for layer, weights in layers.items() for name, make in weights.items()}
    report, origin, weights = load(file, form="keras_h5")
    assert report.dropped == ["lm.bias"]
    for name, array in FULL.items():
        np.testing.assert_array_equal(weights.read(origin[name]), array)


@pytest.mark.parametrize("first", ["toy_1", "tf_toy_model_1/toy", "tf_toy_for_lm_3/toy"])
def test_keras_names_with_counters(first: str) -> None:
    assert TABLE.from_keras(f"toy/{first}/layer_._12/dense/kernel:0") == ("toy.layer.12.dense.weight", "transpose")
    assert TABLE.from_keras(f"toy/{first}/layer_._12/nonsense/kernel:0") is None


def test_absurd_names_cost_no_time_and_no_screen() -> None:
    name = "a/" * 100_000 + "kernel:0"  # quadratic: an hour
    assert TABLE.from_keras(name) is None
    with pytest.raises(WeightsError, match=r"unknown to the model \(1\):\n  a/.*… \(200008 characters\)") as caught:
        load(FULL | {name: floats(1)})
    assert len(str(caught.value)) < 2000


def test_keras_bias_of_one_row() -> None:
    file = {"toy/toy/layer_._0/dense/bias:0": floats(1, 3)}
    _, origin, weights = load(file, {"toy.layer.0.dense.bias": (3,)}, form="keras_h5")
    assert weights.read(origin["toy.layer.0.dense.bias"]).shape == (3,)


def test_report_is_a_mapping_of_2019() -> None:
    report = LoadReport("x", missing_keys=["a"])
    assert dict(report) == {"missing_keys": ["a"], "unexpected_keys": [], "mismatched_keys": [], "error_msgs": []}
    with pytest.raises(KeyError):
        report["loaded"]


# -- kinds ----------------------------------------


def test_kinds_give_keras_leaf_and_layout() -> None:
    rows = (
        *linear("a.dense", "a/dense"),
        *conv1d("a.conv", "a/conv"),
        *norm("a.ln", "a/ln", leaves=("/g", "/b")),
        embedding("a.positions", "a/wpe"),
        embedding("a.words", "a/wte", shared=True),
        Row("a.bias", "a/b"),
    )
    found = [(row.name, row.original, row.layout, row.keras_leaf) for row in rows]
    assert found == [
        ("a.dense.weight", "a/dense/kernel", "transpose", "kernel"),
        ("a.dense.bias", "a/dense/bias", "same", "bias"),
        ("a.conv.weight", "a/conv/w", "squeeze", "weight"),
        ("a.conv.bias", "a/conv/b", "same", "bias"),
        ("a.ln.weight", "a/ln/g", "same", "gamma"),
        ("a.ln.bias", "a/ln/b", "same", "beta"),
        ("a.positions.weight", "a/wpe", "same", "embeddings"),
        ("a.words.weight", "a/wte", "same", "weight"),
        ("a.bias", "a/b", "same", "bias"),
    ]
    assert [row.original for row in linear("a.dense")] == [None, None]


def test_kernels_without_their_axis_of_one_are_said() -> None:
    table = WeightTable("toy", conv1d("toy.conv", "toy/conv"))
    with Weights(Arrays({"toy/conv/w": floats(2, 3, 4)}, "tf1"), table) as weights:
        assert weights.misfits == ["toy/conv/w: shape (2, 3, 4) does not begin with an axis of one"]


# -- one original, several parameters ----------------------------------------

Q, K, V = (f"toy.layer.{{i}}.{name}" for name in ("query", "key", "value"))
FUSED = WeightTable(
    prefix="toy",
    rows=(
        *linear(Q, "layers.{i}.in_proj_", ("weight", "bias"), "same", part=(0, 3)),
        *linear(K, "layers.{i}.in_proj_", ("weight", "bias"), "same", part=(1, 3)),
        *linear(V, "layers.{i}.in_proj_", ("weight", "bias"), "same", part=(2, 3)),
    ),
)
FUSED_FILE = {
    "layers.0.in_proj_weight": floats(6, 2),
    "layers.0.in_proj_bias": floats(6),
    "layers.1.in_proj_weight": floats(6, 2) + 100,
    "layers.1.in_proj_bias": floats(6) + 100,
}


def parameters(weights: Weights) -> dict[str, np.ndarray]:
    return {name: weights.read(name) for name in weights.names()}


def readers(arrays: Mapping[str, np.ndarray]) -> dict[str, Callable[[], np.ndarray]]:
    return {name: (lambda a=array: a) for name, array in arrays.items()}  # type: ignore[misc]


def test_parts_of_one_array() -> None:
    raw = Arrays(FUSED_FILE, "torch")
    weights = Weights(raw, FUSED)
    # In the order of a model, which asks for the bias between two parts of the weight.
    order = [f"toy.layer.{i}.{part}.{leaf}" for i in (0, 1) for part in ("query", "key", "value") for leaf in LEAVES]
    found = {name: weights.read(name) for name in order}
    assert sorted(found) == sorted(weights.names())
    assert sorted(raw.reads) == sorted(FUSED_FILE), "each array is read once"
    np.testing.assert_array_equal(found["toy.layer.1.key.weight"], FUSED_FILE["layers.1.in_proj_weight"][2:4])
    np.testing.assert_array_equal(found["toy.layer.0.value.bias"], [4, 5])
    assert weights.shape("toy.layer.1.key.weight") == (2, 2)
    assert all(array.base is None for array in found.values()), "a parameter keeps no more than itself in memory"
    assert weights.read("toy.layer.1.key.weight").shape == (2, 2), "again, from the file"
    back = {name: make() for name, make in originals(readers(found), FUSED).items()}
    assert list(back) == ["layers.0.in_proj_weight", "layers.0.in_proj_bias", *list(FUSED_FILE)[2:]]
    for name, array in back.items():
        np.testing.assert_array_equal(array, FUSED_FILE[name])


def test_parts_are_laid_out_one_by_one() -> None:
    table = WeightTable(
        "toy", tuple(r for k in (0, 1) for r in linear(f"toy.{k}", "toy/both", LEAVES_TF1, part=(k, 2)))
    )
    weights = Weights(Arrays({"toy/both/kernel": floats(6, 2)}, "tf1"), table)
    assert weights.shape("toy.1.weight") == (2, 3)
    np.testing.assert_array_equal(weights.read("toy.1.weight"), floats(6, 2)[3:].T)
    back = originals(readers(parameters(weights)), table)
    np.testing.assert_array_equal(back["toy/both/kernel"](), floats(6, 2))


def test_array_without_such_parts_is_said() -> None:
    weights = Weights(Arrays(FUSED_FILE | {"layers.0.in_proj_weight": floats(7, 2)}, "torch"), FUSED, source="x.pt")
    wanted = {"toy.layer.0.query.weight": (2, 2), "toy.layer.0.query.bias": (2,)}
    with pytest.raises(WeightsError, match=r"(?s)x\.pt cannot.*layers\.0\.in_proj_weight: .*\(7, 2\) has no 3 equal"):
        compare(weights, wanted, FUSED, (), {})


def test_writing_lacks_no_part() -> None:
    found = parameters(Weights(Arrays(FUSED_FILE, "torch"), FUSED))
    del found["toy.layer.1.key.bias"], found["toy.layer.1.query.bias"]
    wanted = r"'layers\.1\.in_proj_bias' .* toy\.layer\.1\.query\.bias, toy\.layer\.1\.key\.bias is not given"
    with pytest.raises(WeightsError, match=wanted):
        originals(readers(found), FUSED)


def test_parts_that_stand_twice_must_agree() -> None:
    known = {"own": "toy.layer.0.key.bias"}
    for value, wanted in ((floats(6)[2:4], 0), (floats(2), 1)):
        weights = Weights(Arrays({"layers.0.in_proj_bias": floats(6), "own": value}, "tf1"), FUSED, known)
        assert len(weights.differing_twins()) == wanted


# Biases of all layers in one array, as the TensorFlow code of Transformer-XL and XLNet has them; without untie_r the
# layers share one.
STACKED = WeightTable(
    prefix="toy",
    rows=(
        *linear("toy.layer.{i}.ff", "toy/layer_{i}/ff"),
        Row("toy.layer.{i}.attn.r_bias", "toy/r_bias", part="{i}"),
        Row("toy.r_bias", "toy/r_bias"),
        Row("toy.layer.{i}.scale", "toy/scales", part="{i}"),
    ),
    tied_by=lambda config: () if config.untie_r else [Tied(f"toy.layer.{i}.attn.r_bias", "toy.r_bias") for i in (0, 1)],
)


def stacked_model(untie_r: bool, layers: int = 2) -> dict[str, tuple[int, ...]]:
    wanted: dict[str, tuple[int, ...]] = {} if untie_r else {"toy.r_bias": (2, 3)}
    for i in range(layers):
        wanted |= {f"toy.layer.{i}.ff.weight": (4, 2), f"toy.layer.{i}.ff.bias": (4,), f"toy.layer.{i}.scale": ()}
        wanted |= {f"toy.layer.{i}.attn.r_bias": (2, 3)} if untie_r else {}
    return wanted


def stacked_file(untie_r: bool, layers: int = 2) -> dict[str, np.ndarray]:
    dense = {
        f"toy/layer_{i}/ff/{n}": floats(*s) for i in range(layers) for n, s in (("kernel", (2, 4)), ("bias", (4,)))
    }
    return dense | {"toy/r_bias": floats(layers, 2, 3) if untie_r else floats(2, 3), "toy/scales": floats(layers)}


@pytest.mark.parametrize("untie_r", [True, False])
def test_stack_of_layers(untie_r: bool) -> None:
    file, wanted = stacked_file(untie_r), stacked_model(untie_r)
    tied = STACKED.ties(SimpleNamespace(untie_r=untie_r), False, set)
    raw = Arrays(file, "tf1")
    weights = Weights(raw, STACKED)
    report, origin = compare(weights, wanted, STACKED, (), tied)
    assert report.dropped == []
    raw.reads.clear()
    found = {name: weights.read(origin[name]) for name in wanted}
    assert sorted(raw.reads) == sorted(file), "each array is read once"
    assert {name: array.shape for name, array in found.items()} == wanted
    assert found["toy.layer.1.scale"] == 1
    if untie_r:
        np.testing.assert_array_equal(found["toy.layer.1.attn.r_bias"], file["toy/r_bias"][1])
    back = {name: make() for name, make in originals(readers(found), STACKED).items()}
    assert sorted(back) == sorted(file)
    for name, array in back.items():
        np.testing.assert_array_equal(array, file[name])
        assert array.shape == file[name].shape


def test_stack_of_another_number_of_layers() -> None:
    weights = Weights(Arrays(stacked_file(True, 3), "tf1"), STACKED)
    report, _ = compare(weights, stacked_model(True), STACKED, (), {})
    extra = [f"toy.layer.2.{name}" for name in ("ff.weight", "ff.bias", "attn.r_bias", "scale")]
    assert sorted(report.dropped) == sorted(extra), "as the parameters that have an array each"
    weights = Weights(Arrays(stacked_file(True), "tf1"), STACKED)
    with pytest.raises(WeightsError, match=r"toy\.layer\.2\.attn\.r_bias"):
        compare(weights, stacked_model(True, 3), STACKED, (), {})


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_writing_lacks_no_layer_of_a_stack(gone: int) -> None:
    """The last one too: the other parameters of its layer tell of it."""
    arrays = {name: floats(*shape) for name, shape in stacked_model(True, 3).items()}
    del arrays[f"toy.layer.{gone}.attn.r_bias"]
    with pytest.raises(WeightsError, match=rf"'toy/r_bias' .* toy\.layer\.{gone}\.attn\.r_bias is not given"):
        originals(readers(arrays), STACKED)


def test_writing_one_array_as_a_whole_and_in_parts_is_refused() -> None:
    arrays = {"toy.r_bias": floats(2, 3), "toy.layer.0.attn.r_bias": floats(3)}
    with pytest.raises(WeightsError, match=r"'toy/r_bias' .* toy\.r_bias, toy\.layer\.0\.attn\.r_bias"):
        originals(readers(arrays), STACKED)


# XLNet's: what the layers share is the first one's, and a stack that all of them have stands beside it.
SHARED = WeightTable(
    prefix="toy",
    rows=(
        *linear("toy.layer.{i}.ff", "toy/layer_{i}/ff"),
        Row("toy.layer.{i}.r_bias", "toy/r_bias", part="{i}", axes=2),
        Row("toy.layer.{i}.segments", "toy/segments", part="{i}"),
        Row("toy.mask", "toy/mask", absent=0),
    ),
    tied_by=lambda config: () if config.untie_r else [Tied("toy.layer.1.r_bias", "toy.layer.0.r_bias")],
)


@pytest.mark.parametrize("untie_r", [True, False])
def test_stack_or_what_layers_share(untie_r: bool) -> None:
    file = {f"toy/layer_{i}/ff/{n}": floats(*s) for i in (0, 1) for n, s in (("kernel", (2, 4)), ("bias", (4,)))}
    file |= {"toy/segments": floats(2, 2, 2, 3), "toy/mask": floats(3)}
    file["toy/r_bias"] = floats(2, 2, 3) if untie_r else floats(2, 3)
    tied = SHARED.ties(SimpleNamespace(untie_r=untie_r), False, set)
    wanted: dict[str, tuple[int, ...]] = {"toy.mask": (3,)}
    for i in (0, 1):
        wanted |= {f"toy.layer.{i}.ff.weight": (4, 2), f"toy.layer.{i}.ff.bias": (4,)}
        wanted |= {f"toy.layer.{i}.segments": (2, 2, 3), f"toy.layer.{i}.r_bias": (2, 3)}
    wanted = {name: shape for name, shape in wanted.items() if name not in tied}
    weights = Weights(Arrays(file, "tf1"), SHARED)
    report, origin = compare(weights, wanted, SHARED, (), tied)
    assert report.dropped == []
    found = {name: weights.read(origin[name]) for name in wanted}
    assert {name: array.shape for name, array in found.items()} == wanted
    np.testing.assert_array_equal(found["toy.layer.0.r_bias"], file["toy/r_bias"][0] if untie_r else file["toy/r_bias"])
    back = {name: make() for name, make in originals(readers(found), SHARED).items()}
    assert sorted(back) == sorted(file)
    for name, array in back.items():
        np.testing.assert_array_equal(array, file[name])
    # The configuration has to be that of the file.
    other = {**wanted, "toy.layer.1.r_bias": (2, 3)}
    if not untie_r:
        with pytest.raises(WeightsError, match=r"toy\.layer\.1\.r_bias"):
            compare(Weights(Arrays(file, "tf1"), SHARED), other, SHARED, (), {})


def test_writing_lacks_no_layer_of_a_stack_but_what_they_share() -> None:
    shapes = {f"toy.layer.{i}.{name}": (2, 3) for i in (0, 1, 2) for name in ("ff.weight", "r_bias")}
    arrays = {name: floats(*shape) for name, shape in shapes.items() if name != "toy.layer.2.r_bias"}
    with pytest.raises(WeightsError, match=r"'toy/r_bias' .* toy\.layer\.2\.r_bias is not given"):
        originals(readers(arrays), SHARED)


def test_what_authors_do_without() -> None:
    wanted = {"toy.layer.0.ff.weight": (4, 2), "toy.layer.0.ff.bias": (4,), "toy.mask": (1, 3)}
    file = {"toy/layer_0/ff/kernel": floats(2, 4), "toy/layer_0/ff/bias": floats(4)}
    weights = Weights(Arrays(file, "tf1"), SHARED)
    _, origin = compare(weights, wanted, SHARED, (), {})
    np.testing.assert_array_equal(weights.take(origin["toy.mask"]), np.zeros((1, 3), np.float32))
    published = {"toy.layer.0.ff.weight": floats(4, 2), "toy.layer.0.ff.bias": floats(4)}
    with pytest.raises(WeightsError, match=r"missing from the file \(1\):\n  toy\.mask"):
        compare(Weights(Arrays(published), SHARED), wanted, SHARED, (), {})


# Transformer-XL's softmax: with tables of one width the model has one bias, and the authors one a cluster.
CLUSTERS = WeightTable(
    prefix="toy",
    rows=(
        *linear("out.{j}", "cutoff_{j}", ("/W", "/b"), "same"),
        Row("proj.{j}", "cutoff_{j}/proj", "transpose", "projection", absent="identity"),
    ),
    pieces={"out.0.bias": "out.{j}.bias"},
    keras_layers={"proj": "crit.proj", "out.{j}.bias": "crit.out_._{j}_._bias"},
)


def test_pieces_are_joined() -> None:
    file = {"cutoff_0/W": floats(9, 2), **{f"cutoff_{j}/b": floats(n) + j for j, n in enumerate((4, 3, 2))}}
    raw = Arrays(file, "tf1")
    weights = Weights(raw, CLUSTERS)
    wanted = {"out.0.weight": (9, 2), "out.0.bias": (9,)}
    report, origin = compare(weights, wanted, CLUSTERS, (), {})
    assert (sorted(report.loaded), report.dropped) == (sorted(wanted), [])
    whole = np.concatenate([file[f"cutoff_{j}/b"] for j in range(3)])
    np.testing.assert_array_equal(weights.take(origin["out.0.bias"]), whole)
    weights.give_back(origin["out.0.bias"])
    # Pieces of another size are no pieces of this one, and a file of published names has none.
    for form, size, message in (("tf1", 8, r"shape \(4,\), the model wants \(8,\)"), ("torch", 9, r"wants \(9,\)")):
        names = {CLUSTERS.from_original(name)[0].name: array for name, array in file.items()}
        weights = Weights(Arrays(file if form == "tf1" else names, form), CLUSTERS)
        with pytest.raises(WeightsError, match=message):
            compare(weights, {**wanted, "out.0.bias": (size,)}, CLUSTERS, (), {})


def test_projections_that_authors_do_without() -> None:
    file = {"cutoff_0/W": floats(9, 2), "cutoff_0/b": floats(9), "cutoff_1/proj": floats(2, 3)}
    wanted = {"out.0.weight": (9, 2), "out.0.bias": (9,), "proj.0": (3, 3), "proj.1": (3, 2)}
    weights = Weights(Arrays(file, "tf1"), CLUSTERS)
    _, origin = compare(weights, wanted, CLUSTERS, (), {})
    np.testing.assert_array_equal(weights.read(origin["proj.0"]), np.eye(3, dtype=np.float32))
    with pytest.raises(WeightsError, match=r"missing .*\n  proj\.2"):
        compare(Weights(Arrays(file, "tf1"), CLUSTERS), {**wanted, "proj.2": (3, 1)}, CLUSTERS, (), {})


def test_whole_names_of_keras_files() -> None:
    for name, keras in (("out.2.bias", "m/crit/out_._2_._bias:0"), ("proj.1", "m/crit/proj_._1:0")):
        assert CLUSTERS.to_keras(name, "m")[:2] == ("crit", keras)


@pytest.mark.parametrize("shape", [(), (10**9, 0)])
def test_what_is_no_stack_is_said(shape: tuple[int, ...]) -> None:
    weights = Weights(Arrays({"toy/scales": np.zeros(shape, np.float32)}, "tf1"), STACKED)
    assert weights.names() == []
    assert len(weights.misfits) == 1
    assert str(shape) in weights.misfits[0]


# -- the authors' names ----------------------------------------

RELEASES = WeightTable(
    prefix="toy",
    rows=(
        *linear("toy.query", "attn.q_proj", (".weight", ".bias"), "same"),
        *linear("toy.key", "attn.k_proj", (".weight", ".bias"), "same"),
    ),
    other_originals=(
        *linear("toy.query", "attn.in_proj_", ("weight", "bias"), "same", part=(0, 2)),
        *linear("toy.key", "attn.in_proj_", ("weight", "bias"), "same", part=(1, 2)),
    ),
)


def test_other_releases_of_the_authors_are_read() -> None:
    separate = {
        f"attn.{part}_proj.{leaf}": floats(2, 2)[: 2 if leaf == "weight" else 1] for part in "qk" for leaf in LEAVES
    }
    fused = {"attn.in_proj_weight": np.concatenate([floats(2, 2)] * 2), "attn.in_proj_bias": floats(2, 2)[[0, 0]]}
    arrays = [parameters(Weights(Arrays(file, "torch"), RELEASES)) for file in (separate, fused)]
    assert sorted(arrays[0]) == sorted(arrays[1])
    for name, array in arrays[0].items():
        np.testing.assert_array_equal(array, arrays[1][name])
    assert sorted(originals(readers(arrays[1]), RELEASES)) == sorted(separate), "written as rows say"


def test_a_file_has_the_authors_names_or_the_published_ones() -> None:
    file = {"toy.query.weight": floats(1), "attn.k_proj.weight": floats(1)}
    assert Weights(Arrays(file, "torch"), RELEASES).unexpected == ["attn.k_proj.weight"]
    assert Weights(Arrays({"x": floats(1)}, "torch"), RELEASES).unexpected == ["x"]
    known = {"mine.weight": "mine.weight"}
    file = {"mine.weight": floats(1), "attn.k_proj.weight": floats(1)}
    assert Weights(Arrays(file, "torch"), RELEASES, known).unexpected == ["attn.k_proj.weight"]
    mixed = Weights(Arrays({"attn.k_proj.weight": floats(1), "x": floats(1)}, "torch"), RELEASES)
    assert (mixed.names(), mixed.unexpected) == (["toy.key.weight"], ["x"])


def test_slots_of_optimizers_are_dropped() -> None:
    for slot in (
        "global_step",
        "beta1_power",
        "toy/words/adam_v",
        "toy/words/Adam_1",
        "lm/bias/Adagrad",
        "training/x/y",
    ):
        assert Weights(Arrays({slot: floats(1)}, "tf1"), TABLE).dropped == [slot]
    for unknown in ("toy/adam_m/words", "w/Adagrad", "toy/words/Other", "loss_scales/kernel"):
        assert Weights(Arrays({unknown: floats(1)}, "tf1"), TABLE).unexpected == [unknown]
    # What the table does not know is told once, without what optimizers note of it.
    both = Weights(Arrays({"w": floats(1), "w/Adagrad": floats(1)}, "tf1"), TABLE)
    assert (both.unexpected, both.dropped) == (["w"], ["w/Adagrad"])


# -- ties that the configuration decides ----------------------------------------


def adaptive_ties(config: SimpleNamespace) -> Iterator[Tied]:
    """Those of Transformer-XL: an embedding and, if div_val is not 1, a projection for each cluster of words."""
    clusters = range(1 if config.div_val == 1 else len(config.cutoffs) + 1)
    for i in clusters:
        if config.tie_weight:
            yield Tied(f"crit.out_layers.{i}.weight", f"toy.emb_layers.{i}.weight")
    for i in range(len(config.cutoffs) + 1):
        if config.tie_projs[i]:
            yield Tied(f"crit.out_projs.{i}", f"toy.emb_projs.{0 if config.div_val == 1 else i}")


ADAPTIVE = WeightTable(
    prefix="toy",
    rows=(
        embedding("toy.emb_layers.{i}", "toy/cutoff_{i}/lookup_table"),
        Row("toy.emb_projs.{i}", "toy/cutoff_{i}/proj", "transpose", "projection"),
        *linear("crit.out_layers.{i}", "softmax/cutoff_{i}", ("/W", "/b"), "same"),
        Row("crit.out_projs.{i}", "softmax/cutoff_{i}/proj", "transpose", "projection"),
    ),
    tied_by=adaptive_ties,
)


def test_projections_are_transposed_in_keras_files() -> None:
    arrays = {"toy.emb_projs.3": floats(6, 2), "crit.out_layers.0.weight": floats(5, 2)}
    layers = keras_layers(readers(arrays), ADAPTIVE, "tf_toy")
    assert layers["toy"]["tf_toy/toy/emb_projs_._3:0"]().shape == (2, 6)
    file = {name: make() for each in layers.values() for name, make in each.items()}
    found = parameters(Weights(Arrays(file, "keras_h5"), ADAPTIVE))
    assert sorted(found) == sorted(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


def adaptive_model(config: SimpleNamespace) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    """Shapes of the parameters and ties of a model of 9 words."""
    ends = [*config.cutoffs, 9] if config.div_val != 1 else [9]
    shapes: dict[str, tuple[int, ...]] = {}
    for i, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        width = 4 // config.div_val**i
        shapes |= {f"toy.emb_layers.{i}.weight": (end - start, width), f"toy.emb_projs.{i}": (6, width)}
        shapes |= {f"crit.out_layers.{i}.weight": (end - start, width), f"crit.out_layers.{i}.bias": (end - start,)}
    for i in range(len(config.cutoffs) + 1):
        shapes[f"crit.out_projs.{i}"] = shapes[f"toy.emb_projs.{0 if config.div_val == 1 else i}"]
    ties = ADAPTIVE.ties(config, True, set)
    return {name: shape for name, shape in shapes.items() if name not in ties}, ties


@pytest.mark.parametrize("div_val", [1, 2])
@pytest.mark.parametrize("tie_weight", [True, False])
@pytest.mark.parametrize("tie_projs", [[False, False], [False, True], [True, True]])
def test_ties_of_the_configuration(div_val: int, tie_weight: bool, tie_projs: list[bool]) -> None:
    config = SimpleNamespace(
        cutoffs=[5], div_val=div_val, tie_weight=tie_weight, tie_projs=tie_projs, tie_word_embeddings=True
    )
    wanted, ties = adaptive_model(config)
    clusters = 1 if div_val == 1 else 2
    assert len(ties) == tie_weight * clusters + sum(tie_projs)
    arrays = {name: floats(*shape) + len(name) for name, shape in wanted.items()}
    # A published file may have the tied names too; if they differ, the configuration is not that of the file.
    both = arrays | {alias: arrays[name] for alias, name in ties.items()}
    only_aliases = {name: array for name, array in both.items() if name not in ties.values()}
    for file in (arrays, both, only_aliases):
        weights = Weights(Arrays(file), ADAPTIVE)
        report, origin = compare(weights, wanted, ADAPTIVE, (), ties)
        assert report.dropped == []
        for name, array in arrays.items():
            np.testing.assert_array_equal(weights.read(origin[name]), array)
    for alias in ties:
        with pytest.raises(
            WeightsError, match=rf"{re.escape(alias)} are tied .*a configuration that does not tie them"
        ):
            compare(Weights(Arrays({**both, alias: both[alias] + 1}), ADAPTIVE), wanted, ADAPTIVE, (), ties)
    # The authors' checkpoint has what is a parameter of its own.
    tf1 = {name: make() for name, make in originals(readers(arrays), ADAPTIVE).items()}
    assert len(tf1) == len(wanted)
    weights = Weights(Arrays(tf1, "tf1"), ADAPTIVE)
    _, origin = compare(weights, wanted, ADAPTIVE, (), ties)
    for name, array in arrays.items():
        np.testing.assert_array_equal(weights.read(origin[name]), array)


def test_ties_of_the_output_layer() -> None:
    table = WeightTable(
        "toy",
        TABLE.rows,
        tied=(*TABLE.tied, Tied("lm.decoder.bias", "lm.bias")),
        tied_by=lambda config: [Tied("toy.a", "toy.b")] if config.twice else [],
    )
    words = {"lm.decoder.weight": "toy.embeddings.word_embeddings.weight"}
    bias, twice = {"lm.decoder.bias": "lm.bias"}, {"toy.a": "toy.b"}
    for tie, again, output, wanted in (
        (True, False, True, words | bias),
        (False, False, True, bias),
        (False, True, True, bias | twice),
        (True, True, False, twice),
        (True, False, False, {}),
    ):
        config = SimpleNamespace(tie_word_embeddings=tie, twice=again)
        assert table.ties(config, output, lambda: {"lm.decoder.weight", "lm.bias"}) == wanted


# -- the authors' own PyTorch checkpoints -----------------------------------------------------------------------------


class HeadedTable(WeightTable):
    """A table whose authors keep several heads, each under a name of its own."""

    def from_file(self, name: str) -> str | None:
        return re.sub(r"^heads\.\w+\.", "heads.any.", name)

    def choice(self, name: str) -> str | None:
        found = re.match(r"heads\.(\w+)\.", name)
        return found[1] if found else None


TORCH = HeadedTable(
    prefix="toy",
    rows=(
        embedding("toy.words", "core.tokens"),
        embedding("toy.types", absent=0),
        embedding("toy.marks"),
        *linear("classifier", "heads.any", leaves=(".weight",), layout="same"),
    ),
    dropped_originals=("core.version", "notes.*"),
    strangers=(("*core.memory.*", "a toy with a memory, which is another architecture"),),
)
TORCH_WANTED = {"toy.words.weight": (5, 2), "toy.types.weight": (1, 2)}


def load_torch(
    arrays: Mapping[str, object], wanted: Mapping[str, tuple[int, ...]] = TORCH_WANTED
) -> tuple[LoadReport, dict[str, str], Weights]:
    weights = Weights(Arrays(arrays, "torch"), TORCH, {}, "x.pt")
    report, origin = compare(weights, wanted, TORCH, (("classifier",),), {})
    return report, origin, weights


@pytest.mark.parametrize("prefix", ["model.", "model.module."])
def test_original_names_under_a_prefix_beside_a_trainings_state(prefix: str) -> None:
    words = floats(5, 2) + 1
    state = {"extra_state.meters.0": floats(1), "last_optimizer_state.0.m": floats(9), "notes.x": floats(2)}
    report, origin, weights = load_torch({f"{prefix}core.tokens": words, f"{prefix}core.version": floats(1), **state})
    assert report.prefix == prefix
    assert report.loaded == list(TORCH_WANTED)
    assert sorted(report.dropped) == sorted([f"{prefix}core.version", *state])
    np.testing.assert_array_equal(weights.read(origin["toy.words.weight"]), words)


def test_a_parameter_that_the_authors_do_without_is_a_constant() -> None:
    _, origin, weights = load_torch({"core.tokens": floats(5, 2)})
    for get in (weights.read, weights.take):
        types = get(origin["toy.types.weight"])
        assert types.dtype == np.float32
        np.testing.assert_array_equal(types, np.zeros((1, 2)))
        types += 1  # one's own
    weights.give_back("toy.types.weight")
    with pytest.raises(WeightsError, match=r"missing(.|\n)*toy\.marks\.weight"):
        load_torch({"core.tokens": floats(5, 2)}, {**TORCH_WANTED, "toy.marks.weight": (1, 2)})
    with pytest.raises(WeightsError, match=r"missing(.|\n)*toy\.types\.weight"):  # published files have it
        load_torch({"toy.words.weight": floats(5, 2)})


def test_one_of_the_authors_heads_is_read_and_several_are_refused_where_one_is_wanted() -> None:
    one = {"model.core.tokens": floats(5, 2), "model.heads.mnli.weight": floats(3, 2)}
    wanted = {**TORCH_WANTED, "classifier.weight": (3, 2)}
    report, origin, weights = load_torch(one, wanted)
    assert not report.newly_initialized
    np.testing.assert_array_equal(weights.read(origin["classifier.weight"]), floats(3, 2))
    two = {**one, "model.heads.rte.weight": floats(2, 2)}
    with pytest.raises(WeightsError, match="several heads of this kind, 'mnli', 'rte': keep one"):
        load_torch(two, wanted)
    report, _, _ = load_torch(two)
    assert sorted(report.dropped) == ["model.heads.mnli.weight", "model.heads.rte.weight"]


def test_what_names_tell_of_another_model_is_said() -> None:
    with pytest.raises(WeightsError, match=r"core\.memory\.keys(.|\n)*this is a toy with a memory, which is another"):
        load_torch({"model.core.tokens": floats(5, 2), "model.core.memory.keys": floats(1)})


def test_what_the_file_has_once_under_two_names_is_not_compared() -> None:
    words = floats(5, 2)
    tied = {"lm.decoder.weight": "toy.embeddings.word_embeddings.weight"}
    for other, reads in ((words, []), (words.copy(), ["toy.embeddings.word_embeddings.weight", "lm.decoder.weight"])):
        raw = Arrays({**FULL, "toy.embeddings.word_embeddings.weight": words, "lm.decoder.weight": other})
        compare(Weights(raw, TABLE), WANTED, TABLE, HEADS, tied)
        assert raw.reads == reads
