"""What only XLM has, in both frameworks: the cache, lengths, languages, adaptive softmax, and the text it generates."""

import numpy as np
import pytest

from tx_testing.suites.models import SAME
from tx_testing.suites.models_tf import TFBackend
from tx_testing.suites.models_torch import TorchBackend
from tx_testing.suites.spec import assert_close, load_spec

SPEC = load_spec(__file__, "xlm_spec")
CAUSAL = {"causal": True, "pad_token_id": None}
IDS = np.random.default_rng(0).integers(5, 99, (3, 8))
LANGS = np.random.default_rng(1).integers(0, 3, (3, 8))
LEFT = (np.arange(8) >= np.array([[0], [3], [5]])).astype(np.int64)
RIGHT = LEFT[:, ::-1].copy()


@pytest.fixture(params=[TorchBackend(), TFBackend()], ids=["torch", "tf"])
def backend(request):
    return request.param


def model_of(backend, task="base", **config):
    return backend.model_class(SPEC, task).from_pretrained(str(backend.randomised(SPEC, task, **config)))


def states(backend, model, *, ids=IDS, cache=None, **inputs):
    """The last states, or the scores."""
    flags = {} if cache is None else {"cache": cache}
    return next(iter(backend.run(model, {"input_ids": ids, **inputs}, **flags).values()))


# --- the cache


@pytest.mark.parametrize("task", ["base", "masked-lm"])
@pytest.mark.parametrize("start", [{}, {"slen": 0}], ids=["empty", "slen"])
def test_parts_equal_the_whole(backend, task, start):
    model, cache = model_of(backend, task, **CAUSAL), dict(start)
    whole = states(backend, model, langs=LANGS, token_type_ids=LANGS)
    for before, stop in ((0, 3), (3, 4), (4, 8)):
        inputs = {"ids": IDS[:, :stop], "langs": LANGS[:, :stop], "token_type_ids": LANGS[:, :stop]}
        found = states(backend, model, cache=cache, **inputs)
        assert_close(found, whole[:, before:stop], SAME, f"{before} to {stop}")
        assert list(cache) == [0, 1, "slen"] if not start else set(cache) == {0, 1, "slen"}
        assert int(cache["slen"]) == stop
        assert [tuple(x.shape) for x in (*cache[0], *cache[1])] == [(3, 4, stop, 8)] * 4


@pytest.mark.parametrize("mask", [LEFT, RIGHT], ids=["left", "right"])
def test_parts_of_padded_rows(backend, mask):
    model, cache = model_of(backend, **CAUSAL), {}
    whole = states(backend, model, attention_mask=mask, langs=LANGS)
    for before, stop in ((0, 4), (4, 6), (6, 8)):
        inputs = {"attention_mask": mask[:, :stop], "langs": LANGS[:, :stop]}
        found = states(backend, model, ids=IDS[:, :stop], cache=cache, **inputs)
        assert_close(found, whole[:, before:stop], SAME, f"{before} to {stop}")


def test_a_cache_of_vectors_and_positions(backend):
    """Vectors and positions of all tokens are given too, of which the new ones are read."""
    model, cache = model_of(backend, **CAUSAL), {}
    positions = np.broadcast_to(np.arange(8)[::-1], IDS.shape).copy()
    vectors = backend.embedding(model.get_input_embeddings())[IDS]
    whole = states(backend, model, position_ids=positions)
    for stop in (5, 8):
        inputs = {"inputs_embeds": vectors[:, :stop], "position_ids": positions[:, :stop]}
        found = next(iter(backend.run(model, inputs, cache=cache).values()))
    assert_close(found, whole[:, 5:], SAME)


def test_wrong_caches_are_refused(backend):
    model = model_of(backend, **CAUSAL)
    for wrong in ({"slen": 3}, {0: (IDS, IDS), "slen": 3}, {0: (IDS, IDS), 1: (IDS, IDS)}):
        with pytest.raises(ValueError, match="each of 2 layers under their numbers"):
            states(backend, model, cache=wrong)
    cache = {}
    states(backend, model, cache=cache)
    with pytest.raises(ValueError, match="without a token"):
        states(backend, model, cache=cache)
    with pytest.raises(ValueError, match=r"config\.causal"):
        states(backend, model_of(backend), cache={})


# --- padding


@pytest.mark.parametrize("config", [{}, CAUSAL], ids=["encoder", "causal"])
def test_lengths_say_what_padding_is(backend, config):
    model, lengths = model_of(backend, **config), RIGHT.sum(1)
    wanted = states(backend, model, attention_mask=RIGHT, langs=LANGS)
    assert_close(states(backend, model, lengths=lengths, langs=LANGS), wanted, 1e-6, "lengths")
    padded = np.where(RIGHT == 1, IDS, model.config.pad_index)
    found = states(backend, model, ids=padded, langs=LANGS)
    assert_close(found, states(backend, model, ids=padded, attention_mask=RIGHT, langs=LANGS), 1e-6, "pad_index")
    assert not found[RIGHT == 0].any()
    # An attention mask says more: that padding stands on the left.
    both = states(backend, model, attention_mask=LEFT, lengths=lengths, langs=LANGS)
    assert_close(both, states(backend, model, attention_mask=LEFT, langs=LANGS), 1e-6, "both")


def test_heads_are_told_of_lengths(backend):
    model = model_of(backend, "sequence-classification", summary_type="last")
    wanted = states(backend, model, attention_mask=RIGHT)
    assert_close(states(backend, model, lengths=RIGHT.sum(1)), wanted, 1e-6, "lengths")
    assert np.abs(states(backend, model) - wanted).max() > 1e-3
    choices = model_of(backend, "multiple-choice", summary_type="mean")
    ids, mask = IDS[None], RIGHT[None]
    wanted = states(backend, choices, ids=ids, attention_mask=mask)
    assert_close(states(backend, choices, ids=ids, lengths=mask.sum(-1)), wanted, 1e-6, "choices")


def test_wrong_lengths_are_refused(backend):
    model = model_of(backend)
    for wrong, match in (([9, 8, 8], "lengths holds 9"), ([8, -1, 8], "lengths holds -1"), ([8, 8], r"\(3,\)")):
        with pytest.raises(ValueError, match=match):
            states(backend, model, lengths=np.array(wrong))


def test_causal_rows_do_not_see_padding_before_them(backend):
    model = model_of(backend, **CAUSAL)
    other = np.where(LEFT == 1, IDS, 7)
    found = [states(backend, model, ids=ids, attention_mask=LEFT) for ids in (IDS, other)]
    assert_close(*found, 1e-6)
    changed = IDS.copy()
    changed[:, 6] = 7
    later = states(backend, model, ids=changed, attention_mask=LEFT)
    assert_close(later[:, :6], found[0][:, :6], 1e-6)
    assert np.abs(later[:, 6:] - found[0][:, 6:]).max() > 1e-3


# --- languages


def test_two_languages_in_a_row(backend):
    """As translations are read (TLM): each sentence in its language, its positions counted from 0."""
    model = model_of(backend)
    langs = np.repeat([[0, 0, 0, 0, 0, 1, 1, 1]], 3, 0)
    positions = np.repeat([[0, 1, 2, 3, 4, 0, 1, 2]], 3, 0)
    found = states(backend, model, langs=langs, position_ids=positions)
    for other in ({"langs": langs}, {"position_ids": positions}, {"langs": 1 - langs, "position_ids": positions}):
        assert np.abs(states(backend, model, **other) - found).max() > 1e-2
    # Neither position nor language say more than the vectors that are added.
    swap = [5, 6, 7, 0, 1, 2, 3, 4]
    swapped = {"langs": langs[:, swap], "position_ids": positions[:, swap]}
    assert_close(states(backend, model, ids=IDS[:, swap], **swapped), found[:, swap], SAME)


def test_languages_without_vectors(backend):
    """Models of many languages that tell them by their words take langs, without effect; those they do not have not."""
    model = model_of(backend, use_lang_emb=False)
    assert_close(states(backend, model, langs=LANGS), states(backend, model), 1e-7)
    for each in (model, model_of(backend)):
        with pytest.raises(ValueError, match=r"langs holds 5.*0 to 4"):
            states(backend, each, langs=LANGS + 3)


# --- text


def slowly(backend, model, ids, steps, langs=None):
    """Greedy search that reads everything anew for each token, whose language is that of the one before."""
    for _ in range(steps):
        # Without a mask a token that is config.pad_index would be padding.
        inputs = {"attention_mask": np.ones_like(ids)} | ({} if langs is None else {"langs": langs})
        scores = states(backend, model, ids=ids, **inputs)[:, -1]
        ids = np.concatenate((ids, scores.argmax(-1)[:, None]), 1)
        langs = None if langs is None else np.concatenate((langs, langs[:, -1:]), 1)
    return ids


def generated(backend, model, ids, **options):
    options = {"max_new_tokens": 6, "eos_token_id": (), "pad_token_id": 2, **options}
    return backend.numpy(model.generate(ids if isinstance(ids, list) else backend.tensor(ids), **options).sequences)


def test_text_in_a_language(backend):
    model = model_of(backend, "masked-lm", **CAUSAL, lang_id=2, tie_word_embeddings=False)
    found = generated(backend, model, IDS, langs=backend.tensor(LANGS))
    np.testing.assert_array_equal(found, slowly(backend, model, IDS, 6, LANGS))
    by_default = generated(backend, model, IDS)
    np.testing.assert_array_equal(by_default, slowly(backend, model, IDS, 6, np.full_like(IDS, 2)))
    assert (found != by_default).any()
    rows = [IDS[0].tolist(), IDS[1, :3].tolist()]
    langs = [LANGS[0].tolist(), LANGS[1, :3].tolist()]
    padded = generated(backend, model, rows, langs=langs)
    np.testing.assert_array_equal(padded[0], found[0])
    np.testing.assert_array_equal(padded[1, 5:], slowly(backend, model, IDS[1:2, :3], 6, LANGS[1:2, :3])[0])
    with pytest.raises(ValueError, match="langs holds 5"):
        generated(backend, model, IDS, langs=LANGS + 3)


def test_text_of_an_adaptive_softmax(backend):
    config = {**CAUSAL, "n_langs": 1, "asm": True, "asm_cutoffs": [20, 50], "asm_div_value": 2.0}
    model = model_of(backend, "masked-lm", **config)
    np.testing.assert_allclose(np.exp(states(backend, model)).sum(-1), 1, atol=1e-5)
    np.testing.assert_array_equal(generated(backend, model, IDS), slowly(backend, model, IDS, 6))
    options = {"max_new_tokens": 6, "eos_token_id": (), "pad_token_id": 2, "num_beams": 3, "length_penalty": 0.0}
    beams = model.generate(backend.tensor(IDS), **options, output_scores=True)
    # The scores of a beam are the sums of its tokens' logarithms of probabilities.
    ids = backend.numpy(beams.sequences)
    scores = states(backend, model, ids=ids, attention_mask=np.ones_like(ids))[:, 7:-1]
    wanted = np.take_along_axis(scores, ids[:, 8:, None], -1)[:, :, 0].sum(1)
    assert_close(backend.numpy(beams.sequence_scores), wanted, SAME)


def test_models_that_are_not_causal_generate_nothing(backend):
    model = model_of(backend, "masked-lm")
    with pytest.raises(ValueError, match="append the mask token"):
        generated(backend, model, IDS)


def test_an_adaptive_softmax_keeps_its_words(backend):
    model = model_of(backend, "masked-lm", asm=True, asm_cutoffs=[20, 50], asm_div_value=2.0)
    assert model.get_output_embeddings() is None
    with pytest.raises(ValueError, match="adaptive softmax scores 99"):
        model.resize_token_embeddings(100)


def test_labels_are_those_of_their_places(backend):
    """Also of a causal model: nothing is shifted."""
    labels = np.where(RIGHT == 1, IDS[:, ::-1], -100)
    for config in ({}, CAUSAL, {"asm": True, "asm_cutoffs": [20, 50], "asm_div_value": 2.0}):
        model = model_of(backend, "masked-lm", **config)
        output = backend.run(model, {"input_ids": IDS, "attention_mask": RIGHT, "labels": labels})
        logits = output["logits"].astype(np.float64)
        logprobs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        chosen = np.take_along_axis(logprobs, np.maximum(labels, 0)[:, :, None], -1)[:, :, 0]
        assert_close(output["loss"], -chosen[labels >= 0].mean(), 1e-5)
