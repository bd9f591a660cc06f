"""PyTorch models inside peft and the Trainer of transformers, by the lines of tx-core's README."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from tx_testing import reference

PATHS = sorted(
    {
        str(Path(spec.origin).parents[1])
        for name in ("tx_core", "tx_bert", "tx_gpt2", "tx_tokenizers")
        if (spec := importlib.util.find_spec(name)) is not None and spec.origin is not None
    }
)
# The reference's own packages come first: what is installed beside ours is of other releases.
COMMON = r"""
import sys

def start(arguments):
    sys.path.extend(arguments["paths"])
    import torch
    torch.manual_seed(0)
    from tx_bert import BertConfig, BertForMaskedLM, BertForSequenceClassification
    from tx_gpt2 import GPT2Config, GPT2LMHeadModel
    bert = BertConfig(vocab_size=60, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
    gpt2 = GPT2Config(vocab_size=60, n_embd=16, n_layer=2, n_head=2, n_positions=32, bos_token_id=1, eos_token_id=1)
    return [cls(bert) for cls in (BertForSequenceClassification, BertForMaskedLM)] + [GPT2LMHeadModel(gpt2)]
"""
TRAINER = (
    COMMON
    + r"""
def main(arguments, inputs, folder):
    models = start(arguments)
    import torch
    import transformers

    class SavingTrainer(transformers.Trainer):
        def _save(self, output_dir=None, state_dict=None):
            self.model.save_pretrained(output_dir or self.args.output_dir)

    ids = torch.arange(4 * 16).reshape(16, 4) % 60
    found = {}
    for model in models:
        name = type(model).__name__
        labels = ids.clone() if name != "BertForSequenceClassification" else ids[:, 0] % 2
        rows = [{"input_ids": i, "attention_mask": torch.ones_like(i), "labels": y} for i, y in zip(ids, labels)]
        options = transformers.TrainingArguments(
            str(folder / name), num_train_epochs=2, per_device_train_batch_size=8, save_steps=2, report_to=[],
            use_cpu=True, disable_tqdm=True, gradient_checkpointing=True, label_names=["labels"], logging_steps=1,
        )
        trainer = SavingTrainer(model, options, train_dataset=rows)
        trainer.train()
        checkpoint = folder / name / "checkpoint-2"
        trainer.train(resume_from_checkpoint=str(checkpoint))
        unlabelled = [{name: row[name] for name in ("input_ids", "attention_mask")} for row in rows]
        found[f"{name}/predicted"] = trainer.predict(unlabelled).predictions
        again = type(model).from_pretrained(checkpoint.parent / "checkpoint-4").eval()
        with torch.no_grad():
            found[f"{name}/reloaded"] = again(input_ids=ids).logits.numpy()
    return found
"""
)
PEFT = (
    COMMON
    + r"""
def main(arguments, inputs, folder):
    classifier, _, language_model = start(arguments)
    import torch
    from peft import LoraConfig, TaskType, get_peft_model
    from peft.tuners.lora import Linear
    from tx_gpt2 import Conv1D, GPT2LMHeadModel

    ids = torch.arange(12).reshape(2, 6) + 5
    lora = LoraConfig(task_type=TaskType.SEQ_CLS, r=4, target_modules=["query", "value"])
    model = get_peft_model(classifier, lora)
    loss = model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=torch.tensor([0, 1])).loss
    loss.backward()
    trained = [p for p in model.parameters() if p.requires_grad]
    assert all(p.grad is not None for p in trained)

    lora = LoraConfig(task_type=TaskType.CAUSAL_LM, r=4, target_modules=["c_attn"], fan_in_fan_out=True)
    lora._register_custom_module({Conv1D: Linear})
    model = get_peft_model(language_model, lora)
    model(input_ids=ids, labels=ids).loss.backward()
    for p in model.parameters():
        if p.requires_grad:
            assert p.grad is not None
            p.data += torch.randn_like(p)
    assert model(input_ids=ids)._fields == ("logits", "past")
    assert type(model(input_ids=ids, return_dict=False)) is tuple
    found = {}
    found["generated"] = model.generate(input_ids=ids, max_length=12)[0].numpy()
    merged = model.merge_and_unload()
    merged.save_pretrained(folder / "merged")
    found["merged"] = GPT2LMHeadModel.from_pretrained(folder / "merged").generate(ids, max_length=12)[0].numpy()
    return found
"""
)


def test_the_trainer() -> None:
    """It trains, saves, resumes and predicts; what it saved loads by itself and gives the same logits."""
    found = reference.run(TRAINER, {"paths": PATHS}, variable=reference.REFERENCE_5).arrays
    for name in ("BertForSequenceClassification", "BertForMaskedLM", "GPT2LMHeadModel"):
        np.testing.assert_allclose(found[f"{name}/predicted"], found[f"{name}/reloaded"], atol=1e-5, err_msg=name)


def test_lora() -> None:
    """Adapters train in BERT's linear layers and GPT-2's Conv1D; merged weights generate what the adapters did."""
    found = reference.run(PEFT, {"paths": PATHS}, variable=reference.REFERENCE_5).arrays
    np.testing.assert_array_equal(found["generated"], found["merged"])
