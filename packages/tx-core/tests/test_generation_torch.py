"""`generate` in PyTorch: products of few rows, memories, what it asks of a model; on models made for the tests."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from tx_core.config import PretrainedConfig
from tx_core.generation.generate_torch import GenerationMixin, KeyValueGeneration
from tx_core.generation.memory_torch import KeyValueMemory
from tx_core.models.forward_torch import ForwardContext
from tx_core.models.heads_torch import CausalLM
from tx_core.models.past_torch import extend_past
from tx_core.models.pretrained_torch import PreTrainedModel
from tx_core.models.steps_torch import apply_linear, is_plain, linear, linear_transposed


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("rows", [1, 2, 8, 32, 33])
@pytest.mark.parametrize(("inputs", "outputs"), [(6, 1), (6, 2), (12, 7), (24, 5000), (25, 3073), (30, 48)])
def test_products_of_few_rows(rows, inputs, outputs, threads):
    torch.manual_seed(0)
    x, weight, bias = torch.randn(rows, inputs), torch.randn(outputs, inputs), torch.randn(outputs)
    wanted = nn.functional.linear(x, weight, bias)
    torch.testing.assert_close(linear(x, weight, bias), wanted)
    torch.testing.assert_close(linear(x, weight), wanted - bias, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(linear_transposed(x, weight.T.contiguous(), bias), wanted)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_products_of_other_types(dtype):
    x, weight, bias = torch.randn(2, 6, dtype=dtype), torch.randn(4, 6, dtype=dtype), torch.randn(4, dtype=dtype)
    assert linear(x, weight, bias).dtype == dtype
    torch.testing.assert_close(linear_transposed(x, weight.T.contiguous(), bias), linear(x, weight, bias))


def test_past_of_two_forms():
    key, value = torch.randn(2, 3, 1, 4), torch.randn(2, 3, 1, 4)
    assert extend_past(None, key, value) == (key, value)
    past = torch.randn(2, 2, 3, 5, 4)
    one, two = extend_past(past, key, value), extend_past((past[0], past[1]), key, value)
    assert one[0].shape == (2, 3, 6, 4)
    for a, b in zip(one, two, strict=True):
        assert torch.equal(a, b)
    assert torch.equal(one[1][:, :, :5], past[1])
    assert torch.equal(one[1][:, :, 5:], value)


def memory_of(positions, mask=None):
    memory = KeyValueMemory(1, torch.tensor(positions), mask)
    return memory, lambda length: (memory.next(length), *memory.bias(torch.float32))


def test_memory_tells_positions_and_biases():
    mask = torch.tensor([[False, True, True], [True, True, True]])
    _, read = memory_of([[0, 0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5]], mask)
    positions, bias, is_causal = read(3)
    assert positions.tolist() == [[0, 0, 1], [0, 1, 2]]
    assert not is_causal
    assert bias.shape == (2, 1, 3, 3)
    assert (bias[1, 0] == 0).tolist() == [[True, False, False], [True, True, False], [True, True, True]]
    assert (bias[0, 0, 2] == 0).tolist() == [False, True, True]
    positions, bias, is_causal = read(1)
    assert positions.tolist() == [[2], [3]]
    assert (bias[:, 0, 0] == 0).tolist() == [[False, True, True, True], [True, True, True, True]]
    positions, bias, is_causal = read(2)
    assert positions.tolist() == [[3, 4], [4, 5]]
    assert (bias[0, 0] == 0).tolist() == [[False, *[True] * 4, False], [False, *[True] * 5]]


def test_no_bias_is_made_without_padding():
    _, read = memory_of([list(range(9))])
    assert read(3)[1:] == (None, True)
    assert read(1)[1:] == (None, False)
    positions, bias, _ = read(2)
    assert positions.tolist() == [[4, 5]]
    assert (bias[0, 0] == 0).tolist() == [[*[True] * 5, False], [True] * 6]
    _, single = memory_of([list(range(9))])
    assert single(1)[1:] == (None, False)


def test_biases_have_the_type_of_the_states():
    memory, _ = memory_of([[0, 0, 1]], torch.tensor([[False, True]]))
    memory.next(2)
    memory.next(1)
    for dtype in (torch.float32, torch.bfloat16, torch.float32):
        assert memory.bias(dtype)[0].dtype == dtype


def test_memory_is_written_in_place_and_reordered():
    langs = torch.tensor([[5], [6]])
    memory = KeyValueMemory(1, torch.arange(200)[None], None, {"langs": langs})
    (layer,) = memory.layers
    memory.next(3)
    prompt = torch.arange(2 * 1 * 3 * 1.0).reshape(2, 1, 3, 1)
    layer.extend(prompt, -prompt)
    memory.repeat(2)
    keys = None
    for step in range(150):
        memory.next(1)
        token = torch.full((4, 1, 1, 1), 100.0 + step) + torch.arange(4)[:, None, None, None] / 10
        before, (keys, values) = keys, layer.extend(token, -token)
        assert keys.shape == (4, 1, 4 + step, 1)
        if before is not None and before.untyped_storage().data_ptr() != keys.untyped_storage().data_ptr():
            assert 3 + step == 64 or 3 + step == 130  # it grew: to twice what was needed
    assert torch.equal(values, -keys)
    assert torch.equal(keys[:, 0, :3, 0], prompt[[0, 0, 1, 1], 0, :, 0])
    old = keys.clone()
    memory.extra["langs"] = torch.tensor([[5], [7], [6], [8]])
    memory.reorder(torch.tensor([1, 1, 3, 2]))
    assert torch.equal(keys, old[[1, 1, 3, 2]])
    assert memory.extra["langs"].tolist() == [[7], [7], [8], [6]]


def test_what_is_plain():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU()).eval()
    kinds = (nn.Sequential, nn.Linear, nn.ReLU)
    assert is_plain(model, kinds)
    assert not is_plain(model, kinds[:2])
    handle = model[0].register_forward_pre_hook(lambda *_: None)
    assert not is_plain(model, kinds)
    handle.remove()
    with torch.autocast("cpu", torch.bfloat16):
        assert not is_plain(model, kinds)
    handle = nn.modules.module.register_module_forward_hook(lambda *_: None)
    assert not is_plain(model, kinds)
    handle.remove()
    torch.nn.utils.parametrizations.weight_norm(model[0])
    assert not is_plain(model, kinds)
    plain = nn.Linear(2, 2)
    assert not is_plain(plain, kinds)  # in training
    assert not is_plain(nn.Sigmoid().eval(), kinds)  # without parameters, as quantised layers are


def test_what_a_layer_gives_is_what_it_does():
    x, layer = torch.randn(2, 6), nn.Linear(6, 4)
    for changed in (layer.eval(), layer.train(), nn.Sequential(layer)):
        torch.testing.assert_close(apply_linear(changed, x), layer(x))
    layer.eval().register_forward_hook(lambda module, inputs, output: output + 1)
    torch.testing.assert_close(apply_linear(layer, x), nn.functional.linear(x, layer.weight, layer.bias) + 1)


# --- a model with positions and inputs of its own


@dataclass(init=False, eq=False, repr=False)
class ToyConfig(PretrainedConfig):
    vocab_size: int = 50
    hidden_size: int = 16
    num_hidden_layers: int = 2
    num_attention_heads: int = 2
    max_position_embeddings: int = 32  # of which the first two are never used, as in RoBERTa
    initializer_range: float = 0.5
    use_cache: bool = True


class ToyLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.projections = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.out = nn.Linear(config.hidden_size, config.hidden_size)
        self.num_heads = config.num_attention_heads

    def forward(self, hidden_states, context):
        attended, weights, present = context.attend(*self.projections(hidden_states).chunk(3, -1), self.num_heads)
        return hidden_states + self.out(attended), weights, present


class ToyModel(PreTrainedModel):
    """Its positions count the attended tokens, from 2; a language may be added to every token, as in XLM."""

    words_at, layers_at = "table", "layers"
    gradient_checkpointing = False

    def __init__(self, config):
        super().__init__(config)
        self.table = nn.Embedding(config.vocab_size, config.hidden_size)
        self.positions = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.languages = nn.Embedding(3, config.hidden_size)
        self.layers = nn.ModuleList(ToyLayer(config) for _ in range(config.num_hidden_layers))
        self.init_weights()

    def make_positions(self, input_ids, attention_mask, length, keys, device):
        if attention_mask is None:
            return torch.arange(keys - length, keys, device=device)[None] + 2
        return ((attention_mask > 0).cumsum(-1)[:, keys - length :] + 1).clamp(min=2)

    def embed(self, context):
        states = context.words(self.table) + self.positions(context.position_ids)
        return states + self.languages(context.extra["langs"]) if "langs" in context.extra else states

    def finish(self, hidden_states):
        return hidden_states.tanh()

    def forward(self, input_ids=None, attention_mask=None, langs=None, head_mask=None):
        extra = {"langs": langs}
        context = ForwardContext.of(self, input_ids, None, attention_mask, causal=True, extra=extra)
        return self._output(**context.through(self, self.layers, self.embed(context), self.finish))


class ToyLM(KeyValueGeneration, CausalLM, PreTrainedModel):
    bare = ToyModel
    base_model_prefix = "toy"
    generation_inputs = ("langs",)

    def __init__(self, config):
        super().__init__(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size)
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
    torch.manual_seed(1)
    return cls(ToyConfig(tie_word_embeddings=False)).eval()


def slowly(model, ids, langs, steps):
    """Greedy search of one prompt without a memory."""
    ids, langs = torch.tensor([ids]), None if langs is None else torch.tensor([langs])
    for _ in range(steps):
        with torch.no_grad():
            token = model(ids, langs=langs).logits[:, -1].argmax(-1)
        ids = torch.cat((ids, token[:, None]), 1)
        if langs is not None:
            langs = torch.cat((langs, model.next_inputs({"langs": langs[:, -1:]})["langs"]), 1)
    return ids[0].tolist()


PROMPTS = [[5, 6, 7, 8, 9], [10, 11], [12, 13, 14]]
LANGS = [[0, 0, 1, 1, 1], [2, 2], [2, 1, 0]]


@pytest.mark.parametrize("cls", [ToyLM, Alternating])
@pytest.mark.parametrize("langs", [None, LANGS], ids=["", "langs"])
def test_further_inputs_go_on_and_positions_are_the_models(cls, langs):
    model = toy(cls)
    options = {"max_new_tokens": 9, "eos_token_id": (), "pad_token_id": 0}
    found = model.generate(PROMPTS, **options, **({} if langs is None else {"langs": langs})).sequences
    for i, row in enumerate(PROMPTS):
        wanted = slowly(model, row, None if langs is None else langs[i], 9)
        assert found[i, 5 - len(row) :].tolist() == wanted
    assert langs is None or found.tolist() != model.generate(PROMPTS, **options).sequences.tolist()


def test_further_inputs_are_padded_with_the_prompts():
    model, options = toy(), {"max_new_tokens": 6, "eos_token_id": (), "num_beams": 3, "num_return_sequences": 2}
    mask = torch.tensor([[1, 1, 1, 0], [0, 1, 1, 1]])
    ids, langs = torch.tensor([[5, 6, 7, 0], [0, 8, 9, 5]]), torch.tensor([[0, 1, 2, 0], [0, 1, 1, 0]])
    batch = model.generate(ids, mask, langs=langs, pad_token_id=0, **options).sequences
    for i, kept in enumerate(mask > 0):
        single = model.generate(ids[i, kept], langs=langs[i, kept], **options).sequences
        assert batch[2 * i : 2 * i + 2, 1:].tolist() == single.tolist()


def test_rows_that_wait_stay_within_the_models_positions():
    model = toy()
    long = list(range(5, 33))
    both = model.generate([long, [7, 8]], max_length=30, eos_token_id=(), pad_token_id=0).sequences
    assert both[0].tolist() == [*slowly(model, long, None, 2), *[0] * 26]
    assert both[1, 26:].tolist() == slowly(model, [7, 8], None, 28)
    with pytest.raises(ValueError, match="31 tokens, but the model knows only 30 positions"):
        model.generate([7, 8], max_length=31, eos_token_id=())


@pytest.mark.parametrize(
    ("inputs", "error", "match"),
    [
        ({"langs": [[1, 1]]}, ValueError, r"langs must have the shape of input_ids, \(1, 3\), not \(1, 2\)"),
        ({"langs": [[1.0, 1.0, 1.0]]}, TypeError, "langs must hold whole numbers, not float"),
        ({"langs": 1}, TypeError, "langs must hold the numbers of each prompt's tokens, not 1"),
        ({"languages": [[1, 1, 1]]}, TypeError, r"ToyLM.generate\(\) got an unexpected keyword argument 'languages'"),
        ({"jit_compile": True}, TypeError, r"ToyLM.generate\(\) got an unexpected keyword argument 'jit_compile'"),
    ],
)
def test_wrong_further_inputs(inputs, error, match):
    with pytest.raises(error, match=match):
        toy().generate([[5, 6, 7]], max_new_tokens=3, **inputs)


# --- models with memories of their own


class Counting(GenerationMixin, nn.Module):
    """A model without keys and values: the next token is the last one plus a step that it is told."""

    generation_inputs = ("step",)
    device = torch.device("cpu")

    def __init__(self):
        super().__init__()
        self.config = PretrainedConfig()
        self.config.vocab_size = 20

    def _max_positions(self):
        return None

    def _begin(self, prompts, times):
        last = self._tensor(prompts.ids[:, -1])
        steps = self._tensor(prompts.extra["step"][:, -1]) if prompts.extra else torch.ones_like(last)
        return self._scores(last + steps), Steps(steps.repeat_interleave(times))

    def _continue(self, tokens, memory):
        return self._scores(tokens + memory.steps)

    def _scores(self, tokens):
        return nn.functional.one_hot(tokens % 20, 20).float()


class Steps:
    def __init__(self, steps):
        self.steps = steps

    def reorder(self, rows):
        self.steps = self.steps[rows]


def test_models_with_another_memory_and_further_inputs_generate():
    model = Counting()
    assert model.generate([[3], [8, 9]], max_new_tokens=4, pad_token_id=0).sequences.tolist() == [
        [0, 3, 4, 5, 6, 7],
        [8, 9, 10, 11, 12, 13],
    ]
    assert model.generate([3], max_new_tokens=3, step=[5]).sequences.tolist() == [[3, 8, 13, 18]]
    several = model.generate([[3], [8]], max_new_tokens=3, num_beams=2, step=[[1], [2]]).sequences
    assert several.tolist() == [[3, 4, 5, 6], [8, 10, 12, 14]]
    with pytest.raises(TypeError, match="stride"):
        model.generate([3], max_new_tokens=3, stride=5)
    assert model.generate([3], max_new_tokens=5000).sequences.shape == (1, 5001)  # no limit


class Windowed(GenerationMixin, nn.Module):
    """Attends to the last few tokens. It remembers their hidden states, as Transformer-XL does."""

    window = 4
    device = torch.device("cpu")

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.config = PretrainedConfig()
        self.config.vocab_size = 40
        self.words = nn.Embedding(40, 8)
        self.query, self.head = nn.Linear(8, 8), nn.Linear(8, 40)

    def _max_positions(self):
        return None

    def scores(self, states, allowed):
        """Of the token after the last: states (R, K, H), allowed (R, K)."""
        distances = torch.arange(states.shape[1] - 1, -1, -1)
        scores = (self.query(states[:, -1:]) * states).sum(-1) - 0.5 * distances
        weights = scores.masked_fill(~allowed, -torch.inf).softmax(-1)
        return self.head((weights[:, :, None] * states).sum(1) + states[:, -1])

    def _begin(self, prompts, times):
        states, allowed = self.words(self._tensor(prompts.ids)), self._tensor(prompts.attended)
        last = -self.window - 1
        return self.scores(states[:, last:], allowed[:, last:]), Mems(states, allowed, self.window, times)

    def _continue(self, tokens, memory):
        return self.scores(*memory.extend(self.words(tokens)[:, None]))


class Mems:
    def __init__(self, states, allowed, window, times):
        self.window = window
        self.states, self.allowed = (x[:, -window:].repeat_interleave(times, 0) for x in (states, allowed))

    def extend(self, states):
        states = torch.cat((self.states, states), 1)
        allowed = torch.cat((self.allowed, self.allowed.new_ones(len(states), 1)), 1)
        self.states, self.allowed = states[:, -self.window :], allowed[:, -self.window :]
        return states, allowed

    def reorder(self, rows):
        self.states, self.allowed = self.states[rows], self.allowed[rows]


def test_models_with_a_memory_of_hidden_states_generate():
    model = Windowed()
    prompts = [[5, 6, 7, 8, 9, 4], [10, 11, 3], [12]]
    found = model.generate(prompts, max_new_tokens=12, pad_token_id=0).sequences
    for row, prompt in zip(found, prompts, strict=True):
        text = list(prompt)
        for _ in range(12):
            states = model.words(torch.tensor([text[-5:]]))
            text.append(int(model.scores(states, torch.ones(states.shape[:2], dtype=torch.bool)).argmax()))
        assert row[6 - len(prompt) :].tolist() == text
    beams = {"max_new_tokens": 8, "num_beams": 3, "num_return_sequences": 3, "output_scores": True}
    batch = model.generate(prompts, pad_token_id=0, **beams)
    for i, prompt in enumerate(prompts):
        single = model.generate(prompt, **beams)
        assert batch.sequences[3 * i : 3 * i + 3, 6 - len(prompt) :].tolist() == single.sequences.tolist()
        torch.testing.assert_close(batch.scores[3 * i : 3 * i + 3], single.scores)
