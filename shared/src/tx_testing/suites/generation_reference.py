"""Text generation compared with the reference implementation's, token for token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest

from tx_testing import reference

from .base import Suite
from .generation import VariedModel
from .models import Backend
from .models_torch import TorchBackend
from .spec import WORDS, Array

PAD = 1  # the reference takes 0 for none
# In place of tokens that come up in the model's own greedy text: see `ends`.
ENDS, ONE_END = "several", "one"

# Half of the tokens, some pairs, and a word of three.
PAIRS = [[i, j] for i in range(WORDS) for j in (i, 21)]
BAD_WORDS = [*([i] for i in range(0, WORDS, 2)), *PAIRS, [9, 11, 13]]

# What is asked of both. All with ten new tokens.
REQUESTS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "greedy, ends": {"eos_token_id": ENDS},
    "greedy, one end": {"eos_token_id": ONE_END},
    "greedy, minimum": {"eos_token_id": ENDS, "min_length": 11},
    "greedy, repetition": {"repetition_penalty": 1.7},
    "greedy, bad words": {"bad_words_ids": BAD_WORDS},
    "2 beams": {"num_beams": 2},
    "4 beams, ends": {"num_beams": 4, "eos_token_id": ENDS, "num_return_sequences": 4},
    "4 beams, one end": {"num_beams": 4, "eos_token_id": ONE_END, "num_return_sequences": 2},
    "3 beams, long": {"num_beams": 3, "eos_token_id": ENDS, "length_penalty": 2.0, "num_return_sequences": 3},
    "3 beams, short": {"num_beams": 3, "eos_token_id": ENDS, "length_penalty": -1.0, "num_return_sequences": 3},
    "3 beams, sums": {"num_beams": 3, "eos_token_id": ENDS, "length_penalty": 0.0, "early_stopping": "never"},
    "4 beams, early": {"num_beams": 4, "eos_token_id": ENDS, "early_stopping": True, "num_return_sequences": 4},
    "4 beams, never": {"num_beams": 4, "eos_token_id": ENDS, "early_stopping": "never", "num_return_sequences": 4},
    "4 beams, never, long": {"num_beams": 4, "eos_token_id": ENDS, "early_stopping": "never", "length_penalty": 1.5},
    "3 beams, all": {
        "num_beams": 3,
        "eos_token_id": ENDS,
        "min_length": 9,
        "repetition_penalty": 1.3,
        "bad_words_ids": [[5], [30, 40]],
    },
}
# These count, or change the scores of, the padding in the reference.
NOT_PADDED = ("greedy, minimum", "greedy, repetition", "3 beams, all")


class GenerationReferenceSuite(VariedModel, Suite):
    """Greedy and beam search."""

    backend: ClassVar[Backend] = TorchBackend()

    def options(self, key: str) -> dict[str, Any]:
        options = dict(REQUESTS[key])
        if "eos_token_id" in options:
            options["eos_token_id"] = self.ends() if options["eos_token_id"] == ENDS else self.ends()[0]
        return options

    def results(self) -> Mapping[str, Array]:
        """The reference's sequences, all made in one run."""
        ids, mask = self.prompts()
        folder = str(self.varied())
        requests = [
            {
                "key": f"{key}, padded" if padded else key,
                "class": self.spec.class_names()["causal-lm"],
                "load": folder,
                "mask": padded,
                "options": {"max_new_tokens": 10, "do_sample": False, "pad_token_id": PAD, **self.options(key)},
            }
            for key in REQUESTS
            for padded in ((False, True) if self.spec.padded else (False,))
        ]
        arrays = {"ids": ids} if mask is None else {"ids": ids, "mask": mask}
        found = reference.run("generate_torch.py", {"requests": requests}, arrays)
        return found.arrays

    def compare(self, key: str, mask: Array | None) -> None:
        wanted, model, options = self.results(), self.model(), self.options(key)
        ids, _ = self.prompts()
        name = key if mask is None else f"{key}, padded"
        result = model.generate(
            self.backend.tensor(ids),
            None if mask is None else self.backend.tensor(mask),
            max_new_tokens=10,
            pad_token_id=PAD,
            output_scores=True,
            **options,
        )
        np.testing.assert_array_equal(self.backend.numpy(result.sequences), wanted[f"{name}/sequences"])
        if "num_beams" in options:
            scores = self.backend.numpy(result.sequence_scores)
            np.testing.assert_allclose(scores, wanted[f"{name}/scores"], rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("key", list(REQUESTS))
    def test_same_tokens(self, key: str) -> None:
        self.compare(key, None)

    @pytest.mark.parametrize("key", [key for key in REQUESTS if key not in NOT_PADDED])
    def test_same_tokens_with_padding(self, key: str) -> None:
        self.needs_padding()
        if not self.spec.reference_padding:
            pytest.skip("does not apply: the reference gives padded prompts of this architecture other positions")
        self.compare(key, self.prompts()[1])

    def test_requests_are_telling(self) -> None:
        """Sequences end at different places, and options change the tokens."""
        wanted, several = self.results(), self.ends()
        ids, _ = self.prompts()
        sequences = wanted["greedy, ends/sequences"][:, ids.shape[1] :]
        ends = [next((i for i, token in enumerate(row) if token in several), len(row)) for row in sequences]
        assert len(set(ends)) > 1, ends
        assert max(ends) > 2, ends
        plain = wanted["greedy/sequences"]
        for key in ("greedy, repetition", "greedy, bad words", "2 beams"):
            other = wanted[f"{key}/sequences"]
            assert other.shape != plain.shape or (other != plain).any(), key
