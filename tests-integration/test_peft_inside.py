"""Low-rank adapters of ``peft`` in BERT's linear layers and GPT-2's ``Conv1D``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tx_bert import BertForSequenceClassification, BertTokenizer
from tx_gpt2 import Conv1D, GPT2LMHeadModel, GPT2Tokenizer
from tx_testing import glue

peft = pytest.importorskip("peft", reason="peft is not installed")


def classifier() -> tuple[Any, Any, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    model = BertForSequenceClassification.from_pretrained("tx-tiny/bert", num_labels=2)
    lora = peft.LoraConfig(task_type=peft.TaskType.SEQ_CLS, r=4, target_modules=["query", "value"])
    tokenizer = BertTokenizer.from_pretrained("tx-tiny/bert")
    pairs = glue.mrpc(6)
    batch = tokenizer([pair[:2] for pair in pairs], padding=True, truncation=True, max_length=64, return_tensors="pt")
    return model, lora, {**batch, "labels": torch.tensor([pair[2] for pair in pairs])}


def language_model() -> tuple[Any, Any, dict[str, torch.Tensor]]:
    model = GPT2LMHeadModel.from_pretrained("tx-tiny/gpt2")
    lora = peft.LoraConfig(
        task_type=peft.TaskType.CAUSAL_LM, r=4, target_modules=["c_attn", "c_proj"], fan_in_fan_out=True
    )
    ids = GPT2Tokenizer.from_pretrained("tx-tiny/gpt2")(glue.mrpc(1)[0][0], return_tensors="pt")["input_ids"]
    return model, lora, {"input_ids": ids, "labels": ids}


def known(lora: Any) -> Any:
    """The configuration that knows ``Conv1D``, as docs/working-with.md says."""
    lora._register_custom_module({Conv1D: peft.tuners.lora.Linear})
    return lora


def train(model: Any, inputs: dict[str, torch.Tensor], steps: int = 3) -> list[float]:
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for _ in range(steps):
        loss = model(**inputs).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    model.eval()
    return losses


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [classifier, language_model])
def test_lora(make: Any, tmp_path: Path) -> None:
    """Only adapters (and a new head) train; they load again, and merged into the weights they give the same."""
    base, lora, inputs = make()
    before = {name: tensor.clone() for name, tensor in base.state_dict().items()}
    model = peft.get_peft_model(base, known(lora))
    trainable = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert all("lora_" in name or "classifier" in name for name in trainable)
    layers = base.config.num_hidden_layers
    per_layer = {classifier: 2, language_model: 3}[make]  # query, value; c_attn, and the c_proj of attention and MLP
    assert sum("lora_A" in name for name in trainable) == layers * per_layer

    losses = train(model, inputs)
    assert losses[-1] < losses[0]
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            own = name.removeprefix("base_model.model.").replace(".base_layer", "").replace(".original_module", "")
            assert torch.equal(parameter, before[own]), name
    with torch.no_grad():
        wanted = model(**inputs).logits
        with model.disable_adapter():
            assert not torch.allclose(model(**inputs).logits, wanted, atol=1e-3)

    model.save_pretrained(tmp_path / "adapter")
    fresh, _, _ = make()
    again = peft.PeftModel.from_pretrained(
        fresh, tmp_path / "adapter", config=known(peft.LoraConfig.from_pretrained(tmp_path / "adapter"))
    )
    with torch.no_grad():
        assert torch.equal(again(**inputs).logits, wanted)
        merged = again.merge_and_unload()
        assert type(merged) is type(base)
        assert (merged(**inputs).logits - wanted).abs().max() < 1e-5 * wanted.abs().max()
        merged.save_pretrained(tmp_path / "merged")
        plain = type(merged).from_pretrained(tmp_path / "merged")
        assert torch.equal(plain(**inputs).logits, merged(**inputs).logits)


@pytest.mark.filterwarnings("ignore")
def test_generation() -> None:
    """A wrapped language model generates what the merged one does, by tx's own loop."""
    base, lora, inputs = language_model()
    model = peft.get_peft_model(base, known(lora))
    train(model, inputs)
    prompt = inputs["input_ids"][:, :6]
    found = model.generate(input_ids=prompt, max_new_tokens=12).sequences
    assert found.shape[1] > prompt.shape[1]
    assert torch.equal(found, model.merge_and_unload().generate(prompt, max_new_tokens=12).sequences)


def test_conv1d_has_to_be_made_known() -> None:
    base, lora, _ = language_model()
    with pytest.raises(ValueError, match="Conv1D"):
        peft.get_peft_model(base, lora)
