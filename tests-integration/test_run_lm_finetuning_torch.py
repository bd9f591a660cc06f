"""examples/run_lm_finetuning.py on a slice of WikiText-2: trains, resumes, measures, and refuses what cannot work."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest
import torch

from tx_bert import BertTokenizer
from tx_roberta import RobertaTokenizer
from tx_testing.examples import Example
from tx_testing.texts import two_stretches

SCRIPT = Path(__file__).resolve().parent.parent / "examples" / "run_lm_finetuning.py"


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two stretches of WikiText-2, to train on and to measure by."""
    return two_stretches("lm/wikitext-2-raw/wiki.test.raw", 9000, tmp_path_factory.mktemp("wikitext"))


@pytest.fixture
def script(capsys: pytest.CaptureFixture[str]) -> Example:
    return Example(SCRIPT, capsys.readouterr)


def flags(model: str, texts: tuple[Path, Path]) -> list[object]:
    data = ["--train_data_file", texts[0], "--eval_data_file", texts[1], "--block_size", 64]
    return ["--model_name_or_path", f"tx-tiny/{model}", *data, "--no_cuda", "--do_eval"]


def measures(output: str) -> dict[str, float]:
    return {name: float(value) for name, value in (line.split(" = ") for line in output.splitlines())}


@pytest.mark.parametrize(("model", "mlm"), [("gpt2", []), ("bert", ["--mlm"]), ("roberta", ["--mlm", "--whole_words"])])
def test_train_resume_and_measure(
    script: Example, texts: tuple[Path, Path], tmp_path: Path, model: str, mlm: list[str]
) -> None:
    common = [*flags(model, texts), *mlm, "--output_dir"]
    # Beyond the first epoch, whose rows come again with other words hidden.
    long = ["--do_train", "--per_gpu_train_batch_size", 8, "--max_steps", 8, "--learning_rate", 1e-3]
    trained = script.run(*common, tmp_path / "whole", *long)
    found = measures(trained)
    assert {*found} == {"loss", "perplexity"}
    assert found["perplexity"] == pytest.approx(math.exp(found["loss"]), rel=1e-3)
    assert "perplexity" in (tmp_path / "whole" / "eval_results.txt").read_text()
    for name in ("model.safetensors", "results.json", "results.svg"):
        assert (tmp_path / "whole" / name).is_file(), name
    # Training that was cut in an epoch goes on to the same numbers, and measuring alone gives them again.
    script.run(*common, tmp_path / "cut", *long, "--save_steps", 3)
    shutil.rmtree(tmp_path / "cut" / "checkpoint-6")
    (tmp_path / "cut" / "model.safetensors").unlink()
    assert script.run(*common, tmp_path / "cut", *long, "--resume") == trained
    assert (tmp_path / "cut" / "model.safetensors").read_bytes() == (
        tmp_path / "whole" / "model.safetensors"
    ).read_bytes()
    assert script.run(*common, tmp_path / "whole") == trained


def test_training_on_a_text_makes_it_less_perplexing(script: Example, texts: tuple[Path, Path], tmp_path: Path) -> None:
    common = [*flags("gpt2", texts), "--eval_data_file", texts[0], "--output_dir"]
    before = measures(script.run(*common, tmp_path / "before"))
    long = ["--do_train", "--max_steps", 12, "--learning_rate", 2e-3]
    after = measures(script.run(*common, tmp_path / "after", *long))
    assert after["perplexity"] < 0.8 * before["perplexity"]


def test_words_are_hidden_anew_in_training_and_by_the_seed_in_measuring(
    script: Example, texts: tuple[Path, Path], tmp_path: Path
) -> None:
    common = [*flags("bert", texts), "--mlm", "--output_dir", tmp_path / "out"]
    first = script.run(*common, "--per_gpu_eval_batch_size", 3)
    assert measures(script.run(*common, "--per_gpu_eval_batch_size", 5)) == pytest.approx(measures(first), abs=2e-4)
    assert script.run(*common, "--seed", 1) != first
    module = script._module
    hide = module.Hiding(module.parse([*map(str, common)]), BertTokenizer.from_pretrained("tx-tiny/bert"))
    torch.manual_seed(0)
    rows = [torch.arange(100, 164), torch.arange(200, 264)]
    one, two = hide(rows), hide(rows)
    assert not torch.equal(one["labels"], two["labels"])
    torch.manual_seed(0)
    again = hide(rows)
    assert all(torch.equal(one[name], again[name]) for name in one)


def test_wrong_arguments_are_refused_before_anything_is_loaded(
    script: Example, texts: tuple[Path, Path], tmp_path: Path
) -> None:
    common = ["--output_dir", tmp_path / "out", "--model_name_or_path"]
    train, evaluate = ["--train_data_file", texts[0]], ["--eval_data_file", texts[1]]
    nothing = [*common, "nothing/here"]
    assert "nothing is to be done" in script.refusal(*nothing, *train)
    assert "give --train_data_file" in script.refusal(*nothing, "--do_train")
    assert "give --eval_data_file" in script.refusal(*nothing, "--do_eval", *train)
    assert "there is no file" in script.refusal(*nothing, "--do_train", "--train_data_file", tmp_path / "no.txt")
    assert "--block_size" in script.refusal(*nothing, "--do_train", *train, "--block_size", 1)
    assert "--mlm_probability" in script.refusal(*nothing, "--do_train", *train, "--mlm_probability", 15)
    assert "give --mlm" in script.refusal(*nothing, "--do_train", *train, "--whole_words")
    # The architecture is that of --model_type, or of the configuration.
    assert "give --mlm" in script.refusal(*nothing, "--do_train", *train, "--model_type", "roberta")
    for model in ("bert", "roberta", "distilbert"):
        assert "give --mlm" in script.refusal(*common, f"tx-tiny/{model}", "--do_eval", *evaluate)
    assert "leave --mlm out" in script.refusal(*common, "tx-tiny/gpt2", "--do_eval", *evaluate, "--mlm")
    assert "xlnet" in script.refusal(*common, "tx-tiny/xlnet", "--do_eval", *evaluate)


def test_rows_are_as_long_as_the_model_takes_and_no_longer(
    script: Example, texts: tuple[Path, Path], tmp_path: Path
) -> None:
    wanted = [*flags("gpt2", texts), "--block_size", 257, "--output_dir", tmp_path / "out"]
    with pytest.raises(ValueError, match="tx-tiny/gpt2 takes 256 tokens"):
        script.run(*wanted)
    # RoBERTa's table of positions has two more rows than its longest sequence has tokens.
    unlimited = RobertaTokenizer.from_pretrained("tx-tiny/roberta", max_len=10000)
    unlimited.save_pretrained(tmp_path / "unlimited")
    wanted = [*flags("roberta", texts), "--mlm", "--block_size", -1, "--output_dir", tmp_path / "roberta"]
    wanted += ["--tokenizer_name", tmp_path / "unlimited"]
    assert "perplexity" in measures(script.run(*wanted))
