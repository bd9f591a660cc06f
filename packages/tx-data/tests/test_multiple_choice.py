"""Multiple choice: SWAG, ARC and ROCStories."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tx_data import (
    MultipleChoiceExample,
    multiple_choice_convert_examples_to_features,
    multiple_choice_processors,
)
from tx_testing.data import data_path
from tx_tokenizers import WordPieceTokenizer

HEAD = "video-id,sent1,sent2,ending0,ending1,ending2,ending3,label\n"


def test_swag_is_read_by_its_header() -> None:
    data = data_path("multiple-choice")
    found = multiple_choice_processors["swag"]().get_train_examples(data, "allennlp-swag.csv")
    assert len(found) == 11
    assert found[0].example_id == "18313"
    assert found[0].contexts == ["Students lower their eyes nervously."] * 4
    assert found[0].question == "She"
    assert (found[0].endings[0], found[0].label) == ("pats her shoulder, then saunters toward someone.", 2)
    found = multiple_choice_processors["swag"]().get_dev_examples(data / "swag-10rows", "sample.json")
    assert len(found) == 10
    assert [found[0].question, found[0].label, found[0].example_id] == ["A drum line", 0, "dev-0"]


@pytest.mark.parametrize(
    "name, count, fifth",  # choices that a few questions have beside the four of the file
    [("easy_dev", 2251, 2), ("easy_test", 570, 0), ("challenge_dev", 1119, 0), ("challenge_test", 299, 1)],
)
def test_arc_is_read_whole(name: str, count: int, fifth: int) -> None:
    processor = multiple_choice_processors["arc"]()
    found = processor.get_dev_examples(data_path("multiple-choice/arc"), f"arc_{name}.csv")
    assert (len(found), len(processor.skipped)) == (count - fifth, fifth)
    assert all(each.endswith("the answer 'E' is none of A, B, C, D") for each in processor.skipped)
    assert {each.label for each in found} == {0, 1, 2, 3}
    assert all(each.contexts == [""] * 4 for each in found)


def test_arc_as_published(tmp_path: Path) -> None:
    choices = [{"text": word, "label": label} for word, label in zip("wxyz", "ABCD", strict=True)]
    row = {"id": "q1", "question": {"stem": "Which?", "choices": choices}, "answerKey": "C"}
    three = {**row, "question": {"stem": "Which?", "choices": choices[:3]}}
    lines = [row, three, {**row, "answerKey": "2"}]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n{]\n[]\n")
    processor = multiple_choice_processors["arc"]()
    found = processor.get_train_examples(tmp_path)
    assert found[0] == MultipleChoiceExample("q1", "Which?", [""] * 4, [*"wxyz"], 2)
    assert [each.label for each in found] == [2, 1]
    place = tmp_path / "train.jsonl"
    assert processor.skipped == [
        f"{place}, line 2: the question has 3 choices, and 4 are wanted",
        f"{place}, line 4: the line is no JSON: Expecting property name enclosed in double quotes",
        f"{place}, line 5: the line is no JSON object",
    ]
    with pytest.raises(ValueError, match=r"line 2: the question has 3 choices"):
        multiple_choice_processors["arc"]("raise").get_train_examples(tmp_path)


def test_race_is_read_of_both_schools(tmp_path: Path) -> None:
    exam = {
        "id": "middle7.txt", "article": "It rained.", "questions": ["It _ .", "When?"],
        "options": [["rained", "b", "c", "d"], ["e", "f", "g", "Today."]], "answers": ["A", "D"],
    }  # fmt: skip
    high, middle = tmp_path / "dev" / "high" / "9.txt", tmp_path / "dev" / "middle" / "7.txt"
    for path in (high, middle):
        path.parent.mkdir(parents=True)
    middle.write_text(json.dumps(exam))
    high.write_text(json.dumps({**{name: each[:1] for name, each in exam.items() if name != "id"}, "article": "No."}))
    processor = multiple_choice_processors["race"]()
    first, second, third = processor.get_dev_examples(tmp_path)
    assert (first.example_id, first.contexts) == ("high9.txt-0", ["No."] * 4)
    assert second == MultipleChoiceExample("middle7.txt-0", "It _ .", ["It rained."] * 4, ["rained", *"bcd"], 0)
    assert (third.example_id, third.endings, third.label) == ("middle7.txt-1", ["e", "f", "g", "Today."], 3)
    with pytest.raises(FileNotFoundError, match="train: a folder with the folders high and middle is wanted"):
        processor.get_train_examples(tmp_path)
    for other, wrong in (
        ("{", "7.txt: the file is no JSON"),
        (json.dumps({**exam, "answers": ["A"]}), "7.txt: there are not as many questions as options and answers"),
        (json.dumps({**exam, "answers": ["A", "E"]}), "7.txt, question 2: the answer 'E' is none of A, B, C, D"),
        (json.dumps({**exam, "options": [["a"], ["b"]]}), "7.txt, question 1: four texts are wanted as options"),
        (json.dumps({**exam, "article": None}), "7.txt, question 1: 'article' is missing"),
    ):
        middle.write_text(other)
        with pytest.raises(ValueError, match=wrong):
            processor.get_dev_examples(tmp_path)


def test_a_story_has_two_ends(tmp_path: Path) -> None:
    processor = multiple_choice_processors["rocstories"]()
    header = "id,one,two,three,four,first end,second end,right"
    for name, row in (
        (processor.train_file, 'a,"I, ran.",B.,C.,D.,Well.,"No, ill.",2'),
        (processor.test_file, "b,A,B,C,D,E,F"),
    ):
        (tmp_path / name).write_text(f"{header}\n{row}\n")
    (example,) = processor.get_train_examples(tmp_path)
    assert example == MultipleChoiceExample("a", "", ["I, ran. B. C. D."] * 2, ["Well.", "No, ill."], 1)
    assert [each.label for each in processor.get_test_examples(tmp_path)] == [None]
    assert processor.get_labels() == [0, 1]
    for row, wrong in (("a,b,c", "3 columns, and 8 are wanted"), ("a,A,B,C,D,E,F,3", "the answer '3' is none of 1, 2")):
        (tmp_path / processor.train_file).write_text(f"{header}\n{row}\n")
        with pytest.raises(ValueError, match=f"line 2: {wrong}"):
            processor.get_train_examples(tmp_path)
    (tmp_path / "train.jsonl").write_text('{"1": 1, "2": 2, "3": 3, "4": 4, "5": 5, "6": 6, "7": 7}\n')
    with pytest.raises(ValueError, match="line 1: ROCStories' files are comma-separated values"):
        processor.get_train_examples(tmp_path, "train.jsonl")


@pytest.mark.parametrize(
    "row, problem",
    [
        ("v,a,b,c,d,e,f,4", "line 2: the label '4' is not 0, 1, 2 or 3"),
        ("v,a,b,c,d,e", "line 2: 'ending3' is missing"),
        ("v,a,b,c,d,e,f,1,9", "line 2: 9 columns, and 8 are wanted"),
    ],
)
def test_malformed_rows_are_errors_with_their_place_or_left_out(tmp_path: Path, row: str, problem: str) -> None:
    (tmp_path / "val.csv").write_text(f'{HEAD}{row}\nw,a,"b, b",c,d,e,f,1\n')
    with pytest.raises(ValueError, match=rf"val.csv, {problem}; .*on_error"):
        multiple_choice_processors["swag"]().get_dev_examples(tmp_path)
    found = multiple_choice_processors["swag"]("skip").get_dev_examples(tmp_path)
    assert found == [MultipleChoiceExample("w", "b, b", ["a"] * 4, [*"cdef"], 1)]


def test_a_quotation_must_end(tmp_path: Path) -> None:
    (tmp_path / "val.csv").write_text(f'{HEAD}v,"a,b,c,d,e,f,1\n')
    with pytest.raises(ValueError, match=r"val.csv, line 2: unexpected end of data"):
        multiple_choice_processors["swag"]("skip").get_dev_examples(tmp_path)


def test_a_test_set_has_no_labels(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text(HEAD.replace(",label", "") + "v,a,b,c,d,e,f\n")
    (found,) = multiple_choice_processors["swag"]().get_test_examples(tmp_path)
    assert found.label is None


def test_some_labels_may_not_be_missing(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(f"{HEAD}v,a,b,c,d,e,f,1\nw,a,b,c,d,e,f\n")
    with pytest.raises(ValueError, match=r"train.csv: 1 of 2 questions have no label, such as w, and others do"):
        multiple_choice_processors["swag"]().get_train_examples(tmp_path)


def test_each_choice_is_a_row(tokenizer: WordPieceTokenizer) -> None:
    first = MultipleChoiceExample("1", "who", ["the cat sat"] * 2, ["ran", "sat"], 1)
    second = MultipleChoiceExample("2", "the _ ran", ["", ""], ["cat", "dog"])
    one, other = multiple_choice_convert_examples_to_features([first, second], tokenizer, 9)
    assert [tokenizer.decode(row) for row in one.input_ids] == [
        "[CLS] the cat sat [SEP] who ran [SEP] [PAD]", "[CLS] the cat sat [SEP] who sat [SEP] [PAD]"
    ]  # fmt: skip
    assert one.token_type_ids[0] == [0] * 5 + [1] * 3 + [0]
    assert one.attention_mask[1] == [1] * 8 + [0]
    assert (one.label, other.label, other.example_id) == (1, None, "2")
    assert tokenizer.decode(other.input_ids[1]) == "[CLS] [SEP] the dog ran [SEP] [PAD] [PAD] [PAD]"
    with pytest.raises(ValueError, match=r"question 3 has 1 contexts and 2 answers"):
        multiple_choice_convert_examples_to_features([MultipleChoiceExample("3", "", [""], ["a", "b"])], tokenizer, 9)
