"""examples/run_openai_gpt.py on stories of our own: trains, measures again to the same numbers, refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tx_openai_gpt import OpenAIGPTConfig, OpenAIGPTDoubleHeadsModel, OpenAIGPTTokenizer
from tx_testing.examples import Example

SCRIPT = Path(__file__).resolve().parent.parent / "examples" / "run_openai_gpt.py"
HEADER = "InputStoryid,InputSentence1,InputSentence2,InputSentence3,InputSentence4,RandomFifthSentenceQuiz1,\
RandomFifthSentenceQuiz2,AnswerRightEnding"


@pytest.fixture
def script(capsys: pytest.CaptureFixture[str]) -> Example:
    return Example(SCRIPT, capsys.readouterr)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows letters and reads 64 of them."""
    folder = tmp_path_factory.mktemp("gpt")
    letters = "abcdefghijklmnopqrstuvwxyz.,"
    names = ["<unk>", *letters, *(f"{letter}</w>" for letter in letters)]
    (folder / "vocab.json").write_text(json.dumps({name: number for number, name in enumerate(names)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    config = OpenAIGPTConfig(vocab_size=len(names), n_positions=64, n_ctx=64, n_embd=16, n_layer=1, n_head=2)
    OpenAIGPTDoubleHeadsModel(config).save_pretrained(folder)
    OpenAIGPTTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt")).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every other story ends with its first end, which has a letter of its own."""
    ends = [("all zz, zz.", "he was sad."), ("he was sad.", "all zz, zz.")]
    rows = [
        f'{number},"A man, {number}.",He ran.,It was hot.,He fell.,"{ends[number % 2][0]}",' for number in range(16)
    ]
    rows = [f'{row}"{ends[number % 2][1]}",{number % 2 + 1}' for number, row in enumerate(rows)]
    file = tmp_path_factory.mktemp("stories") / "stories.csv"
    file.write_text("\n".join([HEADER, *rows]) + "\n")
    return file


def test_the_right_ends_are_learnt(script: Example, model: Path, stories: Path, tmp_path: Path) -> None:
    common = [
        "--model_name",
        model,
        "--eval_dataset",
        stories,
        "--do_eval",
        "--no_cuda",
        "--output_dir",
        tmp_path / "o",
    ]
    trained = script.run(
        *common, "--do_train", "--train_dataset", stories, "--num_train_epochs", 10, "--learning_rate", 0.02,
        "--train_batch_size", 4, "--lr_schedule", "warmup_cosine", "--warmup_steps", 4,
    )  # fmt: skip
    assert "acc = 1.0000" in trained.splitlines()
    assert script.run(*common) == trained
    found = OpenAIGPTDoubleHeadsModel.from_pretrained(tmp_path / "o")
    tokenizer = OpenAIGPTTokenizer.from_pretrained(tmp_path / "o")
    assert tokenizer.tokenize("_start_ a _classify_") == ["_start_", "a</w>", "_classify_"]
    assert found.config.vocab_size == len(tokenizer) == 60


def test_what_cannot_be_is_refused(script: Example, model: Path, stories: Path, tmp_path: Path) -> None:
    common = ["--model_name", model, "--output_dir", tmp_path / "o"]
    assert "--train_dataset is needed" in script.refusal(*common, "--do_train")
    assert "--eval_dataset: there is no file 'no.csv'" in script.refusal(
        *common, "--do_eval", "--eval_dataset", "no.csv"
    )
    assert "--lm_coef must be at least 0" in script.refusal(
        *common, "--do_train", "--train_dataset", stories, "--lm_coef", -1
    )
    broken = tmp_path / "broken.csv"
    broken.write_text(stories.read_text() + "16,only,three,columns\n")
    with pytest.raises(ValueError, match=r"broken\.csv, line 18: 4 columns, and 8 are wanted"):
        script.run(*common, "--do_eval", "--eval_dataset", broken)
    broken.write_text("\n".join(line.rsplit(",", 1)[0] for line in stories.read_text().splitlines()))
    with pytest.raises(ValueError, match=r"broken\.csv: story 0 has no number of the right end"):
        script.run(*common, "--do_eval", "--eval_dataset", broken)
