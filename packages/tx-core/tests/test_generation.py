"""The framework-free half of text generation: arguments, prompts, beams, stop strings, streams."""

import inspect
import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from tx_core.generation.beams import BeamSearch
from tx_core.generation.generate import Generation, with_argument
from tx_core.generation.options import Options
from tx_core.generation.progress import Progress, StopStrings
from tx_core.generation.prompts import Prompts
from tx_core.generation.results import TokenStream, generation_output

DEFAULTS = {
    name: each.default
    for name, each in inspect.signature(Generation.generate).parameters.items()
    if each.kind is each.KEYWORD_ONLY
}


def options_of(config=None, **arguments) -> Options:
    config = config or SimpleNamespace(vocab_size=20)
    if "max_length" not in arguments:
        arguments.setdefault("max_new_tokens", 5)
    return Options.check(config, {**DEFAULTS, **arguments})


# --- options


def test_defaults():
    options = options_of()
    assert options.temperature == 1
    assert options.length_penalty == 1
    assert options.early_stopping is False
    assert options.eos == ()
    assert options.pad is None
    assert options.rows_per_prompt == 1


def test_rows_per_prompt():
    assert options_of(num_beams=4, num_return_sequences=2).rows_per_prompt == 4
    assert options_of(do_sample=True, num_return_sequences=3).rows_per_prompt == 3


@pytest.mark.parametrize(
    ("fields", "arguments", "eos", "pad"),
    [
        ({"eos_token_id": 3}, {}, (3,), 3),
        ({"eos_token_id": [3, 4]}, {}, (3, 4), 3),
        ({"eos_token_id": 3, "pad_token_id": 0}, {}, (3,), 0),
        ({"eos_token_id": 50256, "pad_token_id": 50256}, {}, (), None),  # of a larger vocabulary: they never come up
        ({"eos_token_id": 3}, {"eos_token_id": ()}, (), None),
        ({"eos_token_id": 3, "pad_token_id": 0}, {"eos_token_id": [7, 8], "pad_token_id": 9}, (7, 8), 9),
        ({}, {"eos_token_id": np.int64(7)}, (7,), 7),
        ({}, {}, (), None),
    ],
)
def test_special_tokens(fields, arguments, eos, pad):
    options = options_of(SimpleNamespace(vocab_size=20, **fields), **arguments)
    assert options.eos == eos
    assert options.pad == pad


def test_top_p_of_one_is_none():
    assert options_of(do_sample=True, top_p=1.0).top_p is None


@pytest.mark.parametrize("value", [True, "3", 2.0])
def test_whole_numbers(value):
    for name in ("max_new_tokens", "min_length", "num_beams", "num_return_sequences"):
        with pytest.raises(TypeError, match=name):
            options_of(**{name: value})


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"num_beams": None}, TypeError, "num_beams must be a whole number, not None"),
        ({"do_sample": True, "seed": 1.5}, TypeError, "seed must be a whole number, not 1.5"),
        ({"do_sample": True, "seed": 1, "generator": object()}, ValueError, "not both"),
        ({"generator": object()}, ValueError, "do_sample=True"),
        ({"repetition_penalty": "1.2"}, TypeError, "repetition_penalty must be a number, not '1.2'"),
        ({"do_sample": True, "temperature": float("inf")}, ValueError, "temperature must be a finite number"),
        ({"num_beams": 2, "length_penalty": float("nan")}, ValueError, "length_penalty must be a finite number"),
        ({"bad_words_ids": [5]}, TypeError, "list of lists"),
        ({"pad_token_id": [1, 2]}, TypeError, r"pad_token_id .* not \[1, 2\]"),
        ({"eos_token_id": [3, "x"]}, TypeError, "eos_token_id .* not 'x'"),
        ({"min_length": 3}, ValueError, "min_length=3 has an effect on eos_token_id only"),
        ({"stop_strings": 5, "tokenizer": SimpleNamespace(decode=str)}, ValueError, "not 5"),
        ({"num_beams": 2, "early_stopping": 2}, ValueError, "early_stopping must be"),
    ],
)
def test_wrong_arguments(arguments, error, match):
    with pytest.raises(error, match=match):
        options_of(**arguments)


def test_one_is_true():
    assert options_of(num_beams=2, early_stopping=1).early_stopping is True
    assert options_of(num_beams=2, early_stopping="never").early_stopping == "never"


def test_numbers_may_be_arrays_of_no_axes():
    assert options_of(eos_token_id=np.array(7)).eos == (7,)
    assert options_of(repetition_penalty=np.float32(1.5)).repetition_penalty == 1.5


def test_one_stop_string_is_a_list_of_one():
    tokenizer = SimpleNamespace(decode=str)
    assert options_of(stop_strings="ab", tokenizer=tokenizer).stop_strings == ("ab",)


# --- prompts


def prompts_of(ids, mask=None, bos=None, most=None, **arguments):
    return Prompts.check(ids, mask, options_of(**arguments), 20, bos, most)


def test_prompts_of_different_lengths_are_padded_on_the_left():
    prompts = prompts_of([[1, 2, 3], [4]], pad_token_id=9)
    np.testing.assert_array_equal(prompts.ids, [[1, 2, 3], [9, 9, 4]])
    np.testing.assert_array_equal(prompts.mask, [[1, 1, 1], [0, 0, 1]])
    assert prompts.lengths.tolist() == [3, 1]
    assert prompts.limits.tolist() == [5, 5]
    assert prompts.total == 8


def test_padding_on_the_right_moves_to_the_left():
    prompts = prompts_of(np.array([[1, 2, 0], [0, 3, 4], [5, 0, 6]]), np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1]]))
    np.testing.assert_array_equal(prompts.ids, [[0, 1, 2], [0, 3, 4], [5, 0, 6]])
    np.testing.assert_array_equal(prompts.mask, [[0, 1, 1], [0, 1, 1], [1, 0, 1]])
    assert prompts.lengths.tolist() == [2, 2, 3]


def test_masks_have_the_form_of_the_prompts():
    prompts = prompts_of([[1, 2, 3], [4, 5]], [[1, 1, 1], [1, 0]], pad_token_id=9)
    np.testing.assert_array_equal(prompts.ids, [[1, 2, 3], [9, 5, 4]])
    np.testing.assert_array_equal(prompts.mask, [[1, 1, 1], [0, 0, 1]])
    assert prompts_of([1, 2], [0, 1]).lengths.tolist() == [1]
    with pytest.raises(ValueError, match=r"\(2, 2\), not \(1, 2\)"):
        prompts_of([[1, 2], [3, 4]], [[1, 1]])
    with pytest.raises(ValueError, match=r"rows of 2, 1, not \(2, 2\)"):
        prompts_of([[1, 2], [3]], [[1, 1], [1, 0]])


@pytest.mark.parametrize("wrong", ["a text", 5, np.array(5), {"input_ids": [[5]]}])
def test_what_is_no_prompt(wrong):
    with pytest.raises(TypeError, match="input_ids must hold"):
        prompts_of(wrong)


def test_a_bos_that_does_not_exist():
    with pytest.raises(ValueError, match="bos_token_id is 20, but"):
        prompts_of(None, bos=20)


def test_no_mask_where_all_is_attended_to():
    assert prompts_of([[1, 2]], np.ones((1, 2))).mask is None
    assert prompts_of([1, 2]).ids.shape == (1, 2)
    assert prompts_of(None, bos=7).ids.tolist() == [[7]]


def test_limits_count_from_each_prompt():
    prompts = prompts_of([[1, 2, 3], [4]], max_length=5, pad_token_id=0)
    assert prompts.limits.tolist() == [2, 4]
    assert prompts.total == 7
    assert prompts_of([[1, 2, 3], [4]], max_length=5, pad_token_id=0, most=5).total == 7
    with pytest.raises(ValueError, match=r"5 tokens.*only 4 positions"):
        prompts_of([[1, 2, 3], [4]], max_length=5, pad_token_id=0, most=4)


def test_further_inputs_stand_where_the_tokens_do():
    options, mask = options_of(pad_token_id=9), [[1, 1, 0], [0, 1]]
    prompts = Prompts.check(
        [[1, 2, 3], [4, 5]], mask, options, 20, None, None, {"langs": [[6, 7, 8], [3, 4]], "b": None}
    )
    np.testing.assert_array_equal(prompts.ids, [[3, 1, 2], [9, 4, 5]])
    assert prompts.mask.tolist() == [[False, True, True], [False, False, True]]
    assert list(prompts.extra) == ["langs"]
    np.testing.assert_array_equal(prompts.extra["langs"], [[8, 6, 7], [0, 3, 4]])
    np.testing.assert_array_equal(prompts.marked, [[-1, 1, 2], [-1, -1, 5]])
    assert Prompts.check(None, None, options, 20, 7, None, {"langs": [2]}).extra["langs"].tolist() == [[2]]


@pytest.mark.parametrize(
    ("langs", "error", "match"),
    [
        ([[1, 2]], ValueError, r"langs must have the shape of input_ids, rows of 3, 2, not \(1, 2\)"),
        ([[1, 2, 3], [4.0, 5.0]], TypeError, "langs must hold whole numbers, not float64"),
        ("en", TypeError, "langs must hold the numbers of each prompt's tokens, not 'en'"),
    ],
)
def test_wrong_further_inputs(langs, error, match):
    with pytest.raises(error, match=match):
        Prompts.check([[1, 2, 3], [4, 5]], None, options_of(pad_token_id=9), 20, None, None, {"langs": langs})


# --- progress


def progress_of(ids, **arguments):
    options = options_of(**arguments)
    return Progress(Prompts.check(ids, None, options, 20, None, None), options)


def test_nobody_looks_at_tokens_that_end_nothing():
    progress = progress_of([[1, 2], [3, 4]], max_new_tokens=2)
    assert not progress.watched
    assert [progress.note(None), progress.note(None)] == [False, True]
    assert (progress.length, progress.new) == (4, 2)
    assert progress.reasons.tolist() == ["length", "length"]
    assert not progress.beyond().any()


def test_what_comes_after_an_end_does_not_count():
    tokenizer = Spelling()
    progress = progress_of(
        [[1, 2], [3], [4, 5]],
        max_length=6,
        max_new_tokens=None,
        eos_token_id=[9, 10],
        pad_token_id=0,
        stop_strings="bc",
        tokenizer=tokenizer,
    )
    assert progress.watched
    steps = [[1, 9, 2], [2, 1, 10], [9, 2, 3], [3, 3, 3]]
    finished = [progress.note(np.array(tokens)) for tokens in steps]
    assert finished == [False, True, True, True]
    assert progress.reasons.tolist() == ["stop_string", "eos", "eos"]
    assert progress.beyond().tolist() == [
        [False, False, True, True],
        [False, True, True, True],
        [False, False, True, True],
    ]


def test_rows_have_limits_of_their_own():
    progress = progress_of([[1, 2, 3], [4], [5, 6]], max_length=4, max_new_tokens=None, pad_token_id=0)
    assert progress.most == 3
    assert [progress.note(np.array([7, 7, 7])) for _ in range(3)] == [False, False, True]
    assert progress.reasons.tolist() == ["length"] * 3
    np.testing.assert_array_equal(progress.beyond(), [[0, 1, 1], [0, 0, 0], [0, 0, 1]])


def test_each_prompt_has_as_many_rows_as_sequences():
    progress = progress_of([[1, 2], [3]], max_length=4, pad_token_id=0, do_sample=True, num_return_sequences=2)
    assert progress.limits.tolist() == [2, 2, 3, 3]


# --- the arguments


def test_an_argument_of_a_framework_is_told_of():
    argument = inspect.Parameter("speed", inspect.Parameter.KEYWORD_ONLY, default=3, annotation="int")
    given = {}

    class Fast(Generation):
        _own_arguments = ("speed",)
        generate = with_argument(Generation.generate, argument, "speed: in tokens\n    a second.", "OSError: if tired.")
        config = SimpleNamespace(vocab_size=20)

        def _max_positions(self):
            return None

        def _untensored(self, x):
            return x

        def _run(self, prompts, options, generator, seed, **own):
            given.update(own)
            return SimpleNamespace(whole=lambda: "done")

    plain, extended = (inspect.signature(cls.generate).parameters for cls in (Generation, Fast))
    assert [name for name in extended if name != "speed"] == list(plain)
    assert list(extended)[-2:] == ["speed", "inputs"]
    assert extended["speed"].default == 3
    doc = inspect.getdoc(Fast.generate)
    assert "\n    speed: in tokens\n        a second.\n    inputs: " in doc
    assert doc.endswith("\n    OSError: if tired.")
    assert Fast().generate([1], max_new_tokens=1) == "done"
    assert given == {"speed": 3}
    Fast().generate([1], max_new_tokens=1, speed=4)
    assert given == {"speed": 4}
    with pytest.raises(TypeError, match=r"Fast.generate\(\) got an unexpected keyword argument 'spede'"):
        Fast().generate([1], max_new_tokens=1, spede=4)


def test_every_argument_is_described():
    doc = inspect.getdoc(Generation.generate)
    described = doc[doc.index("Args:") : doc.index("Returns:")]
    for name in inspect.signature(Generation.generate).parameters:
        assert name == "self" or name in described


# --- beams


def brute_force(logprobs, penalty, eos, limit):
    """Every sequence of a model without memory: log-probabilities (V,) whatever came before."""
    found = []
    for length in range(1, limit + 1):
        for tokens in itertools.product(range(len(logprobs)), repeat=length):
            ended = tokens[-1] in eos
            if any(token in eos for token in tokens[:-1]) or (length < limit and not ended):
                continue
            found.append((sum(logprobs[token] for token in tokens) / length**penalty, tokens))
    return sorted(found, reverse=True)


def search_through(tables, options, limits):
    """A whole beam search in which prompt b's next token has the log-probabilities ``tables[b]``."""
    search = BeamSearch(np.array(limits), options)
    size, beams = len(tables[0]), options.num_beams
    rows = None
    while not search.done.all():
        sums = search.scores[:, :, None] + np.array(tables, np.float32)[:, None]
        flat = sums.reshape(len(tables), -1)
        best = np.argsort(-flat, 1, kind="stable")[:, : search.num_candidates]
        rows, tokens = search.advance(np.take_along_axis(flat, best, 1), best // size, best % size)
        assert rows.shape == tokens.shape == (len(tables) * beams,)
        assert (rows // beams == np.repeat(np.arange(len(tables)), beams)).all()
    return search.result(options.pad)


@pytest.mark.parametrize("penalty", [0.0, 1.0, 1.5, -0.5])
def test_wide_beams_find_the_best(penalty):
    rng = np.random.default_rng(0)
    logits = rng.standard_normal(5)
    table = logits - np.log(np.exp(logits).sum())
    options = options_of(
        SimpleNamespace(vocab_size=5),
        num_beams=60,
        num_return_sequences=4,
        eos_token_id=[2],
        length_penalty=penalty,
        early_stopping="never",
        max_new_tokens=3,
    )
    tokens, reasons, scores, logprobs = search_through([table], options, [3])
    wanted = brute_force(table, penalty, {2}, 3)
    np.testing.assert_allclose(scores, [score for score, _ in wanted[:4]], rtol=1e-4)
    for row, reason, parts in zip(tokens.tolist(), reasons, logprobs, strict=True):
        length = row.index(2) + 1 if 2 in row else len(row)
        assert reason == ("eos" if 2 in row else "length")
        np.testing.assert_allclose(parts[:length], table[row[:length]], rtol=1e-4, atol=1e-5)
        assert not parts[length:].any()


@pytest.mark.filterwarnings("error")
def test_candidates_that_are_ruled_out():
    """Sampling comes up with them where there are not enough others."""
    options = options_of(SimpleNamespace(vocab_size=4), num_beams=2, max_new_tokens=2)
    search = BeamSearch(np.array([2]), options)
    for score in (-1.0, -1.5):
        scores = np.array([[score, -np.inf, -np.inf, -np.inf]], np.float32)
        search.advance(scores, np.array([[0, 1, 1, 1]]), np.array([[3, 0, 1, 2]]))
    tokens, _, scores, logprobs = search.result(None)
    assert (tokens.tolist(), scores.tolist(), logprobs.tolist()) == ([[3, 3]], [-0.75], [[-1.0, -0.5]])


def test_prompts_are_searched_independently():
    rng = np.random.default_rng(1)
    tables = np.log(rng.dirichlet(np.ones(6), 5))
    limits = [4, 2, 6, 3, 1]
    for early in (True, False, "never"):
        options = options_of(
            SimpleNamespace(vocab_size=6), num_beams=3, eos_token_id=1, pad_token_id=0, early_stopping=early
        )
        tokens, reasons, scores, _ = search_through(tables, options, limits)
        for i in range(5):
            alone = search_through(tables[i : i + 1], options, limits[i : i + 1])
            length = alone[0].shape[1]
            np.testing.assert_array_equal(tokens[i, :length], alone[0][0])
            assert not tokens[i, length:].any()
            assert reasons[i] == alone[1][0]
            assert scores[i] == alone[2][0]


def test_early_stopping_stops_earlier():
    table = np.log(np.array([0.3, 0.6, 0.1]))
    steps = {}
    for early in (True, False, "never"):
        options = options_of(
            SimpleNamespace(vocab_size=3),
            num_beams=2,
            eos_token_id=0,
            early_stopping=early,
            length_penalty=2.0,
            max_new_tokens=9,
        )
        search = BeamSearch(np.array([9]), options)
        steps[early] = 0
        while not search.done.all():
            flat = (search.scores[:, :, None] + table.astype(np.float32)).reshape(1, -1)
            best = np.argsort(-flat, 1)[:, : search.num_candidates]
            search.advance(np.take_along_axis(flat, best, 1), best // 3, best % 3)
            steps[early] += 1
    assert steps[True] < steps["never"] == 9


# --- stop strings


class Spelling:
    """Token n is the n-th letter."""

    def __init__(self):
        self.longest = 0

    def decode(self, token_ids):
        self.longest = max(self.longest, len(token_ids))
        return "".join(chr(97 + token) for token in token_ids)


def test_stop_strings_look_at_the_end_only():
    tokenizer = Spelling()
    strings = StopStrings(["bcd", "x"], tokenizer)
    assert strings.found([0, 1, 2, 3])
    assert strings.found([23])
    assert not strings.found([1, 2, 0, 3])
    assert not strings.found([1, 2, 3, *[0] * 5000])  # long past
    assert tokenizer.longest <= 11


# --- results


def test_output_leaves_out_what_was_not_asked_for():
    assert generation_output("s", ("eos",))._fields == ("sequences", "stop_reasons")
    fields = ("sequences", "stop_reasons", "scores", "sequence_scores")
    assert generation_output("s", ("eos",), "t", "u")._fields == fields
    with pytest.raises(AttributeError, match="scores"):
        generation_output("s", ("eos",)).scores  # noqa: B018


def test_stream_has_its_output_at_the_end():
    def steps():
        yield (1, 2)
        yield (None, 3)
        return lambda: ("all",)

    stream = TokenStream(steps())
    assert next(stream) == (1, 2)
    with pytest.raises(RuntimeError, match="not ended"):
        stream.output  # noqa: B018
    assert list(stream) == [(None, 3)]
    assert stream.output == ("all",)
    assert list(stream) == []
    assert stream.output == ("all",)
