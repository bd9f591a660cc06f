"""The losses of distillation are their formulae; a student learns from a teacher, which stays as it is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tx_bert import (
    BertConfig,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
)
from tx_distilbert import DistilBertConfig, DistilBertForMaskedLM
from tx_gpt2 import GPT2Config, GPT2DoubleHeadsModel, GPT2LMHeadModel
from tx_training import (
    Distillation,
    TrainingLoop,
    TrainingOptions,
    TrainingStep,
    cosine_loss,
    logits_loss,
    soft_target_loss,
)

BERT = BertConfig(
    vocab_size=20, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=8,
    hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
)  # fmt: skip
DISTILBERT = DistilBertConfig(
    vocab_size=20, dim=8, n_layers=1, n_heads=2, hidden_dim=8, dropout=0.0, attention_dropout=0.0
)
GPT2 = GPT2Config(
    vocab_size=20, n_embd=8, n_layer=1, n_head=2, n_positions=16, resid_pdrop=0.0, attn_pdrop=0.0, embd_pdrop=0.0
)
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]])


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def model(cls: Callable[[Any], Any], config: Any, seed: int) -> Any:
    torch.manual_seed(seed)
    made = cls(copy.deepcopy(config))
    for parameter in made.parameters():  # far from the small weights of a new model, whose predictions are alike
        nn.init.normal_(parameter, std=0.5)
    made.tie_weights()
    return made.train()


def batch() -> dict[str, Tensor]:
    """Tokens (3, 4) with padding, of which three are to be found."""
    ids = torch.randint(1, 20, (3, 4), generator=torch.Generator().manual_seed(1)) * MASK
    labels = torch.full_like(ids, -100)
    labels[0, 1], labels[0, 2], labels[1, 0] = 3, 4, 5
    return {"input_ids": ids, "attention_mask": MASK, "labels": labels}


def softmax(logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    powers = np.exp(logits)
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def test_soft_targets_are_the_divergence_times_the_square_of_the_temperature() -> None:
    student, teacher = drawn(3, 4, 7), drawn(3, 4, 7, seed=1)
    wanted, found = (softmax(each.numpy() / 2.5) for each in (teacher, student))
    divergence = (wanted * np.log(wanted / found)).sum(-1)  # (3, 4)
    given = soft_target_loss(student, teacher, 2.5)
    assert float(given) == pytest.approx(2.5**2 * divergence.mean(), rel=1e-12)
    kept = MASK.numpy() == 1
    assert float(soft_target_loss(student, teacher, 2.5, MASK)) == pytest.approx(
        2.5**2 * divergence[kept].mean(), rel=1e-12
    )
    assert float(soft_target_loss(student, student, 2.5)) == pytest.approx(0.0, abs=1e-12)


def test_the_gradient_is_that_of_the_cross_entropy_with_soft_targets() -> None:
    student, teacher, heat = drawn(5, 7).requires_grad_(), drawn(5, 7, seed=1), 3.0
    (found,) = torch.autograd.grad(soft_target_loss(student, teacher, heat), student)
    # Hinton et al. 2015, equation 2, times the square of T: T·(q - p), of each of the five rows a fifth.
    p, q = ((each.detach() / heat).softmax(-1) for each in (teacher, student))
    torch.testing.assert_close(found, heat * (q - p) / 5)


def test_distances_of_logits_and_directions_of_states() -> None:
    student, teacher = drawn(3, 4, 7), drawn(3, 4, 7, seed=1)
    a, b, kept = student.numpy(), teacher.numpy(), MASK.numpy() == 1
    squares = ((a - b) ** 2).sum(-1)
    assert float(logits_loss(student, teacher)) == pytest.approx(squares.mean(), rel=1e-12)
    assert float(logits_loss(student, teacher, MASK)) == pytest.approx(squares[kept].mean(), rel=1e-12)
    cosines = (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))
    assert float(cosine_loss(student, teacher)) == pytest.approx((1 - cosines).mean(), rel=1e-12)
    assert float(cosine_loss(student, teacher, MASK)) == pytest.approx((1 - cosines)[kept].mean(), rel=1e-12)
    assert float(cosine_loss(student, -2 * student)) == pytest.approx(2.0)


def test_half_precision_is_compared_in_float32_and_no_place_gives_zero() -> None:
    student, teacher = drawn(2, 7).bfloat16(), drawn(2, 7, seed=1).bfloat16()
    found = soft_target_loss(student, teacher)
    assert found.dtype == torch.float32
    assert float(found) == float(soft_target_loss(student.float(), teacher.float()))
    for loss in (soft_target_loss, logits_loss, cosine_loss):
        assert float(loss(student, teacher, mask=torch.zeros(2))) == 0.0


@pytest.mark.parametrize("restricted", [False, True])
def test_the_sum_of_masked_language_models_is_that_of_its_parts(restricted: bool) -> None:
    teacher, student = model(BertForMaskedLM, BERT, 0), model(DistilBertForMaskedLM, DISTILBERT, 1)
    given = batch()
    distillation = Distillation(
        teacher,
        temperature=2.0,
        alpha_ce=5.0,
        alpha_task=2.0,
        alpha_mse=0.5,
        alpha_cos=1.0,
        restrict_ce_to_mask=restricted,
    )
    found, counts = distillation(student, given), distillation.count(student, given)
    own = student(**given, output_hidden_states=True)
    wanted = teacher.eval()(given["input_ids"], given["attention_mask"], output_hidden_states=True)
    compared = given["labels"] != -100 if restricted else MASK
    parts = [
        5.0 * soft_target_loss(own.logits, wanted.logits, 2.0, compared),
        2.0 * own.loss,
        0.5 * logits_loss(own.logits, wanted.logits, compared),
        1.0 * cosine_loss(own.hidden_states[-1], wanted.hidden_states[-1], MASK),
    ]
    torch.testing.assert_close(found, torch.stack(parts))
    assert counts == ([3, 3, 3, 9] if restricted else [9, 3, 9, 9])


def test_a_model_of_next_tokens_is_compared_where_it_predicts_them() -> None:
    teacher, student, given = model(GPT2LMHeadModel, GPT2, 0), model(GPT2LMHeadModel, GPT2, 1), batch()
    every = Distillation(teacher, alpha_ce=1.0, alpha_task=0.0)
    some = Distillation(teacher, alpha_ce=1.0, alpha_task=0.0, restrict_ce_to_mask=True)
    own, wanted = (each(given["input_ids"], attention_mask=MASK).logits for each in (student, teacher))
    torch.testing.assert_close(every(student, given), soft_target_loss(own, wanted, 2.0, MASK)[None])
    before = torch.zeros_like(MASK)
    before[0, 0] = before[0, 1] = 1  # the label of the third row's first token has nothing before it
    torch.testing.assert_close(some(student, given), soft_target_loss(own, wanted, 2.0, before)[None])
    assert (every.count(student, given), some.count(student, given)) == ([9], [2])


def test_a_model_of_two_heads_is_compared_where_it_predicts_the_next_tokens() -> None:
    teacher, student = (model(GPT2DoubleHeadsModel, GPT2, seed) for seed in (0, 1))
    ids = batch()["input_ids"][:, None].repeat(1, 2, 1)  # (3, 2, 4): two choices each
    labels = torch.full_like(ids, -100)
    labels[0, 0, 2] = labels[1, 1, 1] = 3
    some = Distillation(teacher, alpha_ce=1.0, alpha_task=0.0, restrict_ce_to_mask=True)
    own, wanted = (each(ids).logits for each in (student, teacher))
    before = torch.zeros_like(ids)
    before[0, 0, 1] = before[1, 1, 0] = 1
    given = {"input_ids": ids, "labels": labels}
    torch.testing.assert_close(some(student, given), soft_target_loss(own, wanted, 2.0, before)[None])
    assert some.count(student, given) == [2]


def test_the_words_of_a_pretrained_model_are_compared_by_token() -> None:
    student, teacher = model(BertForPreTraining, BERT, 1), model(BertForPreTraining, BERT, 2)
    inputs = {**batch(), "next_sentence_label": torch.tensor([0, 1, 1])}
    given = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    distillation = Distillation(teacher, alpha_ce=1.0, alpha_task=0.0, fields=("prediction_logits",))
    with torch.no_grad():
        found = distillation(student, inputs)
        wanted = soft_target_loss(
            student(**given).prediction_logits, teacher(**given).prediction_logits, temperature=2.0, mask=MASK
        )
    torch.testing.assert_close(found, wanted[None])
    assert distillation.count(student, inputs) == [9]
    with pytest.raises(ValueError, match=r"student returned no logits, but .*prediction_logits, .*: see fields="):
        Distillation(teacher, alpha_task=0.0)(student, inputs)


def test_states_of_choices_are_compared_without_padding() -> None:
    student, teacher = model(BertForMultipleChoice, BERT, 1), model(BertForMultipleChoice, BERT, 2)
    ids, mask = torch.stack([batch()["input_ids"]] * 2), torch.stack([MASK] * 2)  # two rows of three choices
    inputs = {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([0, 2])}
    distillation = Distillation(teacher, alpha_ce=0.0, alpha_task=0.0, alpha_cos=1.0)
    with torch.no_grad():
        found = distillation(student, inputs)
        shown = [each(ids, attention_mask=mask, output_hidden_states=True) for each in (student, teacher)]
        wanted = cosine_loss(*(each.hidden_states[-1].reshape(2, 3, 4, 8) for each in shown), mask)
    torch.testing.assert_close(found, wanted[None])
    assert distillation.count(student, inputs) == [18]


def test_classes_and_answers_are_compared_by_row() -> None:
    given = {name: value for name, value in batch().items() if name != "labels"}
    given["token_type_ids"] = torch.ones_like(MASK)
    classes = {**given, "labels": torch.tensor([0, 1, 1])}
    teacher, student = (model(BertForSequenceClassification, BERT, seed) for seed in (0, 1))
    distillation = Distillation(teacher, temperature=3.0)
    own, wanted = student(**classes), teacher(**given)
    parts = [0.5 * soft_target_loss(own.logits, wanted.logits, 3.0), 0.5 * own.loss]
    torch.testing.assert_close(distillation(student, classes), torch.stack(parts))
    assert distillation.count(student, classes) == [3, 3]

    places = {"start_positions": torch.tensor([0, 1, 0]), "end_positions": torch.tensor([1, 2, 1])}
    teacher, student = (model(BertForQuestionAnswering, BERT, seed) for seed in (0, 1))
    fields = ("start_logits", "end_logits")
    own, wanted = student(**given, **places), teacher.eval()(**given, skip_padding=False)
    soft = [soft_target_loss(getattr(own, field), getattr(wanted, field), 2.0) for field in fields]
    found = Distillation(teacher, fields=fields)(student, {**given, **places})
    torch.testing.assert_close(found, torch.stack([0.5 * (soft[0] + soft[1]) / 2, 0.5 * own.loss]))


def test_batches_of_other_numbers_of_targets_are_one_batch() -> None:
    teacher, student, given = model(BertForMaskedLM, BERT, 0), model(DistilBertForMaskedLM, DISTILBERT, 1), batch()
    distillation = Distillation(teacher, alpha_ce=5.0, alpha_task=2.0, alpha_cos=1.0)
    whole, split = copy.deepcopy(student), copy.deepcopy(student)
    losses = []
    for each, batches in (
        (whole, [given]),
        (split, [{name: value[[row]] for name, value in given.items()} for row in range(3)]),
    ):
        step = TrainingStep(
            each,
            torch.optim.SGD(each.parameters(), lr=0.1),
            loss=distillation,
            count=distillation.count,
            max_grad_norm=None,
        )
        losses.append(step(batches))
    torch.testing.assert_close(*losses)
    for one, other in zip(whole.parameters(), split.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    assert any(not torch.equal(*each) for each in zip(whole.parameters(), student.parameters(), strict=True))


def test_a_student_comes_nearer_to_its_teacher_which_stays_as_it_is(tmp_path: Path) -> None:
    teacher, student = model(BertForMaskedLM, BERT, 0), model(DistilBertForMaskedLM, DISTILBERT, 1)
    before = copy.deepcopy(teacher.state_dict())
    distillation = Distillation(teacher, alpha_ce=1.0, alpha_task=0.0)
    rows = [{name: value[row] for name, value in batch().items()} for row in range(3)]
    options = TrainingOptions(max_steps=30, batch_size=3, learning_rate=0.05, log_every=1, save_every=15)
    result = TrainingLoop(student, rows, tmp_path, options, loss=distillation, count=distillation.count).run()
    losses = [row["loss"] for row in result.history]
    assert losses[-1] < 0.2 * losses[0]
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert not teacher.training
    assert all(parameter.grad is None for parameter in teacher.parameters())
    for folder in (tmp_path, tmp_path / "checkpoint-15"):  # the student alone
        assert DistilBertForMaskedLM.from_pretrained(folder).num_parameters() == student.num_parameters()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature must be above 0, not 0.0"),
        ({"alpha_mse": -1.0}, "alpha_mse must be at least 0, not -1.0"),
        ({"alpha_ce": 0.0, "alpha_task": 0.0}, "nothing to learn from"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Distillation(model(BertForMaskedLM, BERT, 0), **options)


def test_models_that_do_not_fit_are_refused() -> None:
    student, given = model(DistilBertForMaskedLM, DISTILBERT, 1), batch()
    other = BertConfig.from_dict({**BERT.to_dict(), "vocab_size": 30, "hidden_size": 10})
    teacher = model(BertForMaskedLM, other, 0)
    with pytest.raises(ValueError, match=r"student's logits are \(3, 4, 20\) and the teacher's \(3, 4, 30\)"):
        Distillation(teacher)(student, given)
    with pytest.raises(ValueError, match=r"student's hidden states are \(3, 4, 8\) and the teacher's \(3, 4, 10\)"):
        Distillation(teacher, alpha_ce=0.0, alpha_cos=1.0)(student, given)
    with pytest.raises(ValueError, match=r"the mask must be \(3, 4\), as the logits are, not \(4,\)"):
        soft_target_loss(drawn(3, 4, 7), drawn(3, 4, 7), mask=torch.ones(4))
    unlabelled = {name: value for name, value in given.items() if name != "labels"}
    fitting = model(BertForMaskedLM, BERT, 0)
    with pytest.raises(ValueError, match="give it labels too"):
        Distillation(fitting)(student, unlabelled)
    with pytest.raises(ValueError, match="restrict_ce_to_mask=True needs labels"):
        Distillation(fitting, alpha_task=0.0, restrict_ce_to_mask=True)(student, unlabelled)
