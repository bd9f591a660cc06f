"""Test suites that every architecture is tested by.

A package says once what its architecture is like, in ``tests/name_spec.py``::

    from tx_testing.suites.spec import ModelSpec

    SPEC = ModelSpec(
        architecture="tx_name.architecture:ARCHITECTURE",
        config={"vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 2, ...},
    )

pytest collects that file and runs it through the suites of every kind (:mod:`tx_testing.specs`; which suites they are
says :mod:`tx_testing.suites.collected`). What an architecture has that others have not is told by the fields of
:class:`~tx_testing.suites.spec.ModelSpec`, or tested in test modules of the package, which read the specification with
:func:`~tx_testing.suites.spec.load_spec`.

No standard test is dropped silently: one that does not apply, or that a test of the package replaces, is named with the
reason in ``overrides``.
"""
