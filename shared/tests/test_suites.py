"""The suites guard their standard tests, and their helpers find differences."""

import numpy as np
import pytest

from tx_testing.suites.base import Suite, exports, in_graphs, of_shared_code, standard_tests
from tx_testing.suites.spec import LENGTHS, ModelSpec, assert_close, random_like, trimmed

pytest_plugins = ["pytester"]


class Standard(Suite):
    def test_one(self) -> None: ...

    def test_two(self) -> None: ...

    def helper(self) -> None: ...


def test_standard_tests() -> None:
    assert standard_tests(Standard) == ["test_one", "test_two"]


def test_a_plain_subclass_is_fine() -> None:
    class Fine(Standard):
        def test_more(self) -> None: ...

        def helper(self) -> None: ...

    assert Fine.overrides == {}


def test_replacing_without_a_reason_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Bad replaces or removes the standard test test_one without a reason"):

        class Bad(Standard):
            def test_one(self) -> None: ...


def test_removing_without_a_reason_is_refused() -> None:
    with pytest.raises(TypeError, match="test_two without a reason"):

        class Bad(Standard):
            test_two = None  # type: ignore[assignment]


def test_an_empty_reason_is_refused() -> None:
    for own in ({"test_one": lambda self: None}, {}):
        with pytest.raises(TypeError, match="reason"):
            type("Bad", (Standard,), {**own, "overrides": {"test_one": " "}})


def test_an_override_of_nothing_is_refused() -> None:
    with pytest.raises(TypeError, match="'test_three', which is no standard test"):

        class Bad(Standard):
            overrides = {"test_three": "a reason"}  # noqa: RUF012


def test_replacing_with_a_reason() -> None:
    class Good(Standard):
        overrides = {"test_one": "is done differently", "test_two": "does not apply"}  # noqa: RUF012

        def test_one(self) -> None: ...

    assert "test_one" in vars(Good)


def test_a_test_that_does_not_apply_is_skipped_with_the_reason(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from tx_testing.suites.base import Suite
        class Standard(Suite):
            def test_one(self): raise AssertionError
            def test_two(self): pass
        class TestIt(Standard):
            overrides = {"test_one": "there is no head"}
        """
    )
    result = pytester.runpytest_subprocess("-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*does not apply: there is no head*"])


def test_assert_close() -> None:
    one = np.array([1.0, 100.0])
    assert_close(one + 9e-4, one, 1e-5)
    assert_close((one, (one,)), (one, (one,)), 0)
    with pytest.raises(AssertionError, match="differs"):
        assert_close(one + 2e-3, one, 1e-5)
    with pytest.raises(AssertionError, match="shape"):
        assert_close(one[:1], one, 1)
    with pytest.raises(AssertionError, match="finite"):
        assert_close(one * np.nan, one, 1)
    with pytest.raises(AssertionError, match="entries"):
        assert_close((one,), (one, one), 1)
    with pytest.raises(AssertionError, match="differs"):
        assert_close(one * 0 + 1, one * 0, 1e-5)


def test_random_like() -> None:
    array = np.zeros((4, 3), np.float32)
    assert random_like("a", array).dtype == np.float32
    np.testing.assert_array_equal(random_like("a", array), random_like("a", array))
    assert (random_like("a", array) != random_like("b", array)).all()
    assert abs(random_like("n.weight", np.zeros(1000)).mean() - 1) < 0.05
    assert abs(random_like("n.bias", np.zeros(1000)).mean()) < 0.05


def test_trimmed() -> None:
    array = np.arange(2 * 7 * 7).reshape(2, 7, 7)
    np.testing.assert_array_equal(trimmed(array, 5), array[:, :5, :5])
    np.testing.assert_array_equal(trimmed(array, 5, left=True), array[:, 2:, 2:])


def test_trimmed_keeps_a_memory() -> None:
    """Attentions (…, S, M + S) of a sequence alone have M + length keys."""
    array = np.arange(2 * 7 * 10).reshape(2, 7, 10)
    np.testing.assert_array_equal(trimmed(array, 5, memory=3), array[:, :5, :8])
    np.testing.assert_array_equal(trimmed(array, 5, left=True, memory=3), array[:, 2:, [0, 1, 2, 5, 6, 7, 8, 9]])


def test_spec_inputs() -> None:
    import types

    class Config:
        vocab_size, num_labels, pad_token_id, num_hidden_layers, num_attention_heads = 50, 3, 0, 2, 4

        def __init__(self, **fields: object) -> None: ...

    import sys

    module = types.ModuleType("tx_testing_fake_architecture")
    module.Config = Config  # type: ignore[attr-defined]
    module.RECORD = types.SimpleNamespace(  # type: ignore[attr-defined]
        config="tx_testing_fake_architecture:Config",
        torch={"base": "m:FakeModel", "causal-lm": "m:FakeLM", "alias": "m:FakeLM"},
    )
    sys.modules[module.__name__] = module
    spec = ModelSpec(architecture="tx_testing_fake_architecture:RECORD", config={})
    assert spec.class_names() == {"base": "FakeModel", "causal-lm": "FakeLM"}
    inputs = spec.inputs("base")
    assert inputs["attention_mask"].sum(-1).tolist() == list(LENGTHS)
    assert (inputs["input_ids"][inputs["attention_mask"] == 0] == 0).all()
    assert (inputs["input_ids"][inputs["attention_mask"] == 1] >= 5).all()
    assert spec.inputs("multiple-choice")["input_ids"].ndim == 3
    labels = spec.make_labels("causal-lm")["labels"]
    assert (labels[inputs["attention_mask"] == 0] == -100).all()
    assert labels.max() < 50
    del sys.modules[module.__name__]


def test_variants() -> None:
    changes = {"config": {"memory": 3, "depth": 1}, "memory_keys": 3}
    spec = ModelSpec(architecture="a:B", config={"size": 2, "depth": 2}, variants={"long": changes}, generates=False)
    variant = spec.variant("long")
    assert variant.config == {"size": 2, "depth": 1, "memory": 3}
    assert variant.memory_keys == 3
    assert not variant.generates
    assert not variant.variants
    assert len({spec.key("lm"), variant.key("lm"), spec.key("base")}) == 3
    with pytest.raises(ValueError, match="'2 long'"):
        ModelSpec(architecture="a:B", config={}, variants={"2 long": {}})


class Collected:
    """What pytest gives a suite when it collects a test."""

    fixturenames = ("task",)

    def __init__(self, function: object) -> None:
        self.function = function
        self.tasks: list[str] = []

    def parametrize(self, name: str, values: list[str], ids: list[str]) -> None:
        self.tasks = values


@pytest.mark.parametrize(("graph_tasks", "wanted"), [(None, ["base", "masked-lm"]), (("base",), ["base"])])
def test_what_compiles_runs_for_the_classes_that_the_spec_names(
    graph_tasks: tuple[str, ...] | None, wanted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Compiling(Suite):
        spec = ModelSpec(architecture="tx_toy.architecture:ARCHITECTURE", config={}, graph_tasks=graph_tasks)

        @in_graphs
        def test_compiled(self, task: str) -> None: ...

        def test_plain(self, task: str) -> None: ...

    monkeypatch.setattr(ModelSpec, "class_names", lambda self: {"base": "ToyModel", "masked-lm": "ToyForMaskedLM"})
    for test, tasks in ((Compiling.test_compiled, wanted), (Compiling.test_plain, ["base", "masked-lm"])):
        collected = Collected(test)
        Compiling().pytest_generate_tests(collected)  # type: ignore[arg-type]
        assert collected.tasks == tasks


def test_what_all_classes_share_is_tested_with_representatives(monkeypatch: pytest.MonkeyPatch) -> None:
    class Sharing(Suite):
        spec = ModelSpec(
            architecture="tx_toy.architecture:ARCHITECTURE",
            config={},
            new_heads={"token-classification": ("classifier",), "question-answering": ("qa_outputs",)},
        )

        @of_shared_code
        def test_files(self, task: str) -> None: ...

    tasks = ["base", "causal-lm", "pretraining", "question-answering", "token-classification", "multiple-choice"]
    for names, wanted in (
        (tasks, ["base", "causal-lm", "token-classification"]),
        (tasks[:1] + tasks[2:4], ["base", "pretraining", "question-answering"]),
        (tasks[:1], ["base"]),
        (tasks[-1:], ["multiple-choice"]),
    ):
        monkeypatch.setattr(ModelSpec, "class_names", lambda self, names=names: {name: name for name in names})
        collected = Collected(Sharing.test_files)
        Sharing().pytest_generate_tests(collected)  # type: ignore[arg-type]
        assert collected.tasks == wanted


@pytest.mark.parametrize(("exported", "wanted"), [((), ["causal-lm"]), (("base", "double-heads"), ["base"])])
def test_what_is_exported(exported: tuple[str, ...], wanted: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Exporting(Suite):
        spec = ModelSpec(architecture="tx_toy.architecture:ARCHITECTURE", config={}, exported=exported)

        @exports
        def test_served(self, task: str) -> None: ...

    names = {"base": "ToyModel", "causal-lm": "ToyLMHeadModel", "pretraining": "ToyForPreTraining"}
    monkeypatch.setattr(ModelSpec, "class_names", lambda self: names)
    collected = Collected(Exporting.test_served)
    Exporting().pytest_generate_tests(collected)  # type: ignore[arg-type]
    assert collected.tasks == wanted


@pytest.mark.parametrize("stands", [False, True])
def test_what_the_core_does_for_all_is_tested_once(stands: bool, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
        from tx_testing.suites.base import Suite, once
        from tx_testing.suites.spec import ModelSpec
        class TestIt(Suite):
            spec = ModelSpec(architecture="tx_toy.architecture:ARCHITECTURE", config={{}}, stands_for_all={stands})
            @once
            def test_long(self): pass
            def test_short(self): pass
        """
    )
    result = pytester.runpytest_subprocess("-rs")
    result.assert_outcomes(passed=1 + stands, skipped=1 - stands)
    if not stands:
        result.stdout.fnmatch_lines(["SKIPPED*tested once: the core does it for all architectures*"])


def test_a_variant_is_tested_by_its_representatives(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = ["base", "causal-lm", "pretraining", "multiple-choice"]
    monkeypatch.setattr(ModelSpec, "class_names", lambda self: {name: name for name in self.only or tasks})
    variants = {"wide": {"config": {"size": 2}}, "own": {"only": ("pretraining", "multiple-choice")}}
    whole = ModelSpec(architecture="tx_toy.architecture:ARCHITECTURE", config={}, variants=variants)
    for described, wanted in (
        (whole, tasks),
        (whole.variant("wide"), ["base", "causal-lm"]),
        (whole.variant("own"), ["pretraining", "multiple-choice"]),
    ):

        class Varied(Suite):
            spec = described

            def test_one(self, task: str) -> None: ...

        collected = Collected(Varied.test_one)
        Varied().pytest_generate_tests(collected)  # type: ignore[arg-type]
        assert collected.tasks == wanted
