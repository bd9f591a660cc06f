"""Every public name of every package of tx: `import tx_all as transformers` for programs of 2019.

Importing this package imports none of them, and no framework; names are loaded when they are first used.
`from tx_all import *` binds every name, and imports a framework when a name that needs it is first used.

The module paths of 2019 can be imported too: see `modules_2019`.
"""

from tx_core.lazy import merge

from .modules_2019 import PATHS, install
from .packages import PACKAGES

__getattr__, __dir__ = merge(__name__, PACKAGES, PATHS)

install(__name__)
