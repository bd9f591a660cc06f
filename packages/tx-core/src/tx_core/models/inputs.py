"""Arguments of a call, in words that both frameworks share."""

from __future__ import annotations

from typing import Any

from tx_core.messages import quoted


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


def outside(name: str, size: Any, kind: str = "", too_large: bool = True) -> tuple[str, str]:
    """What is said of a number of an input that is none of 0 to size - 1: what stands before it, and after it.

    Args:
        name: the argument.
        size: None if there is no upper limit.
        kind: what the numbers are, ``"words"``, ``"classes"`` or ``"tokens"``; rows of another table by default.
        too_large: whether the number may be too large.
    """
    things = {"words": "the vocabulary has only the ids", "classes": "there are only the classes"}
    things["tokens"] = "the sequence has only the positions"
    last = size - 1 if isinstance(size, int) else "their number - 1"
    said = f"but {things.get(kind, 'its table has only the rows')} 0 to {last}"
    if size is None:
        said = "but its numbers start at 0"
    elif kind == "words" and too_large:
        said += ": after adding tokens to the tokenizer call model.resize_token_embeddings(len(tokenizer))"
    return f"{name} holds", said


def refuse_empty(**given: Any) -> None:
    """Raise ValueError if token ids (…, S), or vectors (…, S, H) under ``inputs_embeds``, are of no token at all.

    Raises:
        ValueError: naming the argument and its shape.
    """
    for name, value in given.items():
        shape = () if value is None else tuple(getattr(value, "shape", ()))
        axis = -2 if name == "inputs_embeds" else -1
        if len(shape) >= -axis and shape[axis] == 0:
            raise ValueError(f"{name} has shape {shape}, sequences without a token: give each at least one")


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
            raise TypeError(f"{title} got an unexpected keyword argument {quoted(name)}; it takes {', '.join(names)}")
        if name in given:
            raise TypeError(f"{title} got multiple values for argument {quoted(name)}")
        given[name] = value
    return given


def check_width(width: int | None, needed: int) -> None:
    """Raise ValueError if a model's input embeddings have vectors of another width than its layers read.

    Such embeddings can be set, as in 2019, but there is no calling the model.

    Args:
        width: theirs; None if it is not known.
    """
    if width is not None and width != needed:
        raise ValueError(
            f"the input embeddings have vectors of width {width}, but the model needs {needed}: "
            "give set_input_embeddings a layer of that width"
        )
