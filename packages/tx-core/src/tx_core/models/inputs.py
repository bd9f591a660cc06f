"""Arguments of a call, in words that both frameworks share."""

from __future__ import annotations

from typing import Any


def chosen(argument: bool | None, default: bool) -> bool:
    """An argument of a call, or the configuration's value where it is not given."""
    return default if argument is None else argument


def one_of(**spellings: Any) -> Any:
    """The value of an argument that has two names; None if it is not given.

    Raises:
        ValueError: if it is given under both.
    """
    given = {name: value for name, value in spellings.items() if value is not None}
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)} are two names of one argument: give one of them")
    for value in given.values():  # not next(iter(…)), which the compiler of torch 2.4 cannot follow
        return value
    return None


def check_together(**values: Any) -> None:
    """Raise ValueError if only some of the arguments that belong together are given."""
    given = [name for name, value in values.items() if value is not None]
    if given and len(given) < len(values):
        raise ValueError(f"{' and '.join(values)} belong together, but only {' and '.join(given)} is given")


def bind(title: str, names: tuple[str, ...], args: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call by their names.

    Raises:
        TypeError: there are too many, one is unknown, or one is given twice.
    """
    if len(args) > len(names):
        raise TypeError(f"{title} takes at most {len(names)} arguments ({', '.join(names)}), not {len(args)}")
    given = dict(zip(names, args, strict=False))
    for name, value in named.items():
        if name not in names:
            raise TypeError(f"{title} got an unexpected keyword argument {name!r}; it takes {', '.join(names)}")
        if name in given:
            raise TypeError(f"{title} got multiple values for argument {name!r}")
        given[name] = value
    return given
