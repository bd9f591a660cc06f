"""From examples to the features that a model takes."""

from __future__ import annotations

import sys

from tx_core.messages import quoted

from .examples import InputFeatures
from .glue import glue_output_modes, glue_processors
from .tokenizing import encoded_pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from typing import Any

    from tx_tokenizers import PreTrainedTokenizer

    from .examples import InputExample


def glue_convert_examples_to_features(
    examples: Any,
    tokenizer: PreTrainedTokenizer,
    max_length: int = 512,
    task: str | None = None,
    label_list: Sequence[Any] | None = None,
    output_mode: str | None = None,
    pad_on_left: bool = False,
    pad_token: int = 0,
    pad_token_segment_id: int = 0,
    mask_padding_with_zero: bool = True,
    *,
    workers: int = 1,
    cache_dir: str | os.PathLike[str] | None = None,
) -> Any:
    """Tokenizes examples, cuts them to `max_length` and pads them to it.

    Args:
        examples: `InputExample`s; or a `tf.data.Dataset` as tensorflow_datasets gives it, with `task`.
        tokenizer: any of tx.
        max_length: tokens of every row, special tokens included.
        task: a task of `glue_processors`, which `label_list` and `output_mode` are taken from where they are not given.
        label_list: the labels, in the order of the classes.
        output_mode: "classification" or "regression".
        pad_on_left: whether the padding comes first, as XLNet wants it.
        pad_token: the id of padding: `tokenizer.pad_token_id`.
        pad_token_segment_id: the type of padding; 4 for XLNet.
        mask_padding_with_zero: whether masks are 1 for tokens and 0 for padding, and not the other way round.
        workers: processes that share the tokenizing.
        cache_dir: a folder where the tokens are kept, and found again by the texts and the tokenizer.

    Returns:
        A list of `InputFeatures` for a list, each with all four fields; the label of an example without one is None.
        For a `tf.data.Dataset` another one, of `({"input_ids", "attention_mask", "token_type_ids"}, label)` with
        int32 rows of `max_length` and an int64 label (float32 in a regression; -1 where there is none).
        `token_type_ids` are left out where the tokenizer's `dataset_input_names` do not have them.

    Raises:
        ValueError: labels that are not in `label_list`, or no numbers in a regression, with the `guid` of the example;
            neither `task` nor what is needed in its place; a task or mode that there is not.
    """
    tensorflow = sys.modules.get("tensorflow")
    is_dataset = tensorflow is not None and isinstance(examples, tensorflow.data.Dataset)
    if is_dataset:
        if task is None:
            raise ValueError("a tf.data.Dataset needs task= as well, which says what its columns are")
        processor = _entry(glue_processors, task)()
        examples = [processor.get_example_from_tensor_dict(each) for each in examples]
    examples = list(examples)
    if task is not None:
        label_list = _entry(glue_processors, task)().get_labels() if label_list is None else label_list
        output_mode = _entry(glue_output_modes, task) if output_mode is None else output_mode
    labels = _labels(examples, label_list, output_mode)
    one = 1 if mask_padding_with_zero else 0
    features: list[InputFeatures] = []
    pairs = [(example.text_a, example.text_b) for example in examples]
    for ids, types in encoded_pairs(tokenizer, pairs, max_length, workers, cache_dir):
        padding, mask = max_length - len(ids), [one] * len(ids)
        if pad_on_left:
            ids = [pad_token] * padding + ids
            mask = [1 - one] * padding + mask
            types = [pad_token_segment_id] * padding + types
        else:
            ids = ids + [pad_token] * padding
            mask += [1 - one] * padding
            types = types + [pad_token_segment_id] * padding
        features.append(InputFeatures(ids, mask, types, labels[len(features)]))
    if is_dataset:
        from .features_tf import dataset_of

        return dataset_of(features, output_mode == "regression", "token_type_ids" in tokenizer.dataset_input_names)
    return features


def padding_options(tokenizer: PreTrainedTokenizer) -> dict[str, Any]:
    """What a tokenizer pads with, as `glue_convert_examples_to_features` takes it: its side, its token and its type.

    Raises ValueError if the tokenizer has no `pad_token`.
    """
    if tokenizer.pad_token_id is None:
        raise ValueError(f"{type(tokenizer).__name__} has no pad_token to pad with: set tokenizer.pad_token")
    return {
        "pad_on_left": tokenizer.padding_side == "left",
        "pad_token": tokenizer.pad_token_id,
        "pad_token_segment_id": getattr(tokenizer, "pad_token_type_id", 0),
    }


def _entry(table: Any, task: str) -> Any:
    """What a table has for a task; ValueError if it is none."""
    try:
        return table[task]
    except KeyError as error:
        raise ValueError(error.args[0]) from None


def _labels(
    examples: Sequence[InputExample], label_list: Sequence[Any] | None, output_mode: str | None
) -> list[int | float | None]:
    """The labels of examples as numbers."""
    if output_mode == "classification":
        if label_list is None:
            raise ValueError("a classification needs task= or label_list=")
        numbers = {label: number for number, label in enumerate(label_list)}
    elif output_mode == "regression":
        numbers = {}
    else:
        raise ValueError(f"output_mode={quoted(output_mode)} is not classification or regression; task= has one")
    found: list[int | float | None] = []
    for example in examples:
        label = example.label
        if label is None:
            found.append(None)
        elif output_mode == "classification":
            if label not in numbers:
                known = ", ".join(map(str, numbers))
                raise ValueError(f"example {example.guid}: the label {quoted(label)} is none of {known}")
            found.append(numbers[label])
        else:
            try:
                found.append(float(label))
            except ValueError:
                raise ValueError(f"example {example.guid}: the label {quoted(label)} is no number") from None
    return found
