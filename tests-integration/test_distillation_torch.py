"""The scripts of examples/distillation: students are their teacher's layers, and learn from it on slices of data."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from tx_bert import (
    BertConfig,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertModel,
    BertTokenizer,
)
from tx_core import AutoModelForSequenceClassification
from tx_distilbert import (
    DistilBertConfig,
    DistilBertForMaskedLM,
    DistilBertForSequenceClassification,
    DistilBertModel,
)
from tx_gpt2 import GPT2Config, GPT2LMHeadModel, GPT2Tokenizer
from tx_roberta import RobertaConfig
from tx_testing.examples import Example
from tx_testing.glue import first_files
from tx_testing.squad import few_questions
from tx_testing.texts import two_stretches
from tx_training.scripts_torch import load_model

FOLDER = Path(__file__).resolve().parent.parent / "examples" / "distillation"


@pytest.fixture
def extract(capsys: pytest.CaptureFixture[str]) -> Example:
    return Example(FOLDER / "extract.py", capsys.readouterr)


@pytest.fixture
def train(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Example:
    monkeypatch.syspath_prepend(str(FOLDER))  # as for a script that is run
    return Example(FOLDER / "train.py", capsys.readouterr)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Paragraphs of WikiText-2, a line each, to train on and to measure by; tx-tiny's models have not seen them."""
    return two_stretches("lm/wikitext-2/valid.txt", 7500, tmp_path_factory.mktemp("wikitext"))


@pytest.fixture
def squad(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Example:
    monkeypatch.syspath_prepend(str(FOLDER))
    return Example(FOLDER / "run_squad_w_distillation.py", capsys.readouterr)


@pytest.fixture
def glue(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Example:
    monkeypatch.syspath_prepend(str(FOLDER))
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
    assert "numbers such as 0,3,5 are wanted, not '0-3'" in extract.refusal(
        *bert, tmp_path / "student", "--layers", "0-3"
    )
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
    first_files("MRPC", tmp_path / "MRPC", train=32, dev=16)
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
    first, *_, last = losses(tmp_path / "taught")
    assert last < 0.75 * first
    if kind == "bert":
        return
    # The same without the teacher.
    found = glue.run(*common, tmp_path / "alone", *long, "--alpha_ce", 0, "--alpha_task", 1)
    assert {line.split(" = ")[0] for line in found.splitlines()} == {"acc", "acc_and_f1", "f1", "loss"}


@pytest.mark.parametrize("kinds", [("bert", "distilbert"), ("distilbert", "bert")])
def test_segments_are_read_where_one_of_both_has_them(glue: Example, tmp_path: Path, kinds: tuple[str, str]) -> None:
    tokenizer = BertTokenizer.from_pretrained("tx-tiny/bert")
    small: dict[str, Any] = {"vocab_size": len(tokenizer), "num_labels": 2}
    bert = BertConfig(**small, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    distilbert = DistilBertConfig(**small, dim=8, n_layers=1, n_heads=2, hidden_dim=8)
    BertForSequenceClassification(bert).save_pretrained(tmp_path / "bert")
    DistilBertForSequenceClassification(distilbert).save_pretrained(tmp_path / "distilbert")
    for each in kinds:
        tokenizer.save_pretrained(tmp_path / each)
    student, teacher = (tmp_path / each for each in kinds)
    common = ["--model_name_or_path", student, "--teacher_name_or_path", teacher, "--task_name", "mrpc", "--do_train"]
    options = glue._module.parse([*map(str, [*common, "--data_dir", tmp_path, "--output_dir", tmp_path / "out"])])
    model, own = load_model(options, AutoModelForSequenceClassification)
    reader, _ = glue._module.teach(options, model, own)
    assert "token_type_ids" in reader.dataset_input_names


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


def losses(folder: Path) -> list[float]:
    """Of a training, in order."""
    history = json.loads((folder / "results.json").read_text())["history"]
    return [row["loss"] for row in history if "loss" in row]


def test_answers_are_learnt_from_another_model(extract: Example, squad: Example, tmp_path: Path) -> None:
    file = few_questions(tmp_path)
    torch.manual_seed(0)
    teacher = BertForQuestionAnswering.from_pretrained("tx-tiny/bert")
    torch.nn.init.normal_(teacher.qa_outputs.weight)  # so that it is not of two minds everywhere
    teacher.save_pretrained(tmp_path / "teacher")
    BertTokenizer.from_pretrained("tx-tiny/bert").save_pretrained(tmp_path / "teacher")
    extract.run("--model_name", tmp_path / "teacher", "--dump_checkpoint", tmp_path / "begun")
    common = ["--model_name_or_path", tmp_path / "begun", "--train_file", file, "--predict_file", file, "--do_eval"]
    common += ["--max_seq_length", 96, "--doc_stride", 32, "--do_lower_case", "--do_train", "--no_cuda"]
    common += ["--per_gpu_train_batch_size", 4, "--max_steps", 15, "--logging_steps", 5, "--learning_rate", 2e-3]
    taught = ["--teacher_type", "bert", "--teacher_name_or_path", tmp_path / "teacher"]
    found = squad.run(*common, *taught, "--alpha_ce", 1, "--alpha_squad", 0, "--output_dir", tmp_path / "taught")
    assert {line.split(" = ")[0] for line in found.splitlines()} == {"exact_match", "f1"}
    first, *_, last = losses(tmp_path / "taught")
    assert last < 0.75 * first
    squad.run(*common, "--alpha_ce", 0, "--alpha_squad", 1, "--output_dir", tmp_path / "alone")
    beam = ["--model_name_or_path", "tx-tiny/xlnet", "--teacher_name_or_path", "tx-tiny/xlnet", "--max_steps", 1]
    with pytest.raises(ValueError, match="XLNetForQuestionAnswering answers with a beam"):
        squad.run(*common, *beam, "--output_dir", tmp_path / "beam")
    assert "--alpha_squad must be at least 0" in squad.refusal(
        *common, *taught, "--alpha_squad", -1, "--output_dir", "x"
    )


BERT = ["--student_type", "distilbert", "--teacher_type", "bert", "--teacher_name", "tx-tiny/bert", "--mlm"]
GPT2 = ["--student_type", "gpt2", "--teacher_type", "gpt2", "--teacher_name", "tx-tiny/gpt2"]
LOSSES = {
    "bert": [*BERT, "--alpha_ce", 5, "--alpha_mlm", 2, "--alpha_cos", 1, "--freeze_pos_embs"],
    "gpt2": [*GPT2, "--alpha_ce", 5, "--alpha_clm", 2, "--alpha_mse", 0.01],
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_language_model_is_distilled(
    extract: Example, train: Example, texts: tuple[Path, Path], tmp_path: Path, name: str
) -> None:
    """The student becomes better on a text that it is not trained on; a training that was cut ends the same."""
    head = ["--vocab_transform"] if name == "bert" else []
    extract.run("--model_name", f"tx-tiny/{name}", *head, "--dump_checkpoint", tmp_path / "begun")
    common = [*LOSSES[name], "--student_pretrained_weights", tmp_path / "begun", "--n_gpu", 0, "--max_seq_length", 48]
    common += ["--data_file", texts[0], "--eval_data_file", texts[1], "--data_cache", tmp_path / "cache"]
    common += ["--batch_size", 4, "--gradient_accumulation_steps", 1, "--learning_rate", 1e-3, "--log_interval", 3]
    long = [*common, "--n_epoch", 1.5, "--checkpoint_interval", 9]
    found = train.run(*long, "--dump_path", tmp_path / "whole")
    history = json.loads((tmp_path / "whole" / "results.json").read_text())["history"]
    first, *_, last = losses(tmp_path / "whole")
    assert last < 0.9 * first
    measured = [row["eval_loss"] for row in history if "eval_loss" in row]
    assert measured[-1] < measured[0]
    assert found.startswith(f"loss = {measured[-1]:.4f}\nperplexity = ")
    cls: Any = {"bert": DistilBertForMaskedLM, "gpt2": GPT2LMHeadModel}[name]
    student, begun = (cls.from_pretrained(tmp_path / each) for each in ("whole", "begun"))
    table = {"bert": "embeddings.position_embeddings.weight", "gpt2": "wpe.weight"}[name]
    frozen = torch.equal(*(each.base_model.get_parameter(table) for each in (student, begun)))
    assert frozen == (name == "bert")
    assert json.loads((tmp_path / "whole" / "parameters.json").read_text())["alpha_ce"] == 5
    if name == "gpt2":
        return
    # Cut in the second epoch, and gone on from there.
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    for lost in ("model.safetensors", "results.json"):
        (tmp_path / "cut" / lost).unlink()
    for later in (tmp_path / "cut").glob("checkpoint-*"):
        if later.name != "checkpoint-9":
            shutil.rmtree(later)
    assert train.run(*long, "--dump_path", tmp_path / "cut", "--resume") == found
    weights = [tmp_path / each / "model.safetensors" for each in ("whole", "cut")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_new_student_is_made_of_its_configuration(train: Example, texts: tuple[Path, Path], tmp_path: Path) -> None:
    config = {
        "vocab_size": 3072,
        "dim": 32,
        "n_layers": 1,
        "n_heads": 2,
        "hidden_dim": 32,
        "max_position_embeddings": 40,
        "initializer_range": 0.2,
    }
    (tmp_path / "small.json").write_text(json.dumps({"model_type": "distilbert", **config}))
    common = [*BERT, "--student_config", tmp_path / "small.json", "--data_file", texts[0]]
    common += ["--n_gpu", 0, "--alpha_mlm", 1, "--n_epoch", 0.01, "--dump_path", tmp_path / "out"]
    for given, deviation in (((), 0.2), (("--initializer_range", 0.5, "--force"), 0.5)):
        train.run(*common, *given)
        student = DistilBertForMaskedLM.from_pretrained(tmp_path / "out")
        assert (student.config.dim, student.config.initializer_range) == (32, deviation)
        assert float(student.vocab_transform.weight.detach().std()) == pytest.approx(deviation, rel=0.2)
    with pytest.raises(ValueError, match="student's hidden_size is 32, and the teacher's 160"):
        train.run(*common, "--alpha_cos", 1, "--force")
    with pytest.raises(ValueError, match="--max_seq_length must be from 12 to 40, which the models take, not 41"):
        train.run(*common, "--max_seq_length", 41, "--force")


def test_a_student_whose_positions_begin_later_takes_shorter_rows(
    train: Example, texts: tuple[Path, Path], tmp_path: Path
) -> None:
    """RoBERTa's table of positions has two rows more than a sequence has tokens."""
    config = RobertaConfig.from_pretrained("tx-tiny/roberta")
    config.max_position_embeddings = 42
    config.save_pretrained(tmp_path / "small")
    common = ["--student_type", "roberta", "--teacher_type", "roberta", "--teacher_name", "tx-tiny/roberta", "--mlm"]
    common += ["--student_config", tmp_path / "small" / "config.json", "--data_file", texts[0], "--n_gpu", 0]
    with pytest.raises(ValueError, match="--max_seq_length must be from 12 to 40, which the models take, not 42"):
        train.run(*common, "--max_seq_length", 42, "--dump_path", tmp_path / "out")


def test_sequences_are_lines_between_special_tokens(train: Example, tmp_path: Path) -> None:
    sequences, batches = train._module.Sequences, train._module.Batches
    sentence = "the city of london was built by the men who came from the north in the summer"
    lines = [sentence, "", "too short", f"{sentence} and {sentence}"]
    (tmp_path / "text.txt").write_text("\n".join(lines), encoding="utf-8")
    bert, gpt2 = BertTokenizer.from_pretrained("tx-tiny/bert"), GPT2Tokenizer.from_pretrained("tx-tiny/gpt2")
    for tokenizer, ahead, ends in ((bert, False, (bert.cls_token_id, bert.sep_token_id)), (gpt2, True, (3071, 3071))):
        one = sequences(tmp_path / "text.txt", tokenizer, 24, ahead=ahead)
        rows = [one[number].tolist() for number in range(len(one))]
        assert one.lengths == [len(row) for row in rows]
        assert max(one.lengths) == 24
        assert min(one.lengths) >= 12
        assert {(row[0], row[-1]) for row in rows} == {ends}
        assert rows[0][1:-1] == tokenizer.convert_tokens_to_ids(tokenizer.tokenize(lines[0]))
        whole = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(lines[3]))
        assert rows[1][1:-1] + rows[2][1:-1] == whole[: len(rows[1]) + len(rows[2]) - 4]
        for _ in range(2):  # made, and found again
            kept = sequences(tmp_path / "text.txt", tokenizer, 24, ahead=ahead, cache_dir=tmp_path / f"{ahead}")
            assert [kept[number].tolist() for number in range(len(kept))] == rows
        counts = one.counts(3072)
        assert int(counts.sum()) == sum(one.lengths) - 2 * len(one)
        batch = batches(tokenizer).next_tokens([torch.tensor(row) for row in rows])
        assert batch["input_ids"].shape == batch["labels"].shape == (len(rows), max(one.lengths))
        assert [
            row[mask == 1].tolist() for row, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
        ] == rows
        assert (batch["labels"][batch["attention_mask"] == 0] == -100).all()
    (tmp_path / "short.txt").write_text("too short\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no line has 12 tokens"):
        sequences(tmp_path / "short.txt", bert, 24, ahead=False)


def test_the_published_students_have_half_the_layers_of_their_teachers() -> None:
    folder = FOLDER / "training_configs"
    bert, gpt2 = BertConfig(), GPT2Config()
    student = DistilBertConfig.from_pretrained(folder / "distilbert-base-uncased.json")
    assert (student.n_layers, student.dim, student.vocab_size) == (6, bert.hidden_size, bert.vocab_size)
    other = GPT2Config.from_pretrained(folder / "distilgpt2.json")
    assert {**other.to_dict(), "n_layer": 12} == gpt2.to_dict()
    assert other.n_layer == 6


def test_wrong_arguments_are_refused_before_anything_is_loaded(
    train: Example, texts: tuple[Path, Path], tmp_path: Path
) -> None:
    nothing = ["--student_config", "no.json", "--data_file", texts[0], "--dump_path", tmp_path / "out"]
    (tmp_path / "full").mkdir()
    for arguments, message in (
        (["--student_type", "gpt2", "--teacher_type", "bert", "--teacher_name", "x"], "of a bert is another"),
        ([*GPT2, "--mlm"], "leave --mlm out"),
        (BERT[:-1], "a distilbert needs --mlm"),
        ([*BERT, "--alpha_clm", 1], "--alpha_mlm goes with --mlm"),
        ([*GPT2, "--alpha_mlm", 1], "--alpha_mlm goes with --mlm"),
        ([*BERT, "--alpha_ce", 0], "must be above 0"),
        ([*BERT, "--alpha_cos", -1], "--alpha_cos must be at least 0"),
        ([*BERT, "--word_mask", 0.9], "together they must be 1"),
        ([*GPT2, "--restrict_ce_to_mask"], "--restrict_ce_to_mask goes with --mlm"),
        ([*BERT, "--temperature", 0], "--temperature must be above 0"),
        ([*BERT, "--warmup_prop", 5], "--warmup_prop must be from 0 to 1"),
        ([*BERT, "--batch_size", 0], "--batch_size must be at least 1"),
        ([*BERT, "--token_counts", "no.npy"], "--token_counts: there is no file"),
        ([*BERT, "--freeze_token_type_embds"], "a distilbert has no such embeddings"),
        ([*GPT2, "--freeze_token_type_embds"], "a gpt2 has no such embeddings"),
        ([*BERT, "--n_gpu", 4], "torchrun --nproc_per_node 4"),
        ([*BERT, "--dump_path", tmp_path / "full"], "is there already"),
    ):
        assert message in train.refusal(*nothing, *arguments), message
    assert "--student_config, --student_pretrained_weights, or both" in train.refusal(*nothing[2:], *BERT)
