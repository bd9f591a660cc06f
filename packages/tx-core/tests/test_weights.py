"""Weight tables and strict comparison, on a small made-up architecture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from tx_core.checkpoints import ArrayInfo
from tx_core.weights import LoadReport, Row, Tied, Weights, WeightsError, WeightTable, compare, keras_layers, originals

TABLE = WeightTable(
    prefix="toy",
    rows=(
        Row("toy.embeddings.word_embeddings.weight", "toy/words", keras="weight"),
        Row("toy.layer.{i}.dense.weight", "toy/layer_{i}/dense/kernel", "transpose"),
        Row("toy.layer.{i}.dense.bias", "toy/layer_{i}/dense/bias"),
        Row("toy.layer.{i}.LayerNorm.weight", "toy/layer_{i}/gamma"),
        Row("toy.layer.{i}.LayerNorm.bias", "toy/layer_{i}/beta"),
        Row("toy.layer.{i}.cross.weight"),
        Row("toy.pooler.weight", "toy/pooler/kernel", "transpose"),
        Row("classifier.weight", "output_weights"),
        Row("lm.bias", "lm/bias"),
    ),
    tied=(Tied("lm.decoder.weight", "toy.embeddings.word_embeddings.weight"),),
    dropped=("toy.position_ids", "toy.layer.{i}.mask"),
    dropped_originals=("*/adam_m", "global_step"),
    renamed=((".gamma", ".weight"),),
    keras_layers={"lm": "mlm___lm"},
    keras_repeated={"mlm___lm": "toy.embeddings"},
)
HEADS = (("toy.pooler", "classifier"), ("toy.layer.{i}.cross",))


class Arrays:
    """A checkpoint in memory."""

    def __init__(self, arrays: Mapping[str, object], form: str = "safetensors") -> None:
        self._arrays = {name: np.asarray(array) for name, array in arrays.items()}
        self.format = form
        self.metadata: dict[str, str] = {}

    def names(self) -> list[str]:
        return list(self._arrays)

    def info(self, name: str) -> ArrayInfo:
        return ArrayInfo(self._arrays[name].shape, str(self._arrays[name].dtype))

    def read(self, name: str) -> np.ndarray:
        return self._arrays[name]

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


def test_data_parallel_names_get_a_hint() -> None:
    with pytest.raises(WeightsError, match=r"model\.module"):
        load({f"module.{name}": array for name, array in FULL.items()})


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
