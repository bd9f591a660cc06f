"""BERT in both frameworks: the standard suite."""

import numpy as np

from tx_testing.suites.model_both import BothSuite
from tx_testing.suites.spec import assert_close, load_spec


class TestBoth(BothSuite):
    spec = load_spec(__file__, "bert_spec")

    def test_mask_for_each_query(self) -> None:
        """A mask (batch, queries, keys): the same as a decoder's if it hides what comes later."""
        ids = self.spec.inputs("base")["input_ids"]
        earlier = np.tril(np.ones((ids.shape[1], ids.shape[1]), np.int64))[None].repeat(len(ids), 0)
        self._agree("base", {"input_ids": ids, "attention_mask": earlier})
        folder = str(self.torch.randomised(self.spec, "base"))
        decoder = self.torch.model_class(self.spec, "base").from_pretrained(folder, is_decoder=True)
        wanted = self.torch.run(decoder, {"input_ids": ids})
        found = self.torch.run(self.pair("base")[0], {"input_ids": ids, "attention_mask": earlier})
        for name, value in wanted.items():
            assert_close(found[name], value, 1e-5, name)
