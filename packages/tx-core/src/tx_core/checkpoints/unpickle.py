"""A pickle machine that builds inert values only.

Python's unpickler imports and calls what the file names. This one knows a fixed set of opcodes and a fixed set of
names; it imports nothing, calls nothing of the file's choosing, and gives up at the first thing it does not know.
Opcodes: https://docs.python.org/3/library/pickletools.html
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from tx_core.checkpoints.base import CheckpointError
from tx_core.messages import quoted, shorten

MAX_PICKLE = 64 << 20
"""Bytes of one pickle; a state dict takes about 150 a tensor."""
MAX_OPERATIONS = 5_000_000
"""Opcodes of one pickle; a state dict takes about 40 a tensor. Each may make a value, which takes time and memory."""
MAX_ITEMS = 2_000_000
"""Values on the stack at once; items copied into containers."""
SAVE_TENSORS = "save only the tensors: torch.save(model.state_dict(), …)"


@dataclass(frozen=True, slots=True)
class Global:
    """An allowed name of a pickle. Nothing is imported for it."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class Record:
    """What became of an object that is neither a container nor a tensor: its class's name, and nothing that runs.

    Its state is what the pickle would have set, or the arguments that it would have been made of.
    """

    kind: Global
    state: Any = field(default=None, repr=False)


class _Mark:
    """The stack's MARK."""


_MARK = _Mark()

# Containers of plain values, and objects that become records. Tensors' names are in `torch_bin`.
_CONTAINERS: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): dict,
    ("collections", "defaultdict"): dict,
    ("collections", "Counter"): dict,
    ("builtins", "set"): list,
    ("__builtin__", "set"): list,
    ("builtins", "frozenset"): list,
    ("__builtin__", "frozenset"): list,
}
_RECORDS = {
    ("argparse", "Namespace"),
    ("torch", "Size"),
    ("torch", "device"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy._core.numeric", "_frombuffer"),
    ("_codecs", "encode"),
    ("_operator", "getitem"),  # typing.List[int]
}
# Training programs whose own classes and enumerations become records too: what they know of a training lies in these.
_RECORD_PACKAGES = ("fairseq", "omegaconf")
# Types that such records refer to.
_TYPES = {
    ("numpy", "ndarray"),
    *((module, name) for module in ("builtins", "__builtin__") for name in ("bool", "dict", "float", "int", "list")),
    *(("builtins", name) for name in ("bytes", "str")),
    *(("__builtin__", name) for name in ("long", "unicode")),
    *(("typing", name) for name in ("Any", "Dict", "List", "Optional", "Tuple", "Union")),
}


def _is_record(module: str, name: str) -> bool:
    return (module, name) in _RECORDS or module.partition(".")[0] in _RECORD_PACKAGES


class Unpickler:
    """Reads one pickle from `file` at its position and leaves the position behind its STOP.

    Args:
        file: where to read.
        path: the file's name for errors.
        handlers: further allowed names, each with the function that builds its value from the arguments. These are
            this library's own functions; they must validate what they get.
        names: further allowed names that are only referred to.
        persistent: builds the value of a persistent id.
        records: which further names are classes and functions whose objects become records.
        cure: what to do with a file that names anything else, for errors.
    """

    def __init__(
        self,
        file: BinaryIO,
        path: Path,
        handlers: dict[tuple[str, str], Callable[..., Any]] | None = None,
        names: Callable[[str, str], bool] | None = None,
        persistent: Callable[[Any], Any] | None = None,
        records: Callable[[str, str], bool] | None = None,
        cure: str = SAVE_TENSORS,
    ) -> None:
        self._file = file
        self._path = path
        self._handlers = _CONTAINERS | (handlers or {})
        self._names = names
        self._persistent = persistent
        self._records = records
        self._cure = cure
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._left = MAX_PICKLE
        self._copied = 0

    def load(self) -> Any:
        """The pickled value. Raises CheckpointError for damage and for whatever is not allowed."""
        read, find, stack = self._file.read, _OPERATIONS.get, self._stack
        for _ in range(MAX_OPERATIONS):
            code = read(1)
            operation = find(code)
            if operation is None:
                if code == b".":
                    return self._pop()
                if not code:
                    raise self._cut_off()
                raise self._error(f"the pickle uses the opcode {quoted(code)}, which no plain state dict needs")
            operation(self)
            if len(stack) > MAX_ITEMS:
                raise self._error(f"the pickle stacks more than {MAX_ITEMS} values")
        raise self._error(f"the pickle takes more than {MAX_OPERATIONS} steps; {self._cure}")

    def _error(self, problem: str) -> CheckpointError:
        return CheckpointError(self._path, problem)

    def _cut_off(self) -> CheckpointError:
        return self._error("the pickle ends before its end; the file is truncated: fetch or copy it again")

    def _take(self, count: int) -> bytes:
        if count > self._left:
            raise self._error(f"the pickle is longer than {MAX_PICKLE} bytes or damaged")
        raw = self._file.read(count)
        if len(raw) < count:
            raise self._cut_off()
        self._left -= count
        return raw

    def _size(self, count: int) -> int:
        return int.from_bytes(self._take(count), "little")

    def _signed(self, count: int) -> int:
        return int.from_bytes(self._take(count), "little", signed=True)

    def _line(self) -> str:
        raw = self._file.readline(min(self._left, 1024))
        self._left -= len(raw)
        if not raw.endswith(b"\n"):
            raise self._error("a name in the pickle does not end; the file is damaged")
        return self._text(raw[:-1])

    def _text(self, raw: bytes) -> str:
        try:
            return raw.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise self._error("a string in the pickle is not UTF-8; the file is damaged") from error

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        if not self._stack or self._stack[-1] is _MARK:
            raise self._error("the pickle takes more values than it put; the file is damaged")
        return self._stack.pop()

    def _top(self) -> Any:
        if not self._stack or self._stack[-1] is _MARK:
            raise self._error("the pickle takes more values than it put; the file is damaged")
        return self._stack[-1]

    def _pop_mark(self) -> list[Any]:
        for at in range(len(self._stack) - 1, -1, -1):
            if self._stack[at] is _MARK:
                values = self._stack[at + 1 :]
                del self._stack[at:]
                return values
        raise self._error("the pickle closes a group that it did not open; the file is damaged")

    def _remember(self, index: int) -> None:
        self._memo[index] = self._top()

    def _recall(self, index: int) -> None:
        if index not in self._memo:
            raise self._error(f"the pickle refers to value {index}, which it did not store; the file is damaged")
        self._push(self._memo[index])

    def _append(self, values: list[Any]) -> None:
        target = self._top()
        if isinstance(target, Record):  # a list of a class of its own
            return
        if not isinstance(target, list):
            raise self._error("the pickle appends to something that is no list; the file is damaged")
        target.extend(values)

    def _set(self, values: list[Any]) -> None:
        target = self._top()
        if isinstance(target, Record):  # a dictionary of a class of its own
            return
        if not isinstance(target, dict) or len(values) % 2:
            raise self._error("the pickle sets items of something that is no dictionary; the file is damaged")
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[_key(key)] = value

    def _is_record(self, module: str, name: str) -> bool:
        return _is_record(module, name) or (self._records is not None and self._records(module, name))

    def _find(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise self._error("a global of the pickle is not named by strings")
        known = (module, name)
        referred = known in _TYPES or (self._names is not None and self._names(module, name))
        if known not in self._handlers and not self._is_record(module, name) and not referred:
            raise self._error(
                f"the pickle names {shorten(module, 80)}.{shorten(name, 80)}, which is not allowed here, since a "
                "pickle can run code; nothing was run. If you trust the file, open it where it was made and "
                f"{self._cure}"
            )
        self._push(Global(module, name))

    def _reduce(self) -> None:
        arguments, function = self._pop(), self._pop()
        if not isinstance(function, Global) or not isinstance(arguments, tuple):
            raise self._error("the pickle calls something that is no name; nothing was run")
        handler = self._handlers.get((function.module, function.name))
        if (function.module, function.name) in _CONTAINERS:
            self._push(self._container(function, arguments))
        elif handler is not None:
            self._push(self._call(handler, function, arguments))
        elif self._is_record(function.module, function.name):
            self._push(Record(function, arguments))
        else:
            raise self._error(f"the pickle calls {function}, which is not allowed; nothing was run")

    def _call(self, handler: Callable[..., Any], function: Global, arguments: tuple[Any, ...]) -> Any:
        try:
            return handler(*arguments)
        except TypeError as error:
            raise self._error(f"the pickle gives {function} arguments that do not fit: {error}") from error

    def _container(self, function: Global, arguments: tuple[Any, ...]) -> Any:
        """`OrderedDict()`, `OrderedDict([[key, value], …])`, `defaultdict(dict)`, `Counter({…})`, `set([…])`."""
        kind = _CONTAINERS[function.module, function.name]
        if not arguments or (function.name == "defaultdict" and isinstance(arguments[0], Global | None)):
            return kind()
        items = arguments[0]
        if len(arguments) == 1 and isinstance(items, dict) and kind is dict:
            items = [*items.items()]
        if len(arguments) != 1 or not isinstance(items, list | tuple):
            raise self._error(f"the pickle builds {function} from something that is no list")
        self._copied += len(items)
        if self._copied > MAX_ITEMS:
            raise self._error(f"the pickle copies more than {MAX_ITEMS} items")
        if kind is list:
            return list(items)
        found = {}
        for pair in items:
            if not isinstance(pair, list | tuple) or len(pair) != 2:
                raise self._error(f"the pickle builds {function} from something that is no list of pairs")
            found[_key(pair[0])] = pair[1]
        return found

    def _new_object(self) -> None:
        arguments, kind = self._pop(), self._pop()
        if not isinstance(kind, Global) or not isinstance(arguments, tuple):
            raise self._error("the pickle makes an object of something that is no class; nothing was run")
        known = (kind.module, kind.name)
        if known in _CONTAINERS:
            self._push(self._container(kind, arguments))
        elif self._is_record(*known):
            self._push(Record(kind, arguments))
        else:
            raise self._error(f"the pickle makes an object of {kind}, which is not allowed; nothing was run")

    def _build(self) -> None:
        state = self._pop()
        target = self._top()
        if isinstance(target, Record):
            target.state = state
        elif not isinstance(target, dict):  # a dictionary's own attributes (`_metadata` of a state dict) are not needed
            raise self._error("the pickle sets the attributes of something that has none; nothing was run")

    def _persistent_id(self) -> None:
        if self._persistent is None:
            raise self._error("the pickle refers to data outside of itself")
        self._push(self._persistent(self._pop()))

    def _long(self, count: int) -> None:
        # A number that is no size: nobody needs more, and printing a long one takes quadratic time.
        if not 0 <= count <= 256:
            raise self._error(f"the pickle holds a number of {count} bytes; the file is damaged")
        self._push(int.from_bytes(self._take(count), "little", signed=True))

    def _tuple(self, count: int) -> None:
        values = [self._pop() for _ in range(count)]
        self._push(tuple(reversed(values)))

    def _two(self) -> list[Any]:
        last = self._pop()
        return [self._pop(), last]

    def _string(self, count: int) -> None:
        """A Python 2 string: text where it can be."""
        raw = self._take(count)
        try:
            self._push(raw.decode("utf-8"))
        except UnicodeDecodeError:
            self._push(raw)

    def _protocol(self) -> None:
        version = self._take(1)[0]
        if version > 5:
            raise self._error(f"pickle protocol {version} is unknown")


def _key(value: Any) -> Any:
    """A dictionary key whose hash costs nothing, and which collides with no other.

    Nested tuples that share parts would take exponential time. Of numbers beyond the hashes' range a file could choose
    any number with the same hash: each insertion would then look at all before it.
    """
    if isinstance(value, int | float) and not abs(value) < sys.hash_info.modulus:
        return Record(Global("builtins", type(value).__name__))
    if isinstance(value, str | int | float | bytes | Global | Record) or value is None:
        return value
    return Record(Global("builtins", type(value).__name__))


def _drop(value: object) -> None:
    """Forget a value."""


_OPERATIONS: dict[bytes, Callable[[Unpickler], None]] = {
    b"\x80": Unpickler._protocol,
    b"\x95": lambda u: _drop(u._take(8)),  # FRAME: only a hint for buffering
    b"(": lambda u: u._push(_MARK),
    b"0": lambda u: _drop(u._stack.pop() if u._stack else u._pop()),
    b"1": lambda u: _drop(u._pop_mark()),
    b"2": lambda u: u._push(u._top()),
    b"N": lambda u: u._push(None),
    b"\x88": lambda u: u._push(True),
    b"\x89": lambda u: u._push(False),
    b"J": lambda u: u._push(u._signed(4)),
    b"K": lambda u: u._push(u._size(1)),
    b"M": lambda u: u._push(u._size(2)),
    b"\x8a": lambda u: u._long(u._size(1)),
    b"\x8b": lambda u: u._long(u._signed(4)),
    b"G": lambda u: u._push(struct.unpack(">d", u._take(8))[0]),
    b"X": lambda u: u._push(u._text(u._take(u._size(4)))),
    b"\x8c": lambda u: u._push(u._text(u._take(u._size(1)))),
    b"\x8d": lambda u: u._push(u._text(u._take(u._size(8)))),
    b"T": lambda u: u._string(u._size(4)),
    b"U": lambda u: u._string(u._size(1)),
    b"B": lambda u: u._push(u._take(u._size(4))),
    b"C": lambda u: u._push(u._take(u._size(1))),
    b"\x8e": lambda u: u._push(u._take(u._size(8))),
    b"\x96": lambda u: u._push(u._take(u._size(8))),  # a bytearray
    b"]": lambda u: u._push([]),
    b"a": lambda u: u._append([u._pop()]),
    b"e": lambda u: u._append(u._pop_mark()),
    b"l": lambda u: u._push(u._pop_mark()),
    b")": lambda u: u._push(()),
    b"t": lambda u: u._push(tuple(u._pop_mark())),
    b"\x85": lambda u: u._tuple(1),
    b"\x86": lambda u: u._tuple(2),
    b"\x87": lambda u: u._tuple(3),
    b"}": lambda u: u._push({}),
    b"s": lambda u: u._set(u._two()),
    b"u": lambda u: u._set(u._pop_mark()),
    b"\x8f": lambda u: u._push([]),  # a set becomes a list: nothing here asks for membership
    b"\x90": lambda u: u._append(u._pop_mark()),
    b"\x91": lambda u: u._push(u._pop_mark()),
    b"h": lambda u: u._recall(u._size(1)),
    b"j": lambda u: u._recall(u._size(4)),
    b"q": lambda u: u._remember(u._size(1)),
    b"r": lambda u: u._remember(u._size(4)),
    b"\x94": lambda u: u._remember(len(u._memo)),
    b"c": lambda u: u._find(u._line(), u._line()),
    b"\x93": lambda u: u._find(*u._two()),
    b"R": Unpickler._reduce,
    b"b": Unpickler._build,
    b"\x81": Unpickler._new_object,
    b"Q": Unpickler._persistent_id,
}
