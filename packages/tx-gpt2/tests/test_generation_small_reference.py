"""The same text as the reference's from a random model of the smallest published size: 124 million parameters."""

import shutil

import numpy as np
import pytest
import torch

from tx_gpt2 import GPT2Config, GPT2LMHeadModel
from tx_testing import reference

REQUESTS = {
    "greedy": ({}, False),
    "greedy, padded": ({}, True),
    "beams": ({"num_beams": 3, "eos_token_id": [11, 13, 198], "num_return_sequences": 2}, False),
    "beams, padded": ({"num_beams": 3, "length_penalty": 2.0}, True),
}


@pytest.mark.slow
def test_same_tokens(tmp_path):
    reference.reference_python()
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(initializer_range=0.1)).eval()
    model.bfloat16().save_pretrained(tmp_path)  # half the bytes to write and read
    model.float()
    ids = np.random.default_rng(0).integers(0, 50257, (2, 12))
    mask = (np.arange(12) >= np.array([[0], [5]])).astype(np.int64)
    options = {"max_new_tokens": 16, "pad_token_id": 1}
    requests = [
        {
            "key": key,
            "class": "GPT2LMHeadModel",
            "load": str(tmp_path),
            "mask": padded,
            "options": {"do_sample": False, "eos_token_id": None, **options, **more},
        }
        for key, (more, padded) in REQUESTS.items()
    ]
    found = reference.run("generate_torch.py", {"requests": requests}, {"ids": ids, "mask": mask}).arrays
    for key, (more, padded) in REQUESTS.items():
        kept = torch.from_numpy(mask) if padded else None
        result = model.generate(torch.from_numpy(ids), kept, **{"eos_token_id": (), **options, **more})
        np.testing.assert_array_equal(result.sequences.numpy(), found[f"{key}/sequences"], err_msg=key)
        assert len(set(result.sequences[:, 12:].flatten().tolist())) > 4
    shutil.rmtree(tmp_path)
