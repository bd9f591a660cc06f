"""Lines of the 2019 README and of scripts of that time, in PyTorch."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch

import tx_bert
from tx_bert import (
    BERT_PRETRAINED_CONFIG_ARCHIVE_MAP,
    BERT_PRETRAINED_MODEL_ARCHIVE_MAP,
    BertConfig,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    BertPreTrainedModel,
    BertTokenizer,
)
from tx_bert.architecture import ARCHITECTURE
from tx_core.config import PretrainedConfig
from tx_core.models.pretrained_torch import PreTrainedModel

VOCABULARY = """
[PAD] [UNK] [CLS] [SEP] [MASK] here is some text to encode let ' s see all hidden states and attentions on this -
who was jim henson ? a puppeteer
"""
WORDS = VOCABULARY.split()

BERT_MODEL_CLASSES = [
    BertModel,
    BertForPreTraining,
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertForQuestionAnswering,
]


@pytest.fixture(scope="module")
def pretrained_weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What stands for 'bert-base-uncased': a folder with a model, its configuration and its vocabulary."""
    folder = tmp_path_factory.mktemp("bert-tiny-uncased")
    torch.manual_seed(0)
    config = BertConfig(len(WORDS), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24)
    BertForPreTraining(config).save_pretrained(str(folder), format="bin")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    return str(folder)


def test_quick_tour(pretrained_weights: str) -> None:
    tokenizer = BertTokenizer.from_pretrained(pretrained_weights)
    model = BertModel.from_pretrained(pretrained_weights)
    input_ids = torch.tensor([tokenizer.encode("Here is some text to encode", add_special_tokens=True)])
    assert input_ids.tolist() == [[2, 5, 6, 7, 8, 9, 10, 3]]
    with torch.no_grad():
        last_hidden_states = model(input_ids)[0]
    assert last_hidden_states.shape == (1, 8, 16)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("model_class", BERT_MODEL_CLASSES)
def test_tour_of_the_classes(model_class: Any, pretrained_weights: str, tmp_path: Path) -> None:
    tokenizer = BertTokenizer.from_pretrained(pretrained_weights)
    model = model_class.from_pretrained(pretrained_weights)
    model = model_class.from_pretrained(pretrained_weights, output_hidden_states=True, output_attentions=True)
    input_ids = torch.tensor([tokenizer.encode("Let's see all hidden-states and attentions on this text")])
    all_hidden_states, all_attentions = model(input_ids)[-2:]
    assert [len(all_hidden_states), len(all_attentions)] == [3, 2]

    model = model_class.from_pretrained(pretrained_weights, torchscript=True)
    trace: Any = torch.jit.trace
    traced_model = trace(model, (input_ids,))
    assert torch.equal(traced_model(input_ids)[0], model(input_ids)[0])

    model.save_pretrained(str(tmp_path))
    model = model_class.from_pretrained(str(tmp_path))
    tokenizer.save_pretrained(str(tmp_path))
    tokenizer = BertTokenizer.from_pretrained(str(tmp_path))
    assert torch.equal(torch.tensor([tokenizer.encode("some text")]), torch.tensor([[2, 7, 8, 3]]))


def test_masked_language_model(pretrained_weights: str) -> None:
    """The quick start: predict a masked word, with segments."""
    tokenizer = BertTokenizer.from_pretrained(pretrained_weights)
    tokenized_text = tokenizer.tokenize("[CLS] who was jim henson ? [SEP] jim henson was a puppeteer [SEP]")
    tokenized_text[8] = "[MASK]"
    assert tokenized_text[:7] == ["[CLS]", "who", "was", "jim", "henson", "?", "[SEP]"]
    tokens_tensor = torch.tensor([tokenizer.convert_tokens_to_ids(tokenized_text)])
    segments_tensors = torch.tensor([[0] * 7 + [1] * (len(tokenized_text) - 7)])
    model = BertForMaskedLM.from_pretrained(pretrained_weights)
    model.eval()
    with torch.no_grad():
        outputs = model(tokens_tensor, token_type_ids=segments_tensors)
        predictions = outputs[0]
    predicted_index = int(torch.argmax(predictions[0, 8]))
    assert isinstance(tokenizer.convert_ids_to_tokens([predicted_index])[0], str)


def test_losses_come_first() -> None:
    """The examples in the docstrings of the classes."""
    config = BertConfig(
        30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, num_labels=3
    )
    input_ids = torch.tensor([[2, 7, 8, 9, 3], [2, 7, 9, 3, 0]])
    model: Any = BertForMaskedLM(config)
    loss, prediction_scores = model(input_ids, masked_lm_labels=input_ids)[:2]
    assert (loss.shape, prediction_scores.shape) == ((), (2, 5, 30))
    model = BertForPreTraining(config)
    prediction_scores, seq_relationship_scores = model(input_ids)[:2]
    assert seq_relationship_scores.shape == (2, 2)
    loss = model(input_ids, masked_lm_labels=input_ids, next_sentence_label=torch.tensor([0, 1]))[0]
    assert loss.shape == ()
    loss, logits = BertForSequenceClassification(config)(input_ids, labels=torch.tensor([1, 2]))
    assert (loss.shape, logits.shape) == ((), (2, 3))
    loss, logits = BertForTokenClassification(config)(input_ids, labels=torch.ones_like(input_ids))
    assert (loss.shape, logits.shape) == ((), (2, 5, 3))
    start, end = torch.tensor([1, 3]), torch.tensor([3, 4])
    loss, start_scores, end_scores = BertForQuestionAnswering(config)(
        input_ids, start_positions=start, end_positions=end
    )
    assert (loss.shape, start_scores.shape, end_scores.shape) == ((), (2, 5), (2, 5))
    loss, logits = BertForMultipleChoice(config)(input_ids[None], labels=torch.tensor([1]))
    assert (loss.shape, logits.shape) == ((), (1, 2))
    (seq_relationship_scores,) = BertForNextSentencePrediction(config)(input_ids)
    assert seq_relationship_scores.shape == (2, 2)


def test_regression() -> None:
    config = BertConfig(
        30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, num_labels=1
    )
    model = BertForSequenceClassification(config).eval()
    input_ids, labels = torch.tensor([[2, 7, 3], [2, 9, 3]]), torch.tensor([0.5, 2.5])
    loss, logits = model(input_ids, labels=labels)
    assert logits.shape == (2, 1)
    torch.testing.assert_close(loss, ((logits[:, 0] - labels) ** 2).mean())


def test_positional_order_of_2_1() -> None:
    """input_ids, attention_mask, token_type_ids, position_ids, head_mask."""
    config = BertConfig(30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    model = BertModel(config).eval()
    ids, mask, types = torch.tensor([[2, 7, 3]]), torch.tensor([[1, 1, 0]]), torch.tensor([[0, 1, 1]])
    positions, heads = torch.tensor([[0, 2, 1]]), torch.tensor([1.0, 0.0])
    by_name = model(input_ids=ids, attention_mask=mask, token_type_ids=types, position_ids=positions, head_mask=heads)
    assert torch.equal(model(ids, mask, types, positions, heads)[0], by_name[0])
    assert not torch.allclose(model(ids, mask, types)[0], by_name[0])


def test_run_glue_lines(pretrained_weights: str, tmp_path: Path) -> None:
    """What run_glue.py does around training."""
    config = BertConfig.from_pretrained(pretrained_weights, num_labels=3, finetuning_task="mnli", cache_dir=None)
    model = BertForSequenceClassification.from_pretrained(
        pretrained_weights, from_tf=bool(".ckpt" in pretrained_weights), config=config, cache_dir=None
    )
    assert model.config.finetuning_task == "mnli"
    no_decay = ["bias", "LayerNorm.weight"]
    decayed = [n for n, _ in model.named_parameters() if not any(nd in n for nd in no_decay)]
    assert "bert.encoder.layer.0.attention.self.query.weight" in decayed
    assert not any("LayerNorm" in name for name in decayed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    batch = (
        torch.tensor([[2, 5, 6, 3], [2, 7, 8, 3]]),
        torch.ones(2, 4),
        torch.zeros(2, 4, dtype=torch.long),
        torch.tensor([0, 1]),
    )
    inputs = {"input_ids": batch[0], "attention_mask": batch[1], "token_type_ids": batch[2], "labels": batch[3]}
    losses = []
    model.train()
    for _ in range(20):
        outputs = model(**inputs)
        outputs[0].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        model.zero_grad()
        losses.append(outputs[0].item())
    assert losses[-1] < losses[0]
    model_to_save = model.module if hasattr(model, "module") else model
    model_to_save.save_pretrained(str(tmp_path))
    torch.save({"learning_rate": 1e-3}, tmp_path / "training_args.bin")
    again = BertForSequenceClassification.from_pretrained(str(tmp_path))
    assert again.config.num_labels == 3
    with torch.no_grad():
        assert torch.equal(again(**inputs)[1], model.eval()(**inputs)[1])


def test_user_defined_class(pretrained_weights: str, caplog: pytest.LogCaptureFixture) -> None:
    """A class in the manner of the time, with init_weights, loads and says what is new."""

    class BertScorer(BertPreTrainedModel):
        def __init__(self, config: BertConfig) -> None:
            super().__init__(config)
            self.num_labels = config.num_labels
            self.bert = BertModel(config)
            self.scorer = torch.nn.Linear(config.hidden_size, self.num_labels)
            self.init_weights()

        def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
            scores: torch.Tensor = self.scorer(self.bert(input_ids)[1])
            return scores

    with caplog.at_level(logging.WARNING):
        model = BertScorer.from_pretrained(pretrained_weights, num_labels=4)
    assert "scorer.weight" in caplog.text
    assert model(torch.tensor([[2, 5, 3]])).shape == (1, 4)
    assert not model.scorer.bias.any()
    assert 0 < model.scorer.weight.std() < 0.1


def test_a_class_that_extends_a_head(pretrained_weights: str) -> None:
    """Forward passes of the time read the number of labels off the model."""

    class Focused(BertForSequenceClassification):
        def forward(self, input_ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
            logits = self.classifier(self.dropout(self.bert(input_ids)[1]))
            return torch.nn.functional.cross_entropy(logits.view(-1, self.num_labels), labels.view(-1))

    model = Focused.from_pretrained(pretrained_weights, num_labels=4)
    assert model(torch.tensor([[2, 5, 3]]), torch.tensor([3])).isfinite()
    for cls in (BertForTokenClassification, BertForQuestionAnswering):
        assert cls(BertConfig.from_pretrained(pretrained_weights, num_labels=3)).num_labels == 3


def test_names_and_maps() -> None:
    assert issubclass(BertModel, PreTrainedModel)
    assert issubclass(BertConfig, PretrainedConfig)
    assert BertModel.config_class is BertConfig
    assert BertModel.base_model_prefix == "bert"
    assert BertModel.pretrained_model_archive_map == BERT_PRETRAINED_MODEL_ARCHIVE_MAP
    assert list(BERT_PRETRAINED_MODEL_ARCHIVE_MAP) == list(BERT_PRETRAINED_CONFIG_ARCHIVE_MAP)
    assert list(BERT_PRETRAINED_MODEL_ARCHIVE_MAP)[:4] == [
        "bert-base-uncased",
        "bert-large-uncased",
        "bert-base-cased",
        "bert-large-cased",
    ]
    assert all(url.startswith("https://") for url in BERT_PRETRAINED_MODEL_ARCHIVE_MAP.values())
    assert "bert-base-cased-finetuned-mrpc" in BERT_PRETRAINED_MODEL_ARCHIVE_MAP
    assert set(ARCHITECTURE.exports()["model_torch"]) <= set(dir(tx_bert))


def test_tuples() -> None:
    """Outputs unpack, slice and compare as tuples."""
    config = BertConfig(30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    outputs = BertModel(config)(torch.tensor([[2, 7, 3]]))
    assert isinstance(outputs, tuple)
    assert len(outputs) == 2
    sequence_output, pooled_output = outputs
    assert outputs[1] is pooled_output
    assert (outputs[0],) + outputs[2:] == (sequence_output,)
