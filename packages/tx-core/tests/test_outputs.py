"""Outputs are tuples with names."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from tx_core.outputs import output, plain


def sample() -> Any:
    return output("ToyOutput", loss=None, logits=[1, 2], hidden_states=(3, 4), attentions=None)


def test_it_is_the_tuple_of_what_is_there() -> None:
    result = sample()
    assert isinstance(result, tuple)
    assert result == ([1, 2], (3, 4))
    assert len(result) == 2
    logits, hidden_states = result
    assert logits == [1, 2]
    assert result[-1] is hidden_states
    assert result[:1] == ([1, 2],)


def test_items_have_names() -> None:
    result = sample()
    assert result.logits is result[0]
    assert result.hidden_states is result[1]
    assert result._fields == ("logits", "hidden_states")
    assert repr(result) == "ToyOutput(logits=[1, 2], hidden_states=(3, 4))"
    assert result._replace(logits=0) == (0, (3, 4))
    assert result._asdict() == {"logits": [1, 2], "hidden_states": (3, 4)}


def test_only_none_is_left_out() -> None:
    assert output("ToyOutput", loss=0, logits=False, past=()) == (0, False, ())
    assert output("ToyOutput", loss=None) == ()


def test_fields_keep_their_order() -> None:
    assert output("ToyOutput", b=1, a=2)._fields == ("b", "a")


def test_the_class_is_made_once_for_each_set_of_fields() -> None:
    assert type(sample()) is type(sample())
    assert type(sample()) is not type(output("ToyOutput", loss=1))
    assert type(sample()) is not type(output("OtherOutput", logits=1, hidden_states=2))
    assert type(sample()).__name__ == "ToyOutput"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol: int) -> None:
    result = pickle.loads(pickle.dumps(sample(), protocol))  # noqa: S301
    assert result == sample()
    assert type(result) is type(sample())


def test_copies() -> None:
    result = sample()
    assert copy.copy(result) == result
    deep = copy.deepcopy(result)
    assert deep == result
    assert type(deep) is type(result)
    assert deep.logits is not result.logits


@pytest.mark.parametrize(
    "field, cure",
    [
        ("attentions", "set output_attentions=True in the config"),
        ("loss", "pass labels"),
        ("mc_loss", "pass mc_labels"),
        ("mems", "set a mem_len above 0 in the config"),
    ],
)
def test_a_missing_field_says_what_is_there_and_what_brings_it(field: str, cure: str) -> None:
    message = f"ToyOutput has no field '{field}'; it has logits, hidden_states. To get {field}, {cure}"
    with pytest.raises(AttributeError) as caught:
        getattr(sample(), field)
    assert str(caught.value) == message


def test_an_unknown_field_lists_those_that_are_there() -> None:
    with pytest.raises(AttributeError, match=r"ToyOutput has no field 'logit'; it has logits, hidden_states$"):
        _ = sample().logit
    with pytest.raises(AttributeError, match=r"ToyOutput has no field 'logits'; it has none$"):
        _ = output("ToyOutput").logits
    assert not hasattr(sample(), "__array__")


def test_items_cannot_be_replaced_in_place() -> None:
    with pytest.raises(AttributeError):
        sample().logits = 1


def test_plain_has_no_names() -> None:
    result = plain(sample())
    assert type(result) is tuple
    assert result == sample()


def test_made_of_a_generator() -> None:
    """As tools make a tuple of an output's kind."""
    made = output("Made", loss=1, logits=(2, 3))
    again = type(made)(each for each in made)
    assert again == made
    assert again.logits == (2, 3)
    assert type(made)(1, logits=2).logits == 2
    with pytest.raises(TypeError, match="logits"):
        type(made)(1)
