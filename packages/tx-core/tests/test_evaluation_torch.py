"""A model in evaluation mode beside the same model in training mode."""

import functools
import types

import torch
from torch import nn
from torch.nn.utils import parametrize

from tx_core.generation.evaluation_torch import in_evaluation


class Noise(nn.Module):
    """Something that looks at its own flag."""

    def forward(self, x):
        return x + torch.randn_like(x) if self.training else x


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.both = nn.ModuleList([self.first, nn.Sequential(nn.Dropout(0.5), Noise(), self.first)])
        self.register_buffer("constant", torch.ones(4), persistent=False)

    def forward(self, x):
        for layer in self.both:
            x = layer(x)
        return x + self.constant


X = torch.randn(3, 4)


def test_it_computes_what_the_model_computes_in_evaluation_mode():
    model = Model().eval()
    wanted = model(X)
    view = in_evaluation(model.train())
    assert torch.equal(view(X), wanted)
    assert all(module.training for module in model.modules())
    assert not any(module.training for module in view.modules())
    assert (model(X) != wanted).any()


def test_it_shares_what_the_model_has():
    model = Model()
    view = in_evaluation(model)
    assert [(n, id(p)) for n, p in view.named_parameters()] == [(n, id(p)) for n, p in model.named_parameters()]
    assert view.both[0] is view.both[1][2] is view.first
    model.double()
    assert view.constant.dtype == torch.float64
    assert view(X.double()).dtype == torch.float64


def test_modes_that_change_meanwhile_are_the_models_own():
    model = Model().eval()
    wanted, view = model(X), in_evaluation(model)
    model.train()
    assert torch.equal(view(X), wanted)


def test_parametrizations_hooks_and_old_weight_norm():
    model = Model()
    torch.nn.utils.weight_norm(model.first)  # sets a tensor in a hook
    parametrize.register_parametrization(model.both[1][2], "bias", nn.Tanh())
    seen = []
    model.both[1].register_forward_hook(lambda module, *_: seen.append(type(module)))
    wanted = model.eval()(X)
    view = in_evaluation(model.train())
    torch.testing.assert_close(view(X), wanted)
    assert seen == [nn.Sequential] * 2
    with torch.no_grad():
        model.first.weight_g.mul_(2)
    wanted = model.eval()(X)
    torch.testing.assert_close(view(X), wanted)


def test_methods_that_were_put_in_place_of_others():
    """As tools that move modules to a device when they are called do it."""
    model = Model()
    wanted = model.eval()(X)
    for module in list(model.modules()):
        module._old_forward = module.forward

        def wrapped(module, *args):
            return module._old_forward(*args)

        if isinstance(module, Noise):
            module.forward = types.MethodType(wrapped, module)
        else:
            module.forward = functools.update_wrapper(functools.partial(wrapped, module), module.forward)
    assert torch.equal(in_evaluation(model.train())(X), wanted)


def test_modules_that_are_known_by_identity_stay_what_they_are():
    model = Model().eval()
    names = {module: name for name, module in model.named_modules()}
    seen = []
    handle = model.both[1].register_forward_hook(lambda module, *_: seen.append(names[module]))
    in_evaluation(model)(X)
    assert seen == ["both.1"]
    handle.remove()
    assert in_evaluation(model) is not model


def test_scripted_modules_are_taken_as_they_are():
    model = Model()
    model.both.append(torch.jit.script(nn.Linear(4, 4)))
    assert torch.equal(in_evaluation(model)(X), model.eval()(X))
