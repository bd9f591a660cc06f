"""Products of few rows, the memory of keys and values, and what `generate` asks of a model, in PyTorch."""

import pytest
import torch
from torch import nn

from tx_core.config import PretrainedConfig
from tx_core.generation.generate_torch import GenerationMixin
from tx_core.generation.memory_torch import KeyValueMemory
from tx_core.models.past_torch import extend_past
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


def test_memory_tells_positions_and_biases():
    mask = torch.tensor([[False, True, True], [True, True, True]])
    memory = KeyValueMemory(1, 6, mask, torch.device("cpu"))
    positions, bias, is_causal = memory.next(3, torch.float32)
    assert positions.tolist() == [[0, 0, 1], [0, 1, 2]]
    assert not is_causal
    assert bias.shape == (2, 1, 3, 3)
    assert (bias[1, 0] == 0).tolist() == [[True, False, False], [True, True, False], [True, True, True]]
    assert (bias[0, 0, 2] == 0).tolist() == [False, True, True]
    positions, bias, is_causal = memory.next(1, torch.float32)
    assert positions.tolist() == [[2], [3]]
    assert (bias[:, 0, 0] == 0).tolist() == [[False, True, True, True], [True, True, True, True]]
    positions, bias, is_causal = memory.next(2, torch.float32)
    assert positions.tolist() == [[3, 4], [4, 5]]
    assert (bias[0, 0] == 0).tolist() == [[False, *[True] * 4, False], [False, *[True] * 5]]


def test_positions_end_where_the_models_do():
    mask = torch.tensor([[False, False, True], [True, True, True]])
    memory = KeyValueMemory(1, 6, mask, torch.device("cpu"), positions=4)
    assert memory.next(3, torch.float32)[0].tolist() == [[0, 0, 0], [0, 1, 2]]
    assert [memory.next(1, torch.float32)[0].tolist() for _ in range(3)] == [[[1], [3]], [[2], [3]], [[3], [3]]]


def test_no_bias_is_made_without_padding():
    memory = KeyValueMemory(1, 9, None, torch.device("cpu"))
    assert memory.next(3, torch.float32)[1:] == (None, True)
    assert memory.next(1, torch.float32)[1:] == (None, False)
    positions, bias, _ = memory.next(2, torch.float32)
    assert positions.tolist() == [[4, 5]]
    assert (bias[0, 0] == 0).tolist() == [[*[True] * 5, False], [True] * 6]
    single = KeyValueMemory(1, 9, None, torch.device("cpu"))
    assert single.next(1, torch.float32)[1:] == (None, False)


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

    def _begin(self, prompt, mask, total, step=1):
        memory = Last(prompt[:, -1], step)
        return self._scores(memory), memory

    def _continue(self, tokens, memory):
        memory.last = tokens
        return self._scores(memory)

    def _scores(self, memory):
        return nn.functional.one_hot((memory.last + memory.step) % 20, 20).float()


class Last:
    def __init__(self, last, step):
        self.last, self.step = last, step

    def repeat(self, times):
        self.last = self.last.repeat_interleave(times)

    def reorder(self, rows):
        self.last = self.last[rows]


def test_models_with_another_memory_and_further_inputs_generate():
    model = Counting()
    assert model.generate([[3], [8, 9]], max_new_tokens=4, pad_token_id=0).sequences.tolist() == [
        [0, 3, 4, 5, 6, 7],
        [8, 9, 10, 11, 12, 13],
    ]
    assert model.generate([3], max_new_tokens=3, step=5).sequences.tolist() == [[3, 8, 13, 18]]
    assert model.generate([3], max_new_tokens=3, num_beams=2).sequences.tolist() == [[3, 4, 5, 6]]
    with pytest.raises(TypeError, match="stride"):
        model.generate([3], max_new_tokens=3, stride=5)
    assert model.generate([3], max_new_tokens=5000).sequences.shape == (1, 5001)  # no limit
