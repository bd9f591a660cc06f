"""`generate` in TensorFlow: memories, how often it compiles, what it asks of a model; on models made for the tests."""

from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from tx_core.config import PretrainedConfig
from tx_core.generation.compiled_tf import TOKENS_A_CALL
from tx_core.generation.generate_tf import CompiledGeneration, GenerationMixin, KeyValueGeneration
from tx_core.generation.memory_tf import CompiledMemory, KeyValueMemory, capacity
from tx_core.generation.prompts import Prompts
from tx_core.models.forward_tf import ForwardContext
from tx_core.models.heads_tf import CausalLM
from tx_core.models.layers_tf import Embedding, Linear, Module, ModuleList, OutputEmbedding
from tx_core.models.main_layer_tf import TFMainLayer
from tx_core.models.pretrained_tf import TFPreTrainedModel

# --- memory


def test_capacity_is_a_power_of_two():
    assert [capacity(n) for n in (1, 64, 65, 128, 1000, 1025)] == [64, 64, 128, 128, 1024, 2048]


def test_memory_holds_the_prompts_and_moves_rows():
    mask = np.array([[False, True, True], [True, True, True]])
    prompts = Prompts(
        np.ones((2, 3), np.int64), mask, np.array([2, 3]), np.array([3, 2]), {"langs": np.array([[0, 1, 2], [3, 4, 5]])}
    )
    presents = [tf.random.stateless_normal((2, 2, 4, 3, 8), (seed, 0)) for seed in range(2)]
    memory = KeyValueMemory(presents, tf.constant([[1], [2]]), prompts, times=2)
    assert memory.length == 3
    assert memory.constants["ahead"].numpy().tolist() == [[-1], [-1], [0], [0]]
    assert memory.constants["final"].numpy().tolist() == [[4], [4], [4], [4]]
    assert memory.constants["allowed"].shape == (4, 64)
    assert memory.constants["allowed"].numpy()[:, :3].tolist() == np.repeat(mask, 2, 0).tolist()
    memory.extra["langs"] = tf.constant([[2], [6], [5], [7]])
    variables = memory.variables
    memory.reorder(np.array([1, 1, 3, 2]))
    assert memory.variables is variables
    assert memory.extra["langs"].numpy().tolist() == [[6], [6], [7], [5]]
    for layer, (keys, values) in enumerate(variables):
        for which, variable in enumerate((keys, values)):
            wanted = np.repeat(presents[layer][which], 2, 0)[[1, 1, 3, 2]]
            np.testing.assert_array_equal(variable.numpy()[:, :, :3], wanted)
            assert not variable.numpy()[:, :, 3:].any()


def test_one_position_may_go_for_all_rows():
    prompts = Prompts(np.ones((2, 3), np.int64), None, np.array([3, 3]), np.array([2, 2]))
    memory = KeyValueMemory([tf.zeros((2, 2, 1, 3, 2))], tf.constant([[4]]), prompts)
    assert memory.constants["ahead"].numpy().tolist() == [[2], [2]]
    assert memory.constants["final"].numpy().tolist() == [[6], [6]]


# --- a model with positions and inputs of its own


@dataclass(init=False, eq=False, repr=False)
class ToyConfig(PretrainedConfig):
    vocab_size: int = 50
    hidden_size: int = 16
    num_hidden_layers: int = 2
    num_attention_heads: int = 2
    max_position_embeddings: int = 102  # of which the first two are never used, as in RoBERTa
    initializer_range: float = 0.5
    use_cache: bool = True


class ToyLayer(Module):
    def __init__(self, config, **kwargs):
        super().__init__(**kwargs)
        self.projections = Linear(config.hidden_size, 3 * config.hidden_size, 0.5, name="projections")
        self.out = Linear(config.hidden_size, config.hidden_size, 0.5, name="out")
        self.num_heads = config.num_attention_heads

    def call(self, hidden_states, context):
        projected = ops.split(self.projections(hidden_states), 3, axis=-1)
        attended, weights, present = context.attend(*projected, self.num_heads)
        return hidden_states + self.out(attended), weights, present


class ToyMainLayer(TFMainLayer):
    """Its positions count the attended tokens, from 2; a language may be added to every token, as in XLM."""

    config_class = ToyConfig
    words_at, layers_at = "table", "layers"

    def __init__(self, config, **kwargs):
        super().__init__(config, **kwargs)
        self.table = Embedding(config.vocab_size, config.hidden_size, 0.5, name="table")
        self.positions = Embedding(config.max_position_embeddings, config.hidden_size, 0.5, name="positions")
        self.languages = Embedding(3, config.hidden_size, 0.5, name="languages")
        self.layers = ModuleList((ToyLayer(config, name=str(i)) for i in range(2)), name="layers")

    def make_positions(self, input_ids, attention_mask, length, keys):
        if attention_mask is None:
            return ops.expand_dims(ops.arange(length), 0) + (keys - length + 2)
        counts = ops.cumsum(ops.cast(attention_mask, "int32"), axis=-1)[:, keys - length :]
        return ops.maximum(counts + 1, 2)

    def embed(self, context):
        states = context.words(self.table) + self.positions(context.position_ids)
        return states + self.languages(context.extra["langs"]) if "langs" in context.extra else states

    def finish(self, hidden_states):
        return ops.tanh(hidden_states)

    def call(self, input_ids=None, attention_mask=None, langs=None, head_mask=None):
        extra = {"langs": langs}
        context = ForwardContext.of(self, input_ids, None, attention_mask, causal=True, extra=extra)
        return self._output(**context.through(self, self.layers, self.embed(context), self.finish))


class ToyLM(KeyValueGeneration, CausalLM, TFPreTrainedModel):
    bare = ToyMainLayer
    config_class = ToyConfig
    base_model_prefix = "toy"
    generation_inputs = ("langs",)

    def __init__(self, config, **kwargs):
        super().__init__(config, **kwargs)
        self.lm_head = OutputEmbedding(config.hidden_size, config.vocab_size, 0.5, name="lm_head")
        self.init_weights()

    def get_output_embeddings(self):
        return self.lm_head

    def _max_positions(self):
        return self.config.max_position_embeddings - 2


class Alternating(ToyLM):
    """The language is another with every token."""

    def next_inputs(self, inputs):
        return {name: (x + 1) % 3 for name, x in inputs.items()}


def toy(cls=ToyLM):
    keras.utils.set_random_seed(1)
    return cls(ToyConfig(tie_word_embeddings=False))


def slowly(model, ids, langs, steps):
    """Greedy search of one prompt without a memory."""
    ids, langs = np.array([ids]), None if langs is None else np.array([langs])
    for _ in range(steps):
        token = np.asarray(model(ids, langs=langs).logits[:, -1]).argmax(-1)
        ids = np.concatenate((ids, token[:, None]), 1)
        if langs is not None:
            langs = np.concatenate((langs, model.next_inputs({"langs": langs[:, -1:]})["langs"]), 1)
    return ids[0].tolist()


PROMPTS = [[5, 6, 7, 8, 9], [10, 11], [12, 13, 14]]
LANGS = [[0, 0, 1, 1, 1], [2, 2], [2, 1, 0]]


@pytest.mark.parametrize("jit_compile", [True, False], ids=["XLA", "no XLA"])
@pytest.mark.parametrize("cls", [ToyLM, Alternating])
def test_further_inputs_go_on_and_positions_are_the_models(cls, jit_compile):
    """In the loop that chooses the likeliest, and a token at a time."""
    model = toy(cls)
    options = {"max_new_tokens": 9, "eos_token_id": (), "pad_token_id": 0, "jit_compile": jit_compile}
    texts = {}
    for langs in (None, LANGS):
        given = {} if langs is None else {"langs": langs}
        wanted = [slowly(model, row, None if langs is None else langs[i], 9) for i, row in enumerate(PROMPTS)]
        texts[langs is None] = wanted
        for scores in (False, True):
            found = model.generate(PROMPTS, **options, **given, output_scores=scores).sequences
            for i, row in enumerate(PROMPTS):
                assert found[i, 5 - len(row) :].numpy().tolist() == wanted[i]
    assert texts[True] != texts[False]


def test_further_inputs_are_padded_with_the_prompts():
    model = toy(Alternating)
    options = {"max_new_tokens": 6, "eos_token_id": (), "num_beams": 3, "num_return_sequences": 2, "jit_compile": False}
    mask = np.array([[1, 1, 1, 0], [0, 1, 1, 1]])
    ids, langs = np.array([[5, 6, 7, 0], [0, 8, 9, 5]]), np.array([[0, 1, 2, 0], [0, 1, 1, 0]])
    batch = model.generate(ids, tf.constant(mask), langs=tf.constant(langs), pad_token_id=0, **options).sequences
    for i, kept in enumerate(mask > 0):
        single = model.generate(ids[i, kept], langs=langs[i, kept], **options).sequences
        assert batch[2 * i : 2 * i + 2, 1:].numpy().tolist() == single.numpy().tolist()


def test_rows_that_wait_stay_within_the_models_positions():
    model = toy()
    long = np.random.default_rng(0).integers(5, 50, 98).tolist()
    both = model.generate([long, [7, 8]], max_length=100, eos_token_id=(), pad_token_id=0, jit_compile=False).sequences
    assert both[0].numpy().tolist() == [*slowly(model, long, None, 2), *[0] * 96]
    assert both[1, 96:].numpy().tolist() == slowly(model, [7, 8], None, 98)
    with pytest.raises(ValueError, match="101 tokens, but the model knows only 100 positions"):
        model.generate([7, 8], max_length=101, eos_token_id=())


def test_traced_once_for_all_lengths():
    """Prompts of any number and length, with and without further inputs: one trace each. New tokens: one for each
    number of rows and power of two, with and without further inputs.
    """
    model = toy()
    functions = model._functions()
    read, run = (each.experimental_get_tracing_count for each in (functions.read, functions.run))
    options = {"eos_token_id": (), "pad_token_id": 0}
    for prompts, new in ((PROMPTS, 3), (PROMPTS, 50), ([[5], [6], [7]], 20)):
        model.generate(prompts, max_new_tokens=new, **options)
        assert (read(), run()) == (1, 1)
    model.generate(PROMPTS, max_new_tokens=5, eos_token_id=[3, 4], pad_token_id=0)
    assert (read(), run()) == (1, 1)
    model.generate(PROMPTS[:1], max_new_tokens=5, **options)
    assert (read(), run()) == (1, 2)
    model.generate(PROMPTS, langs=LANGS, max_new_tokens=5, **options)
    assert (read(), run()) == (2, 3)
    model.generate(PROMPTS[1:] + PROMPTS[:1], langs=LANGS[1:] + LANGS[:1], max_new_tokens=9, **options)
    assert (read(), run()) == (2, 3)
    assert all(each.experimental_get_tracing_count() == 0 for each in functions.step.values())
    assert model._functions() is functions


def test_greedy_search_runs_on_to_the_ends():
    """Many tokens are read in one call, but none after the last row's end."""
    model = toy()
    calls = []
    likeliest = model._likeliest

    def counted(tokens, memory, *rest):
        found = likeliest(tokens, memory, *rest)
        calls.append(found.shape[1])
        assert memory.length == 5 + sum(calls)
        return found

    model._likeliest = counted
    plain = model.generate(PROMPTS, max_new_tokens=TOKENS_A_CALL + 9, eos_token_id=(), pad_token_id=0).sequences[:, 5:]
    assert calls == [TOKENS_A_CALL, 8]
    ends = plain[:, 4].numpy().tolist()  # every row ends after its fifth token, or before
    last = max(int(np.isin(row, ends).argmax()) for row in plain)
    calls.clear()
    result = model.generate(PROMPTS, max_new_tokens=20, eos_token_id=ends, pad_token_id=0)
    assert result.sequences.shape[1] == 5 + last + 1
    assert calls == [last]


@pytest.mark.parametrize(
    ("inputs", "error", "match"),
    [
        ({"langs": [[1, 1]]}, ValueError, r"langs must have the shape of input_ids, \(1, 3\), not \(1, 2\)"),
        ({"languages": [[1, 1, 1]]}, TypeError, r"ToyLM.generate\(\) got an unexpected keyword argument 'languages'"),
    ],
)
def test_wrong_further_inputs(inputs, error, match):
    with pytest.raises(error, match=match):
        toy().generate([[5, 6, 7]], max_new_tokens=3, **inputs)


# --- models with memories of their own


class Counting(GenerationMixin):
    """A model without keys and values, nor compiled functions: the next token is the last one plus a step."""

    generation_inputs = ("step",)
    config = ToyConfig(vocab_size=20)

    def _max_positions(self):
        return None

    def _begin(self, prompts, times, jit_compile):
        steps = prompts.extra["step"][:, -1] if prompts.extra else np.ones(len(prompts.ids), np.int64)
        return self._scores(prompts.ids[:, -1] + steps), Steps(steps.repeat(times))

    def _continue(self, tokens, memory):
        return self._scores(tokens + memory.steps)

    def _scores(self, tokens):
        return tf.one_hot(tokens % 20, 20)


class Steps:
    def __init__(self, steps):
        self.steps = steps

    def reorder(self, rows):
        self.steps = self.steps[rows]


def test_models_with_another_memory_and_further_inputs_generate():
    model = Counting()
    assert model.generate([[3], [8, 9]], max_new_tokens=4, pad_token_id=0).sequences.numpy().tolist() == [
        [0, 3, 4, 5, 6, 7],
        [8, 9, 10, 11, 12, 13],
    ]
    assert model.generate([3], max_new_tokens=3, step=[5]).sequences.numpy().tolist() == [[3, 8, 13, 18]]
    several = model.generate([[3], [8]], max_new_tokens=3, num_beams=2, step=[[1], [2]]).sequences
    assert several.numpy().tolist() == [[3, 4, 5, 6], [8, 10, 12, 14]]
    with pytest.raises(TypeError, match="stride"):
        model.generate([3], max_new_tokens=3, stride=5)


class Windowed(CompiledGeneration, TFPreTrainedModel):
    """Attends to the last few tokens. It remembers their hidden states, as Transformer-XL does."""

    window = 4
    config_class = ToyConfig

    def __init__(self, config, **kwargs):
        super().__init__(config, **kwargs)
        self.table = Embedding(40, 8, 1.0, name="table")
        self.query, self.head = Linear(8, 8, 0.5, name="query"), Linear(8, 40, 0.5, name="head")
        self.build()

    def _max_positions(self):
        return None

    def scores(self, states, allowed):
        """Of the token after the last: states (R, K, H), allowed (R, K)."""
        distances = ops.cast(ops.arange(ops.shape(states)[1])[::-1], "float32")
        scores = ops.sum(self.query(states[:, -1:]) * states, axis=-1) - 0.5 * distances
        weights = ops.softmax(ops.where(allowed, scores, -np.inf))
        return self.head(ops.sum(ops.expand_dims(weights, -1) * states, axis=1) + states[:, -1])

    def _read_prompts(self, ids, mask, extra):
        states = ops.pad(self.table(ids), ((0, 0), (self.window, 0), (0, 0)))[:, -self.window - 1 :]
        allowed = ops.pad(mask, ((0, 0), (self.window, 0)))[:, -self.window - 1 :]
        return self.scores(states, allowed), (states[:, 1:], allowed[:, 1:])

    def _remember(self, found, prompts, times, jit_compile):
        variables = tuple(tf.Variable(tf.repeat(x, times, axis=0), trainable=False) for x in found)
        return CompiledMemory(prompts.ids.shape[1], variables, {}, {}, jit_compile)

    def _read_token(self, tokens, start, extra, constants, memory):
        states = ops.concatenate((memory[0], self.table(tokens)), axis=1)
        allowed = ops.concatenate((memory[1], ops.ones((tokens.shape[0], 1), "bool")), axis=1)
        return self.scores(states, allowed), (states[:, 1:], allowed[:, 1:])


@pytest.mark.filterwarnings("ignore:You are using a softmax")  # over one token, where its text is looked up
@pytest.mark.parametrize("jit_compile", [True, False], ids=["XLA", "no XLA"])
def test_models_with_a_memory_of_hidden_states_generate(jit_compile):
    keras.utils.set_random_seed(0)
    model = Windowed(ToyConfig(vocab_size=40))
    prompts = [[5, 6, 7, 8, 9, 4], [10, 11, 3], [12]]
    options = {"pad_token_id": 0, "jit_compile": jit_compile}
    found = model.generate(prompts, max_new_tokens=12, **options).sequences.numpy()
    for row, prompt in zip(found, prompts, strict=True):
        text = list(prompt)
        for _ in range(12):
            states = model.table(np.array([text[-5:]]))
            text.append(int(ops.argmax(model.scores(states, np.ones(states.shape[:2], np.bool_)))))
        assert row[6 - len(prompt) :].tolist() == text
    beams = {"max_new_tokens": 8, "num_beams": 3, "num_return_sequences": 3, "output_scores": True, **options}
    batch = model.generate(prompts, **beams)
    for i, prompt in enumerate(prompts):
        single = model.generate(prompt, **beams)
        np.testing.assert_array_equal(batch.sequences[3 * i : 3 * i + 3, 6 - len(prompt) :], single.sequences)
        np.testing.assert_allclose(batch.scores[3 * i : 3 * i + 3], single.scores, rtol=1e-5, atol=1e-5)
