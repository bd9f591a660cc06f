"""Which class of each architecture of tx each Auto class takes. Written out, since users' programs depend on it."""

from __future__ import annotations

from typing import Any

import pytest

import tx_core
from tx_core import auto
from tx_core.architecture import PUBLISHED, find, load

LM, PRETRAINING = "AutoModelWithLMHead", "AutoModelForPreTraining"
MASKED, CAUSAL = "AutoModelForMaskedLM", "AutoModelForCausalLM"
SEQUENCES, TOKENS = "AutoModelForSequenceClassification", "AutoModelForTokenClassification"
ANSWERS, CHOICES = "AutoModelForQuestionAnswering", "AutoModelForMultipleChoice"
NEXT = "AutoModelForNextSentencePrediction"


def heads(name: str) -> dict[str, str]:
    """What BERT and its descendants have."""
    return {
        "AutoModel": f"{name}Model",
        PRETRAINING: f"{name}ForMaskedLM",
        LM: f"{name}ForMaskedLM",
        MASKED: f"{name}ForMaskedLM",
        SEQUENCES: f"{name}ForSequenceClassification",
        TOKENS: f"{name}ForTokenClassification",
        ANSWERS: f"{name}ForQuestionAnswering",
        CHOICES: f"{name}ForMultipleChoice",
    }


def language_model(name: str) -> dict[str, str]:
    """What models have that were published to go on with a text."""
    return {"AutoModel": f"{name}Model", **dict.fromkeys((PRETRAINING, LM, CAUSAL), f"{name}LMHeadModel")}


TABLE: dict[str, dict[str, str]] = {
    "bert": {**heads("Bert"), PRETRAINING: "BertForPreTraining", NEXT: "BertForNextSentencePrediction"},
    "roberta": heads("Roberta"),
    "distilbert": heads("DistilBert"),
    "openai-gpt": language_model("OpenAIGPT"),
    "gpt2": language_model("GPT2"),
    "ctrl": language_model("CTRL"),
    "transfo-xl": language_model("TransfoXL"),
    "xlnet": {
        **language_model("XLNet"),
        SEQUENCES: "XLNetForSequenceClassification",
        TOKENS: "XLNetForTokenClassification",
        ANSWERS: "XLNetForQuestionAnsweringSimple",
        CHOICES: "XLNetForMultipleChoice",
    },
    "xlm": {
        **heads("XLM"),
        **dict.fromkeys((PRETRAINING, LM, CAUSAL, MASKED), "XLMWithLMHeadModel"),
        ANSWERS: "XLMForQuestionAnsweringSimple",
    },
}
AUTO = [name for name in tx_core.EXPORTS["auto"] if name.startswith("AutoModel")]


def test_the_table_is_whole() -> None:
    assert {*TABLE} == {*PUBLISHED}
    assert {*AUTO} == {name for row in TABLE.values() for name in row}


@pytest.mark.parametrize("model_type", TABLE)
@pytest.mark.parametrize("name", AUTO)
def test_the_class_that_is_taken(name: str, model_type: str) -> None:
    wanted = TABLE[model_type].get(name)
    for framework, start in (("torch", ""), ("tf", "TF")):
        cls: Any = getattr(auto, start + name)
        if wanted is None:
            with pytest.raises(ValueError, match=f"'{model_type}' has no class for {start}{name} "):
                cls._dotted(find(model_type), {})
            continue
        package = find(model_type).package
        assert cls._dotted(find(model_type), {}) == f"{package}.model_{framework}:{start}{wanted}"


@pytest.mark.parametrize("model_type", ["xlnet", "xlm"])
def test_answers_by_a_beam_where_the_configuration_names_them(model_type: str) -> None:
    simple = TABLE[model_type][ANSWERS]
    beam = simple.removesuffix("Simple")
    for written in (beam, f"TF{beam}"):
        for cls, start in ((auto.AutoModelForQuestionAnswering, ""), (auto.TFAutoModelForQuestionAnswering, "TF")):
            dotted = cls._dotted(find(model_type), {"architectures": [written]})
            assert dotted.endswith(f":{start}{beam}")


@pytest.mark.parametrize("model_type", ["bert", "roberta"])
def test_a_decoder_is_a_causal_language_model(model_type: str) -> None:
    dotted = auto.AutoModelForCausalLM._dotted(find(model_type), {"is_decoder": True})
    assert dotted.endswith(TABLE[model_type][MASKED])
    with pytest.raises(ValueError, match="say is_decoder=True and add_cross_attention=False, as keywords"):
        auto.AutoModelForCausalLM._dotted(find(model_type), {})


def test_distilbert_is_no_decoder() -> None:
    with pytest.raises(
        ValueError, match=r"no class for AutoModelForCausalLM \(task causal-lm\); it has DistilBertModel"
    ):
        auto.AutoModelForCausalLM._dotted(find("distilbert"), {})


@pytest.mark.parametrize("model_type", TABLE)
def test_published_names_tell_the_architecture(model_type: str) -> None:
    record = find(model_type)
    for name in (*record.published, *record.published.values()):
        assert auto._from_name(name) == model_type


@pytest.mark.parametrize("model_type", TABLE)
def test_the_tokenizer_of_the_name(model_type: str) -> None:
    cls: Any = load(find(model_type).tokenizer)
    for name in (cls.__name__, f"{cls.__name__}Fast"):
        assert auto._of_tokenizer(name, "here") == find(model_type)
