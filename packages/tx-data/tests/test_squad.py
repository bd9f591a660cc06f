"""SQuAD: reading, windows, answers and scores, on texts that can be followed by hand."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tx_data import (
    SquadExample,
    SquadFeatures,
    SquadResult,
    SquadV1Processor,
    SquadV2Processor,
    compute_predictions_log_probs,
    compute_predictions_logits,
    squad_convert_examples_to_features,
    squad_evaluate,
    squad_scores,
    squad_v1_evaluate,
)
from tx_data.squad_predictions import get_final_text
from tx_testing.data import data_path
from tx_tokenizers import ByteLevelBPETokenizer, WordPieceTokenizer
from tx_tokenizers.byte_bpe import bytes_to_unicode

CONTEXT = "The cat sat on the mat. A quick dog ran, unkindly, on\u202fthe  mat."


def question(**others: Any) -> dict[str, Any]:
    return {"id": "q1", "question": "Who ran?", "answers": [{"text": "dog", "answer_start": 32}], **others}


def write(folder: Path, *questions: Any, name: str = "train-v1.1.json") -> Path:
    paragraph = {"context": CONTEXT, "qas": [*questions]}
    (folder / name).write_text(json.dumps({"data": [{"title": "Pets", "paragraphs": [paragraph]}]}))
    return folder


def example(answer: str | None = "dog", start: int | None = None, **options: Any) -> SquadExample:
    place = CONTEXT.index(answer) if answer and start is None else start
    return SquadExample("q1", "Who ran?", CONTEXT, answer, place, "Pets", **options)


# Reading --------------------------------------------------------------------------------------------------------------


def test_an_answer_is_found_among_the_words() -> None:
    found = example("ran, unkindly")
    assert found.doc_tokens[9:12] == ["ran,", "unkindly,", "on"]
    assert (found.start_position, found.end_position) == (9, 10)
    assert [found.char_to_word_offset[place] for place in (0, 2, 3, 4, len(CONTEXT) - 1)] == [0, 0, 0, 1, 13]
    assert len(found.char_to_word_offset) == len(CONTEXT)
    with pytest.raises(ValueError, match=r"question 'q1': the answer begins at character 99, and the context has 63"):
        example("dog", 99)


def test_the_published_files_are_read_whole() -> None:
    data = data_path("squad")
    v1 = SquadV1Processor().get_dev_examples(data / "v1.1")
    assert len(v1) == 10570
    assert all(each.answers and not each.is_impossible for each in v1)
    v2 = SquadV2Processor().get_dev_examples(data, "dev-v2.0-half.json")
    assert len(v2) == 6078
    assert all(bool(each.answers) != each.is_impossible for each in v2)
    train = SquadV1Processor().get_train_examples(data / "v1.1", "dev-v1.1.json")
    assert [each.answer_text for each in train] == [each.answers[0]["text"] for each in v1]


@pytest.mark.parametrize(
    "fault, problem",
    [
        (
            {"answers": [{"text": "cat", "answer_start": 32}]},
            "the answer 'cat' of 'q1' is not at character 32 .* 'dog'",
        ),
        ({"answers": [{"text": "cat", "answer_start": 99}]}, "the answer begins at character 99, and the context has"),
        ({"answers": [{"text": "cat", "answer_start": "4"}]}, "'answer_start' of an answer must be a whole number"),
        ({"answers": [{"answer_start": 4}]}, "an answer has no 'text'"),
        ({"answers": "dog"}, "'answers' must be a list, not 'dog'"),
        ({"answers": []}, "the question 'q1' has no answer, and is not marked as impossible"),
        ({"question": None}, "'question' of the question must be a text, not None"),
    ],
)
def test_a_malformed_question_is_an_error_with_its_place_or_left_out(
    tmp_path: Path, fault: dict[str, Any], problem: str
) -> None:
    folder = write(tmp_path, question(id="q0"), question(**fault))
    place = re.escape(f"{folder / 'train-v1.1.json'}, data[0].paragraphs[0].qas[1]: ")
    with pytest.raises(ValueError, match=rf"{place}.*{problem}.*on_error=\"skip\""):
        SquadV1Processor().get_train_examples(folder)
    processor = SquadV1Processor(on_error="skip")
    assert [each.qas_id for each in processor.get_train_examples(folder)] == ["q0"]
    assert len(processor.skipped) == 1


@pytest.mark.parametrize(
    "text, problem",
    [
        ("{]", r"train-v1.1.json, line 1: the file is no JSON"),
        ("[]", r"the file has no 'data'; is it a file of SQuAD\?"),
        ('{"data": [{}]}', r"train-v1.1.json: data\[0\] has no 'paragraphs'"),
        (
            '{"data": [{"paragraphs": [{"context": 1}]}]}',
            r"'context' of data\[0\].paragraphs\[0\] must be a text, not 1",
        ),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "train-v1.1.json").write_text(text)
    with pytest.raises(ValueError, match=problem):
        SquadV1Processor("skip").get_train_examples(tmp_path)


def test_impossible_questions(tmp_path: Path) -> None:
    impossible = question(id="q2", is_impossible=True, answers=[], plausible_answers=[])
    write(tmp_path, question(), impossible, name="train-v2.0.json")
    first, second = SquadV2Processor().get_train_examples(tmp_path)
    assert (first.answer_text, first.is_impossible) == ("dog", False)
    assert (second.answer_text, second.is_impossible) == (None, True)
    first, second = SquadV2Processor().get_dev_examples(tmp_path, "train-v2.0.json")
    assert first.answers == [{"text": "dog", "answer_start": 32}]
    assert second.answers == []


# Windows --------------------------------------------------------------------------------------------------------------


def windows(tokenizer: WordPieceTokenizer, *examples: SquadExample, length: int = 14, **options: Any) -> Any:
    arguments = {"doc_stride": 5, "max_query_length": 4, "is_training": True, **options}
    return squad_convert_examples_to_features(examples or [example()], tokenizer, length, **arguments)


def test_windows_overlap_and_hold_the_answer_or_not(tokenizer: WordPieceTokenizer) -> None:
    found = windows(tokenizer)
    # 20 tokens of context beside 3 of the question and 3 special ones.
    assert [feature.tokens[5:-1] for feature in found] == [
        ["the", "cat", "sat", "on", "the", "mat", ".", "a"],
        ["mat", ".", "a", "quick", "dog", "ran", ",", "un"],
        ["ran", ",", "un", "##kind", "##ly", ",", "on", "the"],
        [",", "on", "the", "mat", "."],
    ]
    assert [feature.tokens[:5] for feature in found] == [["[CLS]", "who", "ran", "?", "[SEP]"]] * 4
    assert [(each.start_position, each.end_position, each.is_impossible) for each in found] == [
        (0, 0, True), (9, 9, False), (0, 0, True), (0, 0, True)
    ]  # fmt: skip
    last = found[-1]
    assert last.input_ids[11:] == [0, 0, 0]
    assert last.attention_mask == [1] * 11 + [0] * 3
    assert last.token_type_ids == [0] * 5 + [1] * 6 + [0] * 3
    assert last.p_mask == [0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1]
    assert last.token_to_orig_map == {5: 10, 6: 11, 7: 12, 8: 13, 9: 13}
    assert last.paragraph_len == 5
    # "mat . a" stands in the first two windows: "mat" has more context in the first, "." as much in both.
    assert [found[0].token_is_max_context[place] for place in (10, 11, 12)] == [True, True, False]
    assert [found[1].token_is_max_context[place] for place in (5, 6, 7)] == [False, False, True]
    counted = sum(sum(each.token_is_max_context.values()) for each in found)
    assert counted == 20
    assert [each.unique_id for each in found] == [1000000000 + number for number in range(4)]


def test_positions_count_the_padding_that_comes_first(tokenizer: WordPieceTokenizer) -> None:
    tokenizer.padding_side = "left"
    (found,) = windows(tokenizer, length=32)
    assert found.input_ids[:6] == [0] * 6
    assert found.tokens[6:11] == ["[CLS]", "the", "cat", "sat", "on"]  # the context comes first
    assert found.cls_index == 6
    assert found.tokens[found.start_position] == "dog" == example().doc_tokens[8]
    assert found.token_to_orig_map[found.start_position] == 8
    assert [place for place, masked in enumerate(found.p_mask) if not masked] == [6, *range(7, 27)]


def test_a_part_of_a_word_may_be_the_answer(tokenizer: WordPieceTokenizer) -> None:
    (found,) = windows(tokenizer, example("ran"), length=32)
    assert found.tokens[found.start_position : found.end_position + 1] == ["ran"]
    (found,) = windows(tokenizer, example("kindly"), length=32)  # no tokens read so: all of the word
    assert found.tokens[found.start_position : found.end_position + 1] == ["un", "##kind", "##ly", ","]


def test_numbers_are_those_of_the_examples(tokenizer: WordPieceTokenizer, caplog: pytest.LogCaptureFixture) -> None:
    empty = SquadExample("q0", "Who?", " ", None, None, "Pets", is_impossible=True)
    other = SquadExample("q3", "Who?", CONTEXT, "cow", 4, "Pets")
    found = windows(tokenizer, empty, other, example(), length=40)
    assert [(each.example_index, each.qas_id) for each in found] == [(2, "q1")]
    assert "question q3 is left out: cow is not in its context" in caplog.text


def test_processes_share_the_work(tokenizer: WordPieceTokenizer) -> None:
    examples = [example(answer) for answer in ("dog", "cat", "mat") * 60]
    assert windows(tokenizer, *examples, threads=3) == windows(tokenizer, *examples)
    with pytest.raises(ValueError, match=r"question 'q1'"):
        windows(tokenizer, *examples, length=6, threads=2)


@pytest.mark.parametrize(
    "options, problem",
    [
        (
            {"length": 6},
            "max_seq_length=6 leaves no room for the context beside the 3 tokens of question 'q1' and 3 sp",
        ),
        ({"doc_stride": 0}, "doc_stride=0 and max_query_length=4 must be positive"),
        ({"threads": 0}, "0 processes cannot share the work"),
        ({"padding_strategy": "longest"}, "padding_strategy='longest' is not max_length or do_not_pad"),
        ({"return_dataset": "np"}, "return_dataset='np' is not False, 'pt' or 'tf'"),
        ({"return_dataset": "pt", "padding_strategy": "do_not_pad"}, "a dataset needs windows of one length"),
    ],
)
def test_impossible_options_are_refused(tokenizer: WordPieceTokenizer, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        windows(tokenizer, **options)


# Answers --------------------------------------------------------------------------------------------------------------


def answers(
    tokenizer: WordPieceTokenizer,
    features: list[SquadFeatures],
    scores: list[tuple[dict[int, float], dict[int, float]]],
    negative: bool = False,
    files: Any = (None, None, None),
    threshold: float = 0.0,
    windows: list[SquadFeatures] | None = None,
) -> dict[str, str]:
    """What is predicted where the tokens at some positions have scores, and others -9."""
    results = []
    for feature, given in zip(features, scores, strict=True):
        rows = [[row.get(place, -9.0) for place in range(len(feature.input_ids))] for row in given]
        results.append(SquadResult(feature.unique_id, *rows))
    return compute_predictions_logits(
        [example(None)], windows or features, results, 5, 3, True, *files, False, negative, threshold, tokenizer
    )


def test_the_best_answer_of_all_windows_is_taken(tokenizer: WordPieceTokenizer, tmp_path: Path) -> None:
    found = windows(tokenizer, is_training=False)
    # The second window's start at 5 counts in the first only, its end is before its start, the third is too long.
    scores = [
        ({6: 2.0}, {7: 1.0}),
        ({5: 9.0, 8: 3.0, 9: 4.0}, {8: 5.0, 9: 1.5}),
        ({5: 8.0}, {9: 8.0}),
        ({2: 9.0}, {3: 9.0}),
    ]
    files = tmp_path / "predictions.json", tmp_path / "nbest.json", tmp_path / "null.json"
    assert answers(tokenizer, found, scores, files=files) == {"q1": "quick"}
    assert json.loads(files[0].read_text()) == {"q1": "quick"}
    best = json.loads(files[1].read_text())["q1"]
    assert [(each["text"], each["start_logit"], each["end_logit"]) for each in best[:3]] == [
        ("quick", 3.0, 5.0), ("dog", 4.0, 1.5), ("quick dog", 3.0, 1.5)
    ]  # fmt: skip
    assert sum(each["probability"] for each in best) == pytest.approx(1)
    assert not files[2].exists()


def test_there_may_be_no_answer(tokenizer: WordPieceTokenizer, tmp_path: Path) -> None:
    found = windows(tokenizer, is_training=False)
    scores = [({0: 3.0, 6: 2.0}, {0: 2.5, 7: 1.0}), ({0: 2.0}, {0: 2.0}), ({0: 9.0}, {}), ({0: 6.0}, {0: 6.0})]
    files = tmp_path / "predictions.json", tmp_path / "nbest.json", tmp_path / "null.json"
    # The least score of no answer is that of the third window, 0; the best answer has 3.
    assert answers(tokenizer, found, scores, True, files) == {"q1": "cat sat"}
    assert json.loads(files[2].read_text()) == {"q1": -3.0}
    assert answers(tokenizer, found, scores, True, threshold=-3.5) == {"q1": ""}


def test_a_context_without_words_has_no_answer(tokenizer: WordPieceTokenizer, tmp_path: Path) -> None:
    empty = SquadExample("q0", "Who?", " ", None, None, "Pets")
    assert windows(tokenizer, empty, is_training=False) == []
    files = None, tmp_path / "nbest.json", tmp_path / "null.json"
    for negative, wanted in ((True, ""), (False, "empty")):
        found = compute_predictions_logits([empty], [], [], 5, 3, True, *files, False, negative, 0.0, tokenizer)
        assert found == {"q0": wanted}
    assert json.loads(files[2].read_text()) == {"q0": 1000000.0}


def test_results_belong_to_their_windows(tokenizer: WordPieceTokenizer) -> None:
    found = windows(tokenizer, is_training=False)
    with pytest.raises(ValueError, match=r"no result for window 1000000003 of question 'q1'"):
        answers(tokenizer, found[:3], [({}, {})] * 3, windows=found)
    other = SquadExample("q9", "Who?", CONTEXT, None, None, "Pets")
    with pytest.raises(ValueError, match=r"example 0 is question 'q9', and the windows of this number are of 'q1'"):
        compute_predictions_logits([other], found, [], 5, 3, True, None, None, None, False, False, 0.0, tokenizer)
    short = [SquadResult(each.unique_id, [0.0] * 4, [0.0] * 4) for each in found]
    with pytest.raises(ValueError, match=r"scores of the shapes \(4,\) and \(4,\), and the window 14 tokens"):
        compute_predictions_logits(
            [example(None)], found, short, 5, 3, True, None, None, None, False, False, 0.0, tokenizer
        )


def test_answers_are_written_and_scored(tokenizer: WordPieceTokenizer, tmp_path: Path) -> None:
    asked = SquadExample("q1", "Who ran?", CONTEXT, None, None, "Pets", answers=[{"text": "dog", "answer_start": 32}])
    found = windows(tokenizer, asked, is_training=False, length=40)
    dog = found[0].tokens.index("dog")
    logits = [[float(place == dog) for place in range(40)]] * 2
    folder = tmp_path / "new"
    assert squad_scores([asked], found, [logits], tokenizer, folder) == {"exact_match": 100.0, "f1": 100.0}
    assert json.loads((folder / "predictions_.json").read_text()) == {"q1": "dog"}
    assert not (folder / "null_odds_.json").exists()
    options: dict[str, Any] = {"version_2_with_negative": True, "null_score_diff_threshold": -9.0}
    scores = squad_scores([asked], found, [logits], tokenizer, folder, **options)
    assert (scores["HasAns_f1"], scores["total"]) == (0.0, 1)
    assert json.loads((folder / "null_odds_.json").read_text()) == {"q1": -2.0}
    with pytest.raises(ValueError, match="there are 1 windows, but a model's outputs for 2"):
        squad_scores([asked], found, [logits, logits], tokenizer, folder)


class CasedTokenizer(ByteLevelBPETokenizer):
    """Bytes, with RoBERTa's layout."""

    pair_layout: Any = (("cls_token", 0), ("A", 0), ("sep_token", 0), ("B", 0), ("sep_token", 0))


def test_answers_are_found_in_words_that_any_tokenizer_put_into_lower_case(tmp_path: Path) -> None:
    vocab = {token: number for number, token in enumerate(["<s>", "</s>", *bytes_to_unicode().values()])}
    special = {"cls_token": "<s>", "sep_token": "</s>", "pad_token": "</s>"}
    tokenizer = CasedTokenizer(vocab=vocab, merges=[], do_lower_case=True, **special)
    asked = SquadExample("q1", "Who?", "Tom's.", None, None, "", answers=[{"text": "Tom", "answer_start": 0}])
    (window,) = squad_convert_examples_to_features([asked], tokenizer, 24, 8, 4, is_training=False)
    first = window.tokens.index("t")
    assert window.tokens[first : first + 4] == ["t", "o", "m", "'"]
    logits = [[float(place == at) for place in range(24)] for at in (first, first + 2)]
    assert squad_scores([asked], [window], [logits], tokenizer, tmp_path)["exact_match"] == 100.0
    assert json.loads((tmp_path / "predictions_.json").read_text()) == {"q1": "Tom"}


def test_a_beam_gives_each_start_its_own_ends(tokenizer: WordPieceTokenizer) -> None:
    (found,) = windows(tokenizer, is_training=False, length=40)
    cat, quick = found.tokens.index("cat"), found.tokens.index("quick")
    # Two starts, three ends each, rank by rank: those of "cat" first in each rank.
    ends = [cat + 1, quick + 1, cat, quick, quick, cat]
    scores = [0.1, 0.6, 0.2, 0.3, 0.9, 0.9]
    result = SquadResult(found.unique_id, [0.7, 0.3], scores, [cat, quick], ends, 0.25)

    def run(results: list[SquadResult], *sizes: int) -> dict[str, str]:
        return compute_predictions_log_probs(
            [example(None)], [found], results, 5, 9, None, None, None, *sizes, True, tokenizer, False
        )

    # "cat" with its third end, "quick", would have 1.6.
    assert run([result], 2, 3) == {"q1": "cat sat on the mat. A quick"}
    result.end_logits = [0.1, 0.7, 0.2, 0.3, -0.9, 0.9]
    assert run([result], 2, 3) == {"q1": "quick dog"}  # 1.0; an end before its start would have 1.2
    with pytest.raises(ValueError, match=r"has 2 starts and 6 ends, and 3 and 3·2 are wanted"):
        run([result], 3, 2)


@pytest.mark.parametrize(
    "tokens, words, lower, wanted",
    [
        ("steve smith", "Steve Smith's", True, "Steve Smith"),
        ("steve smith", "Steve Smith's", False, "Steve Smith's"),
        ("René", "(René)", False, "René"),
        ("rene", "(René)", True, "René"),
        ("x", "(René)", True, "(René)"),
        ("", "René", True, "René"),
        ("ss", "a ﬁ Ｓs", True, "a ﬁ Ｓs"),
    ],
)
def test_tokens_are_found_in_the_words(tokens: str, words: str, lower: bool, wanted: str) -> None:
    assert get_final_text(tokens, words, lower) == wanted


# Scores ---------------------------------------------------------------------------------------------------------------


def asked(name: str, *golds: str) -> SquadExample:
    return SquadExample(name, "", "", None, None, "", [{"text": gold, "answer_start": 0} for gold in golds], not golds)


def test_scores_of_version_1() -> None:
    examples = [asked("a", "The Cat!", "dog"), asked("b", "a b c d"), asked("c", "x"), asked("d", "the")]
    preds = {"a": "cat", "b": "b c e", "d": "a"}
    # b: two of the two words that are no articles ("b c d" against "b c e") and so on; c is missing; d has no words.
    f1 = (1 + 2 / 3 + 0 + 0) / 4
    assert squad_v1_evaluate(examples, preds) == {
        "exact_match": 50.0, "f1": pytest.approx(100 * f1, abs=1e-12)
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"question e has no answers"):
        squad_v1_evaluate([asked("e")], {})
    with pytest.raises(ValueError, match=r"there are no examples"):
        squad_v1_evaluate([], {})


def test_scores_of_version_2() -> None:
    examples = [asked("a", "cat"), asked("b", "b c d"), asked("n"), asked("m"), asked("z", "x")]
    preds = {"a": "cat", "b": "b c e", "n": "", "m": "cow"}
    found = squad_evaluate(examples, preds)
    assert found["exact"] == 100 * 2 / 5
    assert found["f1"] == pytest.approx(100 * (1 + 2 / 3 + 1) / 5)
    assert found["total"] == 5
    assert (found["HasAns_exact"], found["HasAns_total"]) == (100 / 3, 3)
    assert (found["NoAns_exact"], found["NoAns_f1"], found["NoAns_total"]) == (50.0, 50.0, 2)
    probs = {"a": 0.1, "b": 0.9, "n": 0.8, "m": 0.7}
    found = squad_evaluate(examples, preds, probs, 0.5)
    assert found["exact"] == 100 * 3 / 5  # b counts as unanswered, m too
    assert (found["best_exact"], found["best_exact_thresh"]) == (100 * 3 / 5, 0.1)
    with pytest.raises(ValueError, match=r"no_answer_probs lacks 1 of the questions, such as m"):
        squad_evaluate(examples, preds, {"a": 0.1, "b": 0.9, "n": 0.8})


def test_a_right_answer_is_right_whatever_the_others() -> None:
    examples = SquadV1Processor().get_dev_examples(data_path("squad/v1.1"))[::10]
    preds = {each.qas_id: each.answers[-1]["text"] for each in examples}
    assert squad_evaluate(examples, preds)["exact"] == 100
    assert squad_v1_evaluate(examples, preds) == {"exact_match": 100, "f1": 100}
    several = [copy.copy(each) for each in examples if len(each.answers) > 1]
    for each in several:
        each.answers = each.answers[1:]
    first = {each.qas_id: each.answers[0]["text"] for each in examples}
    scores = squad_v1_evaluate(several, first)
    assert 75 < scores["exact_match"] < scores["f1"] < 95  # people agree with one another in about so many cases
