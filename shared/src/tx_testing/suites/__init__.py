"""Test suites that an architecture's tests subclass.

A package describes its tiny model once, in ``tests/<name>_spec.py``::

    from tx_testing.suites.spec import ModelSpec

    SPEC = ModelSpec(
        architecture="tx_bert.architecture:ARCHITECTURE",
        config={"vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 2, ...},
    )

and its test modules then are, e.g. ``tests/test_model_torch.py``::

    from tx_testing.suites.model_torch import TorchModelSuite
    from tx_testing.suites.spec import load_spec

    class TestModel(TorchModelSuite):
        spec = load_spec(__file__, "bert_spec")

A standard test is neither deleted nor replaced silently: see :class:`tx_testing.suites.base.Suite`.
"""
