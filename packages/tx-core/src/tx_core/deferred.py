"""What `from package import *` binds for a class or function whose framework the program has not imported.

Nobody who binds every name uses every name, and importing a framework takes seconds. So a star import binds a
`Deferred` for each name of a framework that is not imported yet. The first use of it imports the framework, or says how
to install it, and puts the class itself where the star import had put its stand-in. `import package` and
`from package import name` give the class itself, always.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from types import FrameType
    from typing import Any


class Deferred:
    """A stand-in for a class or function until its first use; it can do what that can.

    It is called, subclassed, compared, hashed, asked for attributes and given to `isinstance` and `issubclass` like the
    class, and the first use of it raises what importing the class raises. Only `is` and a pattern of `match` tell the
    two apart, before that first use.
    """

    def __init__(self, name: str, module: str, package: str, namespace: MutableMapping[str, Any]) -> None:
        """
        Args:
            name: the name that the star import binds.
            module: where that is defined.
            package: what offers it, and was imported from.
            namespace: where the star import binds it.
        """
        self.__name__ = name
        self.__module__ = module
        self.__wanted = package, namespace

    def __resolve(self) -> Any:
        package, namespace = self.__wanted
        found = getattr(sys.modules[package], self.__name__)
        if namespace.get(self.__name__) is self:
            namespace[self.__name__] = found
        return found

    def __exists(self) -> bool:
        """Whether the class exists: before its module is imported nothing is an instance of it, or equal to it."""
        return self.__module__ in sys.modules

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__resolve(), name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__resolve()(*args, **kwargs)

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[Any, ...]:
        return (self.__resolve(),)

    def __instancecheck__(self, instance: object) -> bool:
        return self.__exists() and isinstance(instance, self.__resolve())

    def __subclasscheck__(self, subclass: Any) -> bool:
        if isinstance(subclass, Deferred):
            subclass = subclass.__resolve()
        return self.__exists() and issubclass(subclass, self.__resolve())

    def __eq__(self, other: object) -> bool:
        if type(other) is Deferred:
            return (self.__module__, self.__name__) == (other.__module__, other.__name__)
        return self.__exists() and bool(self.__resolve() == other)

    def __hash__(self) -> int:
        return hash(self.__resolve())

    def __or__(self, other: Any) -> Any:
        return self.__resolve() | (other.__resolve() if type(other) is Deferred else other)

    def __ror__(self, other: Any) -> Any:
        return other | self.__resolve()

    def __reduce__(self) -> tuple[Any, ...]:
        return _exported, (self.__wanted[0], self.__name__)  # by name, as classes and functions are pickled

    def __repr__(self) -> str:
        return f"<{self.__module__}.{self.__name__}, imported on first use>"


def _exported(package: str, name: str) -> object:
    from importlib import import_module

    found: object = getattr(import_module(package), name)
    return found


def star_import(frame: FrameType) -> bool:
    """Whether what a frame does right now is `from … import *`."""
    code = frame.f_code
    if code.co_name == "_handle_fromlist" and frame.f_globals.get("__name__") == "importlib._bootstrap":
        return bool(frame.f_locals["recursive"])  # asks first whether a name of `__all__` may be a module
    return code.co_code[frame.f_lasti : frame.f_lasti + 2] == _BINDS_ALL


def _binds_all() -> bytes:
    """The instruction of this interpreter that binds the names of a star import."""
    from opcode import opmap

    code = compile("from module import *", "", "exec").co_code
    imported = next(at for at in range(0, len(code), 2) if code[at] == opmap["IMPORT_NAME"])
    return code[imported + 2 : imported + 4]


_BINDS_ALL = _binds_all()
