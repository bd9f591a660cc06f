"""What a head's call takes, for both frameworks: worked out from the bare model's arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

# Arguments that say what is returned, not what is read. They stand last.
FLAGS = (
    "use_cache",
    "use_mems",
    "output_attentions",
    "output_hidden_states",
    "return_dict",
    "skip_padding",
    "training",
)
# What a decoder reads of an encoder.
ENCODER_INPUTS = ("encoder_hidden_states", "encoder_attention_mask")


class HeadBase:
    """A bare model with a head: the half of the two classes ``Head`` that needs no framework.

    Attributes:
        bare: the class of the bare model; a concrete class states it.
        takes: arguments that the head adds after ``head_mask``, as in 2019.
        also_takes: those that it adds before the flags.
        spellings: second names among these → the arguments they stand for.
        leading: arguments that stand first, in this order, where a class of 2019 has an order of its own.
        decodes: whether the head takes a decoder's inputs, where the bare model does.
    """

    bare: ClassVar[type[Any]]
    takes: ClassVar[tuple[str, ...]] = ()
    also_takes: ClassVar[tuple[str, ...]] = ()
    spellings: ClassVar[dict[str, str]] = {}
    leading: ClassVar[tuple[str, ...]] = ()
    decodes: ClassVar[bool] = False

    def _answer(self, given: dict[str, Any]) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not say what it returns")

    def spelt(self, name: str) -> str:
        """An argument's name, with the second one where it has two."""
        return " or ".join((name, *(second for second, first in self.spellings.items() if first == name)))

    @classmethod
    def _signature(cls, bare: Callable[..., Any]) -> inspect.Signature:
        """The bare model's arguments, and the head's."""
        signature = inspect.signature(bare)
        old = [each for name, each in signature.parameters.items() if cls.decodes or name not in ENCODER_INPUTS]
        names = [each.name for each in old]

        def added(names: tuple[str, ...]) -> list[inspect.Parameter]:
            kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
            return [inspect.Parameter(name, kind, default=None, annotation="Tensor | None") for name in names]

        place = names.index("head_mask") + 1
        flags = next((i for i, name in enumerate(names) if name in FLAGS), len(old))
        every = [*old[:place], *added(cls.takes), *old[place:flags], *added(cls.also_takes), *old[flags:]]
        first = ("self", *cls.leading)
        every.sort(key=lambda each: first.index(each.name) if each.name in first else len(first))
        return signature.replace(parameters=every)

    @classmethod
    def _doc(cls, bare: Callable[..., Any], name: str) -> str:
        said = inspect.cleandoc(cls._answer.__doc__ or "")
        return f"As :meth:`{name}.{bare.__name__}`.\n\n{said}"
