"""The table of sinusoidal positions is the reference's, whose sines are of angles in double precision as well."""

from __future__ import annotations

import numpy as np
import pytest

from tx_core.models.positions import alternating_sinusoids
from tx_testing import reference

SCRIPT = """
import os
os.environ["USE_TF"] = "0"
from transformers import DistilBertConfig, DistilBertModel

def main(arguments, inputs, folder):
    model = DistilBertModel(DistilBertConfig(sinusoidal_pos_embds=True, n_layers=1, hidden_dim=4, **arguments))
    return {"table": model.embeddings.position_embeddings.weight.detach().numpy()}
"""


@pytest.mark.parametrize("positions, width", [(512, 768), (40, 36)])
def test_the_numbers_are_the_references(positions: int, width: int) -> None:
    sizes = {"max_position_embeddings": positions, "dim": width, "vocab_size": 9}
    wanted = reference.run(SCRIPT, sizes).arrays["table"]
    np.testing.assert_allclose(alternating_sinusoids(positions, width), wanted, rtol=0, atol=1e-7)
