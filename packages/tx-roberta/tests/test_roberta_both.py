"""What only RoBERTa has, in both frameworks: its positions, and heads that read a row's first token."""

from typing import Any

import numpy as np
import pytest

from tx_roberta import RobertaConfig, RobertaModel, TFRobertaModel
from tx_testing.suites.models_tf import TFBackend
from tx_testing.suites.models_torch import TorchBackend
from tx_testing.suites.spec import assert_close, load_spec

SPEC = load_spec(__file__, "roberta_spec")
BACKENDS = {"torch": TorchBackend(), "tf": TFBackend()}
Array = np.ndarray[Any, Any]


def rule_of_fairseq(ids: Array, padding: int) -> Array:
    """``utils.make_positions``, word by word: positions begin at padding + 1, and padding is skipped."""
    positions = np.full_like(ids, padding)
    for row, tokens in enumerate(ids):
        position = padding
        for place, token in enumerate(tokens):
            if token != padding:
                position += 1
                positions[row, place] = position
    return positions


@pytest.mark.parametrize("framework", ["torch", "tf"])
@pytest.mark.parametrize("padding", [0, 1, 4])
def test_positions_are_fairseqs(padding: int, framework: str) -> None:
    """Padding stands anywhere; a mask that says otherwise moves nothing."""
    backend, rng = BACKENDS[framework], np.random.default_rng(padding)
    ids = rng.integers(0, 7, (40, 9))
    config = SPEC.make_config(pad_token_id=padding)
    model = backend.model_class(SPEC, "base")(config)
    if framework == "torch":
        model.eval()
    wanted = backend.run(model, {"input_ids": ids, "position_ids": rule_of_fairseq(ids, padding)})
    assert_close(backend.run(model, {"input_ids": ids})["last_hidden_state"], wanted["last_hidden_state"], 1e-6)
    mask = rng.integers(0, 2, ids.shape)
    mask[:, 4] = 1
    inputs = {"input_ids": ids, "attention_mask": mask}
    wanted = backend.run(model, {**inputs, "position_ids": rule_of_fairseq(ids, padding)})
    for name, value in backend.run(model, inputs).items():
        assert_close(value, wanted[name], 1e-6, name)


@pytest.mark.parametrize("framework", ["torch", "tf"])
def test_positions_of_vectors(framework: str) -> None:
    """They count from the first one that is not masked."""
    backend = BACKENDS[framework]
    model = backend.model_class(SPEC, "base").from_pretrained(str(backend.randomised(SPEC, "base")))
    vectors = np.random.default_rng(0).standard_normal((3, 7, 32)).astype(np.float32)
    mask = np.array([[1] * 7, [1] * 4 + [0] * 3, [0] * 4 + [1] * 3])
    positions = np.array([np.arange(7), np.arange(7), np.maximum(np.arange(7) - 4, 0)]) + 2
    wanted = backend.run(model, {"inputs_embeds": vectors, "attention_mask": mask, "position_ids": positions})
    for name, value in backend.run(model, {"inputs_embeds": vectors, "attention_mask": mask}).items():
        assert_close(value, wanted[name], 1e-6, name)
    alone = backend.run(model, {"inputs_embeds": vectors[2:, 4:]})
    assert_close(wanted["last_hidden_state"][2:, 4:], alone["last_hidden_state"], 1e-5)
    assert_close(wanted["pooler_output"][2:], alone["pooler_output"], 1e-5)


@pytest.mark.parametrize("framework", ["torch", "tf"])
def test_the_longest_sequence(framework: str) -> None:
    """512 tokens where there are 514 positions, as in roberta-base."""
    backend = BACKENDS[framework]
    model = backend.model_class(SPEC, "base")(SPEC.make_config(max_position_embeddings=514, num_hidden_layers=1))
    assert backend.run(model, {"input_ids": np.full((1, 512), 5)})["last_hidden_state"].shape == (1, 512, 32)
    with pytest.raises(ValueError, match="513 tokens, but the model knows only 512 positions: truncate it"):
        backend.run(model, {"input_ids": np.full((1, 513), 5)})
    with pytest.raises(ValueError, match=r"position_ids holds 514, but its table has only the rows 0 to 513"):
        backend.run(model, {"input_ids": np.full((1, 2), 5), "position_ids": np.array([[513, 514]])})


@pytest.mark.parametrize("model_class", [RobertaModel, TFRobertaModel])
def test_what_has_no_positions_makes_no_model(model_class: Any) -> None:
    config = RobertaConfig(max_position_embeddings=2)
    with pytest.raises(ValueError, match=r"max_position_embeddings is 2, but positions begin at pad_token_id \+ 1, 2"):
        model_class(config)


def test_nothing_is_learnt_for_the_position_of_padding() -> None:
    """In PyTorch, as fairseq has it. (Keras has no such tables.)"""
    model = RobertaModel(SPEC.make_config())
    model(BACKENDS["torch"].tensor(np.array([[0, 5, 1, 2, 1]])))[0].square().mean().backward()
    gradient = model.embeddings.position_embeddings.weight.grad
    assert gradient is not None
    assert [row for row, values in enumerate(gradient) if values.any()] == [2, 3, 4]
