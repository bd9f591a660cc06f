"""Hidden tokens: how many, which, and what becomes of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tx_training import hide_tokens, hiding_weights

MASK_ID, SPECIAL = 3, (0, 1, 2, 3)
COUNTS = torch.tensor([50, 9, 9, 0, 1000, 100, 10, 1, 0])


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def text(*shape: int) -> Tensor:
    """Each row between 1 and 2."""
    ids = torch.randint(4, 9, shape, generator=seeded(0))
    ids[:, 0], ids[:, -1] = 1, 2
    return ids


def test_rare_tokens_are_hidden_more_readily() -> None:
    found = hiding_weights(COUNTS, 0.7, SPECIAL)
    wanted = np.maximum(COUNTS.numpy(), 1.0) ** -0.7
    wanted[:4] = 0.0
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert found.dtype == torch.float32
    assert torch.equal(hiding_weights(COUNTS, 0.0), torch.ones(9))


def test_a_proportion_is_hidden_but_no_special_token_and_no_padding() -> None:
    ids = text(6, 11)
    mask = (torch.arange(11) < torch.tensor([11, 11, 7, 5, 3, 2])[:, None]).long()
    ids = torch.where(mask == 1, ids, 6)  # padding that is no special token, as GPT-2's
    before = ids.clone()
    hidden, labels = hide_tokens(
        ids, hiding_weights(COUNTS, 0.7, SPECIAL), MASK_ID, attention_mask=mask, generator=seeded(1)
    )
    drawn = labels != -100
    assert torch.equal(ids, before)
    assert int(drawn.sum()) == math.ceil(0.15 * int(mask.sum()))
    assert torch.equal(labels[drawn], ids[drawn])
    assert torch.equal(hidden[~drawn], ids[~drawn])
    assert not (drawn & ((ids < 4) | (mask == 0))).any()


def test_they_are_drawn_as_their_weights_say() -> None:
    """Of 4000 tokens, half of them 4 and half 5, which is four times as likely, one in a hundred: 1 to 4."""
    ids = torch.tensor([[4, 5]]).repeat(1, 2000)
    weights = torch.tensor([0.0, 0, 0, 0, 0.5, 2.0])
    labels = torch.cat([hide_tokens(ids, weights, MASK_ID, proportion=0.01, generator=seeded(n))[1] for n in range(50)])
    fours, fives = (int((labels == token).sum()) for token in (4, 5))
    assert fours + fives == 50 * 40
    assert fives / (fours + fives) == pytest.approx(0.8, abs=0.03)


def test_shares_are_of_what_is_drawn() -> None:
    ids = torch.full((40, 100), 4)
    weights = torch.tensor([0.0, 0, 0, 0, 1, 1, 1, 1])
    hidden, labels = hide_tokens(ids, weights, MASK_ID, proportion=1.0, shares=(0.5, 0.2, 0.3), generator=seeded(0))
    assert (labels == 4).all()
    assert float((hidden == MASK_ID).float().mean()) == pytest.approx(0.5, abs=0.03)
    others = [float((hidden == token).float().mean()) for token in (5, 6, 7)]
    assert others == pytest.approx([0.3 / 4] * 3, abs=0.02)
    assert {*hidden.unique().tolist()} == {3, 4, 5, 6, 7}
    kept, _ = hide_tokens(ids, weights, MASK_ID, proportion=1.0, shares=(0.0, 1.0, 0.0))
    assert torch.equal(kept, ids)


def test_the_generator_decides_and_there_may_be_nothing_to_hide() -> None:
    ids, weights = text(4, 9), hiding_weights(COUNTS, 0.7, SPECIAL)
    one, two, three = (hide_tokens(ids, weights, MASK_ID, generator=seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(one[1], two[1])
    assert torch.equal(one[0], two[0])
    assert not torch.equal(one[1], three[1])
    torch.manual_seed(7)
    state = torch.get_rng_state()
    hide_tokens(ids, weights, MASK_ID, generator=seeded(1))
    assert torch.equal(state, torch.get_rng_state())
    for options in ({"proportion": 0.0}, {"attention_mask": torch.zeros(4, 9)}):
        hidden, labels = hide_tokens(ids, weights, MASK_ID, **options)  # type: ignore[arg-type]
        assert torch.equal(hidden, ids)
        assert (labels == -100).all()
    only_special = torch.full((1, 20), 2)
    assert (hide_tokens(only_special, weights, MASK_ID)[1] == -100).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"proportion": 15}, "proportion must be from 0 to 1, not 15"),
        ({"shares": (0.8, 0.1, 0.2)}, "add up to 1"),
        ({"shares": (1.2, -0.1, -0.1)}, "add up to 1"),
        ({"attention_mask": torch.ones(4)}, r"attention_mask must be \(4, 9\), as input_ids are, not \(4,\)"),
        ({"weights": torch.ones(5)}, "input_ids has 1 to 8, and weights those of 5 tokens alone"),
        ({"input_ids": torch.tensor([[4, -1]])}, "input_ids has -1 to 4"),
        ({"input_ids": torch.ones(4, dtype=torch.long)}, r"input_ids must be \(B, S\), not \(4,\)"),
    ],
)
def test_impossible_arguments_are_refused(options: dict[str, Any], message: str) -> None:
    given = {"input_ids": text(4, 9), "weights": torch.ones(9), "mask_token_id": MASK_ID, **options}
    with pytest.raises(ValueError, match=message):
        hide_tokens(**given)
    with pytest.raises(ValueError, match="counts must be"):
        hiding_weights(torch.tensor([1, -1]))
    with pytest.raises(ValueError, match="smoothing must be at least 0, not -1"):
        hiding_weights(COUNTS, -1)
