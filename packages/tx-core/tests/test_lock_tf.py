"""`from_pretrained(…, lock=…)` of Keras models."""

from __future__ import annotations

from tx_bert import TFBertModel
from tx_core import TFAutoModel
from tx_testing.suites.locked import LockedModels


class TestLockedModels(LockedModels):
    model, auto = TFBertModel, TFAutoModel
