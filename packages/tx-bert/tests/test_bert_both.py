"""What only BERT has, in both frameworks: a mask for each query."""

import numpy as np

from tx_testing.suites.models_tf import TFBackend
from tx_testing.suites.models_torch import TorchBackend
from tx_testing.suites.spec import assert_close, load_spec

SPEC = load_spec(__file__, "bert_spec")


def test_mask_for_each_query() -> None:
    """A mask (batch, queries, keys): the same as a decoder's if it hides what comes later."""
    torch, tf = TorchBackend(), TFBackend()
    ids = SPEC.inputs("base")["input_ids"]
    earlier = np.tril(np.ones((ids.shape[1], ids.shape[1]), np.int64))[None].repeat(len(ids), 0)
    folder = str(torch.randomised(SPEC, "base"))
    model, keras_model = (each.model_class(SPEC, "base").from_pretrained(folder) for each in (torch, tf))
    decoder = torch.model_class(SPEC, "base").from_pretrained(folder, is_decoder=True)
    wanted = torch.run(decoder, {"input_ids": ids})
    for backend, each in ((torch, model), (tf, keras_model)):
        found = backend.run(each, {"input_ids": ids, "attention_mask": earlier})
        assert list(found) == list(wanted)
        for name, value in wanted.items():
            assert_close(found[name], value, 1e-5, name)
