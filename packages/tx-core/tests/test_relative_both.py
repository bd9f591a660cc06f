"""Relative positions: the shift, the encodings, and both frameworks' agreement."""

import numpy as np
import pytest
import tensorflow as tf
import torch

from tx_core.models import relative_tf, relative_torch

QUERIES, KEYS, WIDTH = 3, 5, 8


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize("distances", (KEYS + 1, KEYS + QUERIES))
def test_every_key_gets_the_score_of_its_distance(distances: int):
    scores = numbers(2, 4, QUERIES, distances)
    in_torch = relative_torch.relative_shift(torch.from_numpy(scores), KEYS).numpy()
    assert in_torch.shape == (2, 4, QUERIES, KEYS)
    for i in range(QUERIES):
        wanted = scores[:, :, i, QUERIES - 1 - i :][..., :KEYS]  # without distances to later keys, where there are none
        np.testing.assert_array_equal(in_torch[:, :, i, : wanted.shape[-1]], wanted)
    np.testing.assert_array_equal(relative_tf.relative_shift(tf.constant(scores), KEYS), in_torch)


def test_the_shift_copies_nothing_and_may_be_written_to():
    scores = torch.from_numpy(numbers(2, 4, QUERIES, KEYS + 1))
    shifted = relative_torch.relative_shift(scores, KEYS)
    assert shifted.untyped_storage().data_ptr() == scores.untyped_storage().data_ptr()
    places = set()
    for i in range(QUERIES):
        places |= {shifted.storage_offset() + i * shifted.stride(-2) + j for j in range(KEYS)}
    assert len(places) == QUERIES * KEYS  # no number has two places


@pytest.mark.parametrize("clamp_len", (-1, 2))
def test_encodings(clamp_len: int):
    found = relative_torch.relative_encodings(4, -3, WIDTH, torch.float32, torch.device("cpu"), clamp_len).numpy()
    distances = np.array([4, 3, 2, 1, 0, -1, -2, -3.0])
    if clamp_len > 0:
        distances = distances.clip(-clamp_len, clamp_len)
    angles = distances[:, None] / 10000 ** (np.arange(0, WIDTH, 2) / WIDTH)
    np.testing.assert_allclose(found, np.concatenate((np.sin(angles), np.cos(angles)), 1), atol=1e-6)
    np.testing.assert_allclose(relative_tf.relative_encodings(4, -3, WIDTH, "float32", clamp_len), found, atol=1e-6)


def test_scores_agree_and_what_is_not_allowed_has_no_weight():
    query, encodings = numbers(2, 4, QUERIES, WIDTH), numbers(1, 4, KEYS + QUERIES, WIDTH)
    allowed = np.ones((1, 1, QUERIES, KEYS), bool)
    allowed[..., 2] = False
    allowed[:, :, 1] = False  # nothing: then everything alike
    in_torch = relative_torch.relative_scores(torch.from_numpy(query), torch.from_numpy(encodings), KEYS)
    in_tf = relative_tf.relative_scores(tf.constant(query), tf.constant(encodings), KEYS)
    np.testing.assert_allclose(in_tf.numpy(), in_torch.numpy(), atol=1e-5)
    weights = relative_torch.disallow(in_torch, torch.from_numpy(allowed)).softmax(-1).numpy()
    assert (weights[:, :, 0, 2] == 0).all()
    np.testing.assert_allclose(weights[:, :, 1], 1 / KEYS)
    np.testing.assert_allclose(tf.nn.softmax(relative_tf.disallow(in_tf, tf.constant(allowed))), weights, atol=1e-6)


def test_gradients_go_through_the_shift_and_what_is_written():
    query = torch.from_numpy(numbers(1, 2, QUERIES, WIDTH)).double().requires_grad_()
    encodings = torch.from_numpy(numbers(1, 2, KEYS + 1, WIDTH)).double().requires_grad_()
    allowed = torch.ones(1, 1, QUERIES, KEYS, dtype=torch.bool).tril(KEYS - QUERIES)

    def weights(query: torch.Tensor, encodings: torch.Tensor) -> torch.Tensor:
        scores = relative_torch.relative_scores(query, encodings, KEYS)
        return relative_torch.disallow(scores, allowed).softmax(-1)

    assert torch.autograd.gradcheck(weights, (query, encodings))
