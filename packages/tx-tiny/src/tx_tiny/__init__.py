"""Six small trained models that need no network: bert, distilbert, gpt2, roberta, transfo-xl and xlnet.

`from_pretrained("tx-tiny/bert")` reads the first. This module only says where their files lie; tx-core finds it by the
entry-point group `tx.models`.
"""

from __future__ import annotations

from pathlib import Path

MODELS = Path(__file__).with_name("models")

TYPE_CHECKING = False
if TYPE_CHECKING:
    __version__: str
else:

    def __getattr__(name):
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib.metadata import version

        return version("tx-tiny")
