"""The processors of GLUE: their names, GLUE's own files, and files with faults."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tx_data import (
    DataProcessor,
    InputExample,
    InputFeatures,
    glue_output_modes,
    glue_processors,
    glue_tasks_num_labels,
)
from tx_testing.data import data_path

OF_2019 = ["cola", "mnli", "mnli-mm", "mrpc", "sst-2", "sts-b", "qqp", "qnli", "rte", "wnli"]

# Task -> folder of the data, and the numbers of examples.
SETS = {
    "cola": ("glue/CoLA", 8551, 1043, 1063),
    "mrpc": ("glue/MRPC", 3667, 408, 1725),
    "rte": ("glue/RTE", 2490, 277, 3000),
    "sst-2": ("glue/SST-2", 67349, 872, 1821),
    "sts-b": ("glue/STS-B", 5749, 1500, 1379),
    "wnli": ("glue/WNLI", 635, 71, 146),
    "mnli": ("glue-all-tasks/MNLI", 3, 2, 1),
    "mnli-mm": ("glue-all-tasks/MNLI", 3, 2, 1),
    "qnli": ("glue-all-tasks/QNLI", 3, 2, 1),
    "qqp": ("glue-all-tasks/QQP", 3, 2, 1),
}


def test_the_tables_list_the_tasks_of_2019_and_the_diagnostic_set() -> None:
    assert [*glue_processors] == [*glue_output_modes] == [*glue_tasks_num_labels] == [*OF_2019, "ax"]
    assert {task for task, mode in glue_output_modes.items() if mode == "regression"} == {"sts-b"}
    assert dict(glue_tasks_num_labels) == {**dict.fromkeys(OF_2019, 2), "mnli": 3, "mnli-mm": 3, "ax": 3, "sts-b": 1}


@pytest.mark.parametrize(
    "task, key",
    [("sst2", "sst-2"), ("stsb", "sts-b"), ("MRPC", "mrpc"), ("mnli_mismatched", "mnli-mm"), ("mnli_matched", "mnli")],
)
def test_the_spellings_of_today_are_found(task: str, key: str) -> None:
    assert task in glue_processors
    assert glue_processors[task] is glue_processors.get(task) is glue_processors[key]


def test_an_unknown_task_is_told_what_there_is() -> None:
    assert "snli" not in glue_processors
    assert glue_processors.get("snli") is None
    with pytest.raises(KeyError, match=r"no task 'wnlj' but cola, .*did you mean 'wnli'"):
        glue_processors["wnlj"]


@pytest.mark.parametrize("task", SETS)
def test_the_published_files_are_read_whole(task: str) -> None:
    folder, *counts = SETS[task]
    data = data_path(folder)
    processor = glue_processors[task]("raise")
    train, dev, test = (
        processor.get_train_examples(data), processor.get_dev_examples(data), processor.get_test_examples(data)
    )  # fmt: skip
    assert [len(train), len(dev), len(test)] == counts
    assert all(example.label is None for example in test)
    labels = processor.get_labels()
    if labels == [None]:
        assert all(0 <= float(example.label) <= 5 for example in train + dev)
    else:
        assert {example.label for example in train + dev} <= {*labels}
    assert len({example.guid for example in train + dev + test}) == sum(counts)


def test_the_diagnostic_set_is_read_under_each_of_its_names(tmp_path: Path) -> None:
    row = "0\tThe cat sat.\tThe cat ran.\n"
    for name in ("AX.tsv", "diagnostic.tsv"):
        (tmp_path / name).write_text(f"index\tsentence1\tsentence2\n{row}")
        assert glue_processors["ax"]().get_test_examples(tmp_path) == [
            InputExample("test-0", "The cat sat.", "The cat ran.")
        ]
    with pytest.raises(ValueError, match=r"no dev set: train and choose a model with MNLI"):
        glue_processors["ax"]().get_dev_examples(tmp_path)
    assert len(glue_processors["ax"]().get_test_examples(data_path("glue-all-tasks"))) == 3


def test_examples_are_written_as_json() -> None:
    example = InputExample("train-1", "a", "b", label="1")
    assert json.loads(example.to_json_string()) == example.to_dict()
    assert example.to_dict() == {"guid": "train-1", "text_a": "a", "text_b": "b", "label": "1"}
    assert repr(example) == example.to_json_string()
    assert InputExample("x", "a").to_dict() == {"guid": "x", "text_a": "a", "text_b": None, "label": None}
    features = InputFeatures([1], [1], [0], 2)
    assert features.to_json_string().startswith('{\n  "attention_mask": [\n')
    copied = features.to_dict()
    copied["input_ids"].append(3)
    assert features.input_ids == [1]


# Files with faults ----------------------------------------------------------------------------------------------------

HEAD = "index\tsentence1\tsentence2\tlabel\n"
GOOD = "7\tone\ttwo\tentailment\n"


def rte(folder: Path, content: str | bytes) -> Path:
    raw = content if isinstance(content, bytes) else content.encode()
    (folder / "train.tsv").write_bytes(raw)
    return folder


@pytest.mark.parametrize(
    "row, problem",
    [
        ("1\tone\ttwo", "3 columns, and 4 are wanted"),
        ("1\tone\ttwo\tmore\tentailment", "5 columns, and 4 are wanted"),
        ("", "the line is empty"),
        ("1\tone\ttwo\tmaybe", "the label 'maybe' is none of entailment, not_entailment"),
    ],
)
def test_a_malformed_row_is_an_error_with_its_place_or_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, row: str, problem: str
) -> None:
    folder = rte(tmp_path, f"{HEAD}{GOOD}{row}\n{GOOD}")
    with pytest.raises(ValueError, match=f'train.tsv, line 3: {problem}; .*on_error="skip"'):
        glue_processors["rte"]().get_train_examples(folder)
    processor = glue_processors["rte"](on_error="skip")
    examples = processor.get_train_examples(folder)
    assert [example.guid for example in examples] == ["train-7", "train-7"]
    assert processor.skipped == [f"{folder / 'train.tsv'}, line 3: {problem}"]
    assert "1 of 3 rows left out" in caplog.text
    rte(tmp_path, f"{HEAD}{GOOD}")
    processor.get_train_examples(folder)
    assert processor.skipped == []


def test_question_pairs_leave_out_broken_rows_by_themselves(tmp_path: Path) -> None:
    head = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
    (tmp_path / "train.tsv").write_text(f"{head}1\t2\t3\tWho?\n\tWhat?\t1\n4\t5\t6\tHow?\tWhy?\t0\n")
    processor = glue_processors["qqp"]()
    assert processor.get_train_examples(tmp_path) == [InputExample("train-4", "How?", "Why?", label="0")]
    assert len(processor.skipped) == 2
    with pytest.raises(ValueError, match=r"line 2: 4 columns, and 6 are wanted"):
        glue_processors["qqp"]("raise").get_train_examples(tmp_path)


@pytest.mark.parametrize("score", ["high", "nan", ""])
def test_a_score_is_a_finite_number(tmp_path: Path, score: str) -> None:
    row = "\t".join(["0", *"abcdef", "one", "two", score])
    (tmp_path / "dev.tsv").write_text(f"{row}\n{row}\n")
    with pytest.raises(ValueError, match=r"dev.tsv, line 2: the score '.*' is n"):
        glue_processors["sts-b"]().get_dev_examples(tmp_path)


def test_quotation_marks_carriage_returns_and_byte_order_marks(tmp_path: Path) -> None:
    folder = rte(tmp_path, b"\xef\xbb\xbf" + f'{HEAD}1\t"one\ttwo\u2028\x0b"\tentailment\r\n\n\n'.encode())
    (example,) = glue_processors["rte"]().get_train_examples(folder)
    assert example == InputExample("train-1", '"one', 'two\u2028\x0b"', label="entailment")


def test_other_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"train.tsv: there is no such file; its folder is empty"):
        glue_processors["rte"]().get_train_examples(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no such file, nor its folder"):
        glue_processors["rte"]().get_train_examples(tmp_path / "none")
    (tmp_path / "dev.tsv").mkdir()
    with pytest.raises(FileNotFoundError, match=r"its folder has dev.tsv"):
        glue_processors["rte"]().get_train_examples(tmp_path)
    with pytest.raises(IsADirectoryError, match=r"a file is wanted"):
        glue_processors["rte"]().get_dev_examples(tmp_path)
    with pytest.raises(ValueError, match=r"train.tsv, line 2: the text is not UTF-8"):
        glue_processors["rte"]().get_train_examples(rte(tmp_path, HEAD.encode() + b"\xff"))


def test_an_empty_file_has_no_examples(tmp_path: Path) -> None:
    assert glue_processors["rte"]().get_train_examples(rte(tmp_path, "")) == []
    assert glue_processors["cola"]().get_train_examples(tmp_path) == []


def test_what_becomes_of_malformed_rows_is_one_of_two_things() -> None:
    with pytest.raises(ValueError, match=r"on_error='ignore' is not one of raise, skip"):
        glue_processors["rte"](on_error="ignore")


def test_a_processor_of_ones_own(tmp_path: Path) -> None:
    class Own(DataProcessor):
        def get_train_examples(self, data_dir):
            lines = self._read_tsv(f"{data_dir}/own.tsv", quotechar='"')
            return [InputExample(guid=str(i), text_a=line[0]) for i, line in enumerate(lines)]

    (tmp_path / "own.tsv").write_text('"one\tline"\t1\ntwo\t2\n')
    assert [each.text_a for each in Own().get_train_examples(tmp_path)] == ["one\tline", "two"]
    with pytest.raises(NotImplementedError, match=r"Own has no test set"):
        Own().get_test_examples(tmp_path)
    (tmp_path / "own.tsv").write_text('"one\n')
    with pytest.raises(ValueError, match=r"own.tsv, line 1: unexpected end of data"):
        Own().get_train_examples(tmp_path)
