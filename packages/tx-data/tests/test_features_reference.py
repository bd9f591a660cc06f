"""Examples and features against the reference library, on GLUE's own files."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from tx_bert import BertTokenizer
from tx_data import InputFeatures, glue_convert_examples_to_features, glue_processors
from tx_testing import reference
from tx_testing.data import data_path

SCRIPT = r"""
import hashlib
import json
import warnings
import numpy as np
from transformers import BertTokenizer, glue_convert_examples_to_features, glue_processors

warnings.simplefilter("ignore")

def main(arguments, inputs, folder):
    tokenizer = BertTokenizer(arguments["vocab"])
    arrays = {}
    for task, data in arguments["sets"]:
        processor = glue_processors[task]()
        for part in ("train", "dev", "test"):
            examples = getattr(processor, f"get_{part}_examples")(data)
            text = json.dumps([[e.guid, e.text_a, e.text_b, e.label] for e in examples])
            arrays[f"{task}/{part}"] = np.array(hashlib.sha256(text.encode()).hexdigest())
            if part == "dev":
                features = glue_convert_examples_to_features(examples[:50], tokenizer, max_length=24, task=task)
                for name in ("input_ids", "attention_mask", "token_type_ids", "label"):
                    arrays[f"{task}/{name}"] = np.array([getattr(each, name) for each in features])
    return arrays
"""

FOLDERS = {
    "cola": "glue/CoLA",
    "mrpc": "glue/MRPC",
    "rte": "glue/RTE",
    "sst-2": "glue/SST-2",
    "sts-b": "glue/STS-B",
    "wnli": "glue/WNLI",
    "mnli": "glue-all-tasks/MNLI",
    "mnli-mm": "glue-all-tasks/MNLI",
    "qnli": "glue-all-tasks/QNLI",
    "qqp": "glue-all-tasks/QQP",
}


@pytest.mark.parametrize("task", FOLDERS)
def test_examples_and_features_are_the_references(task: str) -> None:
    vocab = data_path("vocab/bert-base-uncased/vocab.txt")
    sets = [(name, str(data_path(folder))) for name, folder in FOLDERS.items()]
    wanted = reference.run(SCRIPT, {"vocab": str(vocab), "sets": sets}).group(task)
    processor, data = glue_processors[task](), data_path(FOLDERS[task])
    for part in ("train", "dev", "test"):
        examples = getattr(processor, f"get_{part}_examples")(data)
        text = json.dumps([[each.guid, each.text_a, each.text_b, each.label] for each in examples])
        assert hashlib.sha256(text.encode()).hexdigest() == str(wanted[part]), part
    features = glue_convert_examples_to_features(
        processor.get_dev_examples(data)[:50], BertTokenizer(vocab), max_length=24, task=task
    )
    assert features
    for name in vars(features[0]):
        np.testing.assert_array_equal([getattr(each, name) for each in features], wanted[name], err_msg=name)
    assert isinstance(features[0], InputFeatures)
