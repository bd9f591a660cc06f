"""What tx-data makes is what the models take, and what they answer it makes use of: every kind of task once, tiny."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tx_bert import (
    BertConfig,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertTokenizer,
)
from tx_data import (
    InputExample,
    MultipleChoiceExample,
    SquadExample,
    SquadResult,
    TokenExample,
    compute_predictions_log_probs,
    compute_predictions_logits,
    glue_convert_examples_to_features,
    mask_tokens,
    multiple_choice_convert_examples_to_features,
    ner_convert_examples_to_features,
    ner_labels_of_words,
    squad_convert_examples_to_features,
    squad_evaluate,
    text_blocks,
)
from tx_xlnet import XLNetConfig, XLNetForQuestionAnswering, XLNetTokenizer

CONTEXT = "The river is long. The old town stands at the river, and its bridge was built in 1998 by the people."
EXAMPLES = [
    SquadExample(name, text, CONTEXT, answer, CONTEXT.index(answer), "Town", [{"text": answer, "answer_start": 0}])
    for name, text, answer in (("a", "When was the bridge built?", "1998"), ("b", "Who built it?", "the people"))
]


@pytest.fixture(scope="module")
def tokenizer() -> BertTokenizer:
    return BertTokenizer.from_pretrained("tx-tiny/bert")


def tiny(cls: Any, tokenizer: BertTokenizer, **options: Any) -> Any:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    return cls(BertConfig(vocab_size=len(tokenizer), **sizes, **options)).eval()


def tensors(features: Any, *names: str) -> dict[str, torch.Tensor]:
    return {name: torch.tensor([getattr(each, name) for each in features]) for name in names}


INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def test_a_classifier_takes_features(tokenizer: BertTokenizer) -> None:
    examples = [InputExample("1", "The river is long.", "It is old.", "1"), InputExample("2", "A town", "x", "0")]
    features = glue_convert_examples_to_features(examples, tokenizer, 24, "mrpc")
    labels = torch.tensor([each.label for each in features])
    loss, logits = tiny(BertForSequenceClassification, tokenizer)(**tensors(features, *INPUTS), labels=labels)[:2]
    assert loss.isfinite()
    assert logits.shape == (2, 2)


def test_choices_and_words_and_hidden_words(tokenizer: BertTokenizer) -> None:
    choices = [MultipleChoiceExample("1", "It is", ["The river."] * 3, ["long", "old", "a town"], 0)]
    features = multiple_choice_convert_examples_to_features(choices, tokenizer, 16)
    assert tiny(BertForMultipleChoice, tokenizer)(**tensors(features, *INPUTS))[0].shape == (1, 3)

    words = [TokenExample("1", ["The", "river", "Themse"], ["O", "O", "B-X"]), TokenExample("2", ["old"], ["O"])]
    rows = ner_convert_examples_to_features(words, tokenizer, 12, ["O", "B-X"])
    labels = torch.tensor([row.label_ids for row in rows])
    model = tiny(BertForTokenClassification, tokenizer)
    loss, logits = model(**tensors(rows, *INPUTS), labels=labels)[:2]
    counted = torch.nn.functional.cross_entropy(logits[labels >= 0], labels[labels >= 0])  # four words
    torch.testing.assert_close(loss, counted)
    found = ner_labels_of_words(logits.argmax(-1), rows, words, ["O", "B-X"])
    assert [len(each) for each in found] == [3, 1]

    inputs, hidden = mask_tokens(text_blocks(tokenizer, CONTEXT * 4, 16), tokenizer, 0.3, seed=0, whole_words=True)
    model = tiny(BertForMaskedLM, tokenizer)
    loss, logits = model(torch.from_numpy(inputs), masked_lm_labels=torch.from_numpy(hidden))[:2]
    chosen = torch.from_numpy(hidden) >= 0
    torch.testing.assert_close(
        loss, torch.nn.functional.cross_entropy(logits[chosen], torch.from_numpy(hidden)[chosen])
    )


def test_answers_are_found_with_scores_of_all_tokens(tokenizer: BertTokenizer) -> None:
    train = squad_convert_examples_to_features(EXAMPLES, tokenizer, 32, 10, 8, True)
    model = tiny(BertForQuestionAnswering, tokenizer)
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    places = {"start_positions": "start_position", "end_positions": "end_position"}
    labels = {name: torch.tensor([getattr(each, field) for each in train]) for name, field in places.items()}
    for _ in range(60):
        loss = model(**tensors(train, *INPUTS), **labels)[0]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    features, dataset = squad_convert_examples_to_features(EXAMPLES, tokenizer, 32, 10, 8, False, return_dataset="pt")
    with torch.no_grad():
        starts, ends = model(*dataset.tensors[:3])[:2]
    results = [SquadResult(each.unique_id, starts[n], ends[n]) for n, each in enumerate(features)]
    answers = compute_predictions_logits(
        EXAMPLES, features, results, 10, 8, True, None, None, None, False, False, 0.0, tokenizer
    )
    assert answers == {"a": "1998", "b": "the people"}
    assert squad_evaluate(EXAMPLES, answers)["exact"] == 100


def test_answers_are_found_with_a_beam() -> None:
    tokenizer = XLNetTokenizer.from_pretrained("tx-tiny/xlnet")
    features = squad_convert_examples_to_features(EXAMPLES, tokenizer, 80, 40, 12, False)
    assert all(each.input_ids[0] == tokenizer.pad_token_id for each in features)  # positions begin after padding
    torch.manual_seed(0)
    sizes = {"d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 16, "start_n_top": 3, "end_n_top": 4}
    model = XLNetForQuestionAnswering(XLNetConfig(vocab_size=len(tokenizer), **sizes)).eval()
    inputs = tensors(features, *INPUTS, "cls_index")
    p_mask = torch.tensor([each.p_mask for each in features]).float()
    with torch.no_grad():
        found = model(**inputs, p_mask=p_mask)
    names = (
        "start_top_log_probs", "end_top_log_probs", "start_top_index", "end_top_index", "cls_logits",
    )  # fmt: skip
    results = [
        SquadResult(each.unique_id, *(getattr(found, name)[n].numpy() for name in names))
        for n, each in enumerate(features)
    ]
    answers = compute_predictions_log_probs(
        EXAMPLES, features, results, 10, 8, None, None, None, 3, 4, True, tokenizer, False
    )
    for n, (example, feature) in enumerate(zip(EXAMPLES, features, strict=True)):
        # Each start's ends are the likeliest given that start: the best pair of the whole beam, by hand.
        result = results[n]
        ends, scores = result.end_top_index.reshape(4, 3), result.end_logits.reshape(4, 3)
        pairs = [
            (result.start_logits[i] + scores[j, i], result.start_top_index[i], ends[j, i])
            for i, j in np.ndindex(3, 4)
            if result.start_top_index[i] <= ends[j, i] < result.start_top_index[i] + 8
            and {result.start_top_index[i], ends[j, i]} <= {*feature.token_to_orig_map}
        ]
        _, start, end = max(pairs, key=lambda pair: pair[0])
        words = example.doc_tokens[feature.token_to_orig_map[start] : feature.token_to_orig_map[end] + 1]
        assert answers[example.qas_id] in " ".join(words)
        assert answers[example.qas_id]
