"""The scripts of examples/distillation: students are their teacher's layers, and learn from it on slices of data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tx_bert import BertForPreTraining, BertForSequenceClassification, BertModel, BertTokenizer
from tx_distilbert import DistilBertForMaskedLM, DistilBertModel
from tx_gpt2 import GPT2LMHeadModel
from tx_testing.data import data_path
from tx_testing.examples import Example

FOLDER = Path(__file__).resolve().parent.parent / "examples" / "distillation"


@pytest.fixture
def extract(capsys: pytest.CaptureFixture[str]) -> Example:
    return Example(FOLDER / "extract.py", capsys.readouterr)


@pytest.fixture
def glue(capsys: pytest.CaptureFixture[str]) -> Example:
    return Example(FOLDER / "run_glue_w_distillation.py", capsys.readouterr)


def state(model: Any, ids: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(ids)[0]
    return found


def test_a_distilbert_is_exactly_the_layers_of_its_teacher(extract: Example, tmp_path: Path) -> None:
    """With one segment it computes, number by number, what the BERT does whose other layers are taken away."""
    said = extract.run(
        "--model_name", "tx-tiny/bert", "--layers", "1,3", "--vocab_transform", "--dump_checkpoint", tmp_path / "whole"
    )
    assert said == "DistilBertForMaskedLM of the layers 1, 3: 1,160,032 parameters of 1,804,994\n"
    extract.run("--model_name", "tx-tiny/bert", "--layers", "1,3", "--dump_checkpoint", tmp_path / "bare")
    teacher = BertForPreTraining.from_pretrained("tx-tiny/bert")
    teacher.bert.encoder.layer = torch.nn.ModuleList([teacher.bert.encoder.layer[i] for i in (1, 3)])
    teacher.config.num_hidden_layers = 2
    ids = torch.randint(5, 3000, (2, 12), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = teacher(ids, output_hidden_states=True)
    student = DistilBertForMaskedLM.from_pretrained(tmp_path / "whole")
    torch.testing.assert_close(state(student, ids), wanted.prediction_logits)
    torch.testing.assert_close(state(DistilBertModel.from_pretrained(tmp_path / "bare"), ids), wanted.hidden_states[-1])
    assert (tmp_path / "whole" / "vocab.txt").read_bytes() == (tmp_path / "bare" / "vocab.txt").read_bytes()


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_a_student_of_the_same_type_has_every_second_layer_and_the_head(
    extract: Example, tmp_path: Path, name: str
) -> None:
    extract.run("--model_name", f"tx-tiny/{name}", "--student_type", name, "--dump_checkpoint", tmp_path / "student")
    cls: Any = {"bert": BertForPreTraining, "gpt2": GPT2LMHeadModel}[name]
    teacher, student = cls.from_pretrained(f"tx-tiny/{name}"), cls.from_pretrained(tmp_path / "student")
    layers = {"bert": "bert.encoder.layer", "gpt2": "transformer.h"}[name]
    assert student.config.num_hidden_layers == 2
    known = teacher.state_dict()
    for own, value in student.state_dict().items():
        theirs = own.replace(f"{layers}.1.", f"{layers}.2.")
        assert torch.equal(value, known[theirs]), own
    assert {own.replace(f"{layers}.1.", f"{layers}.2.") for own in student.state_dict()} == {
        name for name in known if not name.startswith((f"{layers}.1.", f"{layers}.3."))
    }


def test_pruned_heads_stay_with_their_layers(extract: Example, tmp_path: Path) -> None:
    teacher = BertModel.from_pretrained("tx-tiny/bert")
    teacher.prune_heads({1: [0], 2: [1, 3]})
    student = extract._module.shorter(teacher, (0, 2))
    assert student.config.pruned_heads == {1: [1, 3]}
    assert torch.equal(
        student.encoder.layer[1].attention.self.query.weight, teacher.encoder.layer[2].attention.self.query.weight
    )
    with pytest.raises(ValueError, match="with all its heads"):
        extract._module.distilbert(teacher, (0, 2))


def test_students_that_cannot_be_are_refused(extract: Example, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "config.json").write_text("{}")
    bert = ["--model_name", "tx-tiny/bert", "--dump_checkpoint"]
    assert "is there already" in extract.refusal(*bert, tmp_path / "full")
    for arguments, message in (
        (["--layers", "0,4"], "the teacher has the layers 0 to 3"),
        (["--layers", "2,1"], "in their order"),
        (["--student_type", "gpt2"], "--student_type gpt2"),
        (["--student_type", "bert", "--vocab_transform"], "--vocab_transform is for a distilbert"),
    ):
        with pytest.raises(ValueError, match=message):
            extract.run(*bert, tmp_path / "student", *arguments)
    with pytest.raises(ValueError, match="has no head that predicts words"):
        extract._module.distilbert(BertModel.from_pretrained("tx-tiny/bert"), (0, 2), vocab_transform=True)
    assert not (tmp_path / "student").exists()


def test_of_twelve_layers_a_student_gets_those_of_distilbert(extract: Example) -> None:
    assert extract._module.default_layers(12) == (0, 2, 4, 7, 9, 11)
    assert extract._module.default_layers(6) == (0, 2, 4)


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_a_classifier_learns_from_another(extract: Example, glue: Example, tmp_path: Path, kind: str) -> None:
    pytest.importorskip("sklearn", reason="sklearn: the metrics of GLUE (pip install 'tx-data[metrics]')")
    (tmp_path / "MRPC").mkdir()
    for name, rows in (("train.tsv", 32), ("dev.tsv", 16)):
        with open(data_path(f"glue/MRPC/{name}"), encoding="utf-8") as file:
            (tmp_path / "MRPC" / name).write_text("".join(file.readline() for _ in range(rows + 1)), encoding="utf-8")
    torch.manual_seed(0)
    teacher = BertForSequenceClassification.from_pretrained("tx-tiny/bert")
    torch.nn.init.normal_(teacher.classifier.weight)  # so that it does not say the same of all pairs
    teacher.save_pretrained(tmp_path / "teacher")
    BertTokenizer.from_pretrained("tx-tiny/bert").save_pretrained(tmp_path / "teacher")
    extract.run("--model_name", tmp_path / "teacher", "--student_type", kind, "--dump_checkpoint", tmp_path / "begun")
    common = ["--model_name_or_path", tmp_path / "begun", "--task_name", "mrpc", "--data_dir", tmp_path / "MRPC"]
    common += ["--max_seq_length", 48, "--do_lower_case", "--do_train", "--do_eval", "--no_cuda", "--output_dir"]
    long = ["--max_steps", 12, "--logging_steps", 4, "--learning_rate", 1e-3]
    taught = ["--teacher_name_or_path", tmp_path / "teacher", "--alpha_ce", 1, "--alpha_task", 0]
    glue.run(*common, tmp_path / "taught", *long, *taught)
    losses = [
        row["loss"]
        for row in json.loads((tmp_path / "taught" / "results.json").read_text())["history"]
        if "loss" in row
    ]
    assert losses[-1] < 0.75 * losses[0]
    # The same without the teacher.
    found = glue.run(*common, tmp_path / "alone", *long, "--alpha_ce", 0, "--alpha_task", 1)
    assert {line.split(" = ")[0] for line in found.splitlines()} == {"acc", "acc_and_f1", "f1", "loss"}


def test_teachers_that_do_not_fit_are_refused(glue: Example, tmp_path: Path) -> None:
    common = ["--model_name_or_path", "nothing/here", "--data_dir", tmp_path, "--output_dir", tmp_path / "out"]
    common += ["--do_train", "--task_name"]
    teacher = ["--teacher_name_or_path", "nothing/there"]
    assert "--teacher_name_or_path is needed" in glue.refusal(*common, "mrpc")
    assert "nothing is learnt from it" in glue.refusal(*common, "mrpc", *teacher, "--alpha_ce", 0)
    assert "must be above 0" in glue.refusal(*common, "mrpc", "--alpha_ce", 0, "--alpha_task", 0)
    assert "--alpha_mse must be at least 0" in glue.refusal(*common, "mrpc", *teacher, "--alpha_mse", -1)
    assert "--temperature must be above 0" in glue.refusal(*common, "mrpc", *teacher, "--temperature", 0)
    assert "sts-b has numbers" in glue.refusal(*common, "sts-b", *teacher)
