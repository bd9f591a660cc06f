"""Google's own checkpoint gives what the reference computes from it."""

import numpy as np
import pytest

from tx_bert import BertConfig, BertForPreTraining, TFBertForPreTraining
from tx_testing.data import data_path
from tx_testing.reference import Result, run
from tx_testing.suites.spec import assert_close

SCRIPT = """
import torch
from transformers import BertConfig, BertForPreTraining
from transformers.models.bert.modeling_bert import load_tf_weights_in_bert

def main(arguments, inputs, folder):
    config = BertConfig.from_json_file(arguments["config"])
    config._attn_implementation = "eager"
    model = BertForPreTraining(config)
    load_tf_weights_in_bert(model, config, arguments["checkpoint"])
    model.tie_weights()
    model.eval()
    with torch.no_grad():
        output = model(**{name: torch.from_numpy(array) for name, array in inputs.items()})
    return {"prediction": output.prediction_logits.numpy(), "pair": output.seq_relationship_logits.numpy()}
"""

INPUTS = {
    "input_ids": np.array([[1, 5, 7, 9, 2, 3], [4, 14, 6, 0, 0, 0]]),
    "attention_mask": np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]]),
    "token_type_ids": np.array([[0, 0, 0, 1, 1, 1], [0, 1, 1, 0, 0, 0]]),
}


@pytest.fixture(scope="module")
def wanted() -> Result:
    folder = data_path("checkpoints/bert-tf1")
    paths = {"config": str(folder / "bert_config.json"), "checkpoint": str(folder / "bert_model.ckpt")}
    return run(SCRIPT, paths, INPUTS)


@pytest.mark.parametrize("framework", ["torch", "tf"])
def test_outputs(framework: str, wanted: Result) -> None:
    folder = data_path("checkpoints/bert-tf1")
    config = BertConfig.from_json_file(str(folder / "bert_config.json"))
    path = str(folder / "bert_model.ckpt.index")
    if framework == "torch":
        import torch

        model = BertForPreTraining.from_pretrained(path, from_tf=True, config=config)
        with torch.no_grad():
            inputs = {name: torch.from_numpy(array) for name, array in INPUTS.items()}
            output = [part.numpy() for part in model(**inputs, skip_padding=False)]
    else:
        output = [np.asarray(part) for part in TFBertForPreTraining.from_pretrained(path, config=config)(INPUTS)]
    assert_close(output[0], wanted.arrays["prediction"], 2e-5)
    assert_close(output[1], wanted.arrays["pair"], 2e-5)
