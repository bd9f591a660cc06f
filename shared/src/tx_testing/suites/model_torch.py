"""The standard tests of models in PyTorch."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tx_core.outputs import BATCH_AXES

from .exports_torch import TorchExportSuite
from .graphs_torch import TorchGraphSuite
from .model import ModelSuite
from .model_core import CoreSuite
from .models import FILES, FLAGS, SAME, edited, read_safetensors, write_safetensors
from .models_torch import TorchModels
from .spec import POSITIONS, RANKED, SEQUENCE, Array, assert_close, at_tokens, leaves
from .training_torch import TorchTrainingSuite


class TorchCoreSuite(TorchModels, CoreSuite):
    """What every variant of the configuration has to do, in PyTorch."""


def replicated(model: nn.Module) -> Any:
    """A copy as nn.DataParallel puts one on every device."""
    copies: dict[Any, Any] = {module: module._replicate_for_data_parallel() for module in model.modules()}
    for module, replica in copies.items():
        for name, child in module._modules.items():
            replica._modules[name] = None if child is None else copies[child]
        for name, parameter in module._parameters.items():
            setattr(replica, name, None if parameter is None else parameter.detach().clone())
    return copies[model]


def _flat(value: Any) -> list[Any]:
    """The arrays of a nest of tuples."""
    return [x for each in value for x in _flat(each)] if isinstance(value, tuple) else [value]


class TorchModelSuite(TorchExportSuite, TorchGraphSuite, TorchTrainingSuite, ModelSuite):
    """What :class:`ModelSuite` has, and what only PyTorch has."""

    # --- what can be saved

    @pytest.mark.parametrize("form", ["safetensors", "bin", "h5"])
    def test_layers_that_share_parameters(self, form: str, tmp_path: Path) -> None:
        for task in dict.fromkeys(("base", self.tasks()[-1])):
            model = self.model(task)
            layers = self.layers(model)
            layers[1] = layers[0]
            model.save_pretrained(tmp_path / task, format=form)
            again = self.cls(task).from_pretrained(str(tmp_path / task))
            wanted = model.state_dict()
            for name, tensor in again.state_dict().items():
                assert tensor.equal(wanted[name]), name
            model.save_pretrained(tmp_path / task, format=form)

    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.parametrize(
        ("fault", "match"),
        [
            ("prune", r"pruned: call torch\.nn\.utils\.prune\.remove"),
            ("weight_norm", "remove_weight_norm"),
            ("spectral_norm", "remove_spectral_norm"),
            ("parametrize", "remove_parametrizations"),
            ("identity", "Identity.*put the published layer back"),
            ("wrapped", "_Wrapped.*merge what wraps it"),
            ("compiled", "OptimizedModule"),
            ("deleted", "is missing"),
            ("added", r"extra\.weight is no parameter of"),
        ],
    )
    def test_what_would_be_refused_is_not_saved(self, fault: str, match: str, tmp_path: Path) -> None:
        from torch.nn.utils import parametrizations, prune

        model = self.model("base")
        layers = self.layers(model)
        where, leaf = next(
            (name, module)
            for name, module in layers[0].named_modules()
            if isinstance(getattr(module, "weight", None), nn.Parameter) and module.weight.ndim == 2
        )
        owner = layers[0].get_submodule(where.rpartition(".")[0])
        name = where.rpartition(".")[2]

        class _Wrapped(nn.Module):
            def __init__(self, base_layer: nn.Module) -> None:
                super().__init__()
                self.base_layer = base_layer

        {
            "prune": lambda: prune.l1_unstructured(leaf, "weight", 0.5),
            "weight_norm": lambda: nn.utils.weight_norm(leaf),
            "spectral_norm": lambda: nn.utils.spectral_norm(leaf),
            "parametrize": lambda: parametrizations.weight_norm(leaf),
            "identity": lambda: setattr(owner, name, nn.Identity()),
            "wrapped": lambda: setattr(owner, name, _Wrapped(leaf)),
            "compiled": lambda: layers.__setitem__(0, torch.compile(layers[0])),
            "deleted": lambda: layers.__delitem__(-1),
            "added": lambda: setattr(model, "extra", nn.Linear(2, 3)),
        }[fault]()
        (tmp_path / "kept").write_text("")
        with pytest.raises(ValueError, match=match):
            model.save_pretrained(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["kept"]

    def test_a_training_checkpoint(self, tmp_path: Path) -> None:
        model = self.model("base")
        optimizer = torch.optim.AdamW(model.parameters())
        sum(p.sum() for p in model.parameters()).backward()
        optimizer.step()
        state = {"epoch": 3, "optimizer": optimizer.state_dict(), "rng_state": torch.get_rng_state()}
        for key, wrapped in (("state_dict", nn.DataParallel(model)), ("model", model), ("model_state_dict", model)):
            torch.save({key: wrapped.state_dict(), **state}, tmp_path / "training.pt")
            again, report = self.cls("base").from_pretrained(
                tmp_path / "training.pt", config=model.config, output_loading_info=True
            )
            assert report.prefix == f"{key}." + ("module." if key == "state_dict" else "")
            assert not any(report.values())
            for name, tensor in again.state_dict().items():
                assert tensor.equal(model.state_dict()[name]), name

    # --- classes that users write

    def test_a_users_class_that_changes_the_published_one(self, tmp_path: Path) -> None:
        """What its constructor does is no fault; what became of it afterwards is one."""
        base: Any = self.cls("base")

        class Users(base):  # type: ignore[misc]
            def __init__(self, config: Any) -> None:
                super().__init__(config)
                layers = self.get_submodule(self.layers_at)
                layers[-1] = nn.Sequential(layers[-1])
                self.one = self.two = nn.Linear(2, 2)

        model = Users(self.spec.make_config())
        model.save_pretrained(tmp_path)
        again = Users.from_pretrained(tmp_path)
        for name, tensor in again.state_dict().items():
            assert tensor.equal(model.state_dict()[name]), name
        self.layers(model)[0] = nn.Identity()
        with pytest.raises(ValueError, match=r"this Users cannot be saved(.|\n)*Identity"):
            model.save_pretrained(tmp_path)

    def test_a_users_own_head(self, tmp_path: Path) -> None:
        """A class in the manner of 2019, whatever its head is called, takes the bare model's weights."""
        base: Any = self.cls("base")
        parent: Any = next(cls for cls in base.__mro__ if cls.__name__.endswith("PreTrainedModel"))
        prefix = base.base_model_prefix

        class Users(parent):  # type: ignore[misc]
            def __init__(self, config: Any) -> None:
                super().__init__(config)
                setattr(self, prefix, base(config))
                self.classifier = nn.Linear(config.hidden_size, 2)
                self.init_weights()

            def forward(self, input_ids: Any) -> Any:
                return self.classifier(getattr(self, prefix)(input_ids)[0])

        bare = self.shared("base")
        bare.save_pretrained(tmp_path / "bare")
        model, report = Users.from_pretrained(tmp_path / "bare", output_loading_info=True)
        assert report.newly_initialized == ["classifier.weight", "classifier.bias"]
        for name, array in self.backend.arrays(bare).items():
            np.testing.assert_array_equal(self.backend.arrays(model)[name], array, err_msg=name)
        model.save_pretrained(tmp_path / "trained")
        again, report = Users.from_pretrained(tmp_path / "trained", output_loading_info=True)
        assert not any(report.values())
        ids = self.tensors("base")["input_ids"]
        assert_close(self.backend.numpy(again(ids)), self.backend.numpy(model(ids)), 1e-6)

    def test_a_class_that_extends_one(self, task: str, tmp_path: Path) -> None:
        cls: Any = self.cls(task)

        class Users(cls):  # type: ignore[misc]
            pass

        self.shared("base").save_pretrained(tmp_path)
        _, wanted = cls.from_pretrained(tmp_path, output_loading_info=True)
        _, report = Users.from_pretrained(tmp_path, output_loading_info=True)
        assert report.newly_initialized == wanted.newly_initialized

    # --- modes

    def test_loaded_models_are_in_evaluation_mode(self, task: str) -> None:
        model = self.model(task)
        assert not any(module.training for module in model.modules())
        assert all(parameter.requires_grad for parameter in model.parameters())
        assert self.cls(task)(self.spec.make_config()).training

    def test_dropout_in_training(self) -> None:
        model, inputs = self.model("base"), self.tensors("base")
        model.train()
        torch.manual_seed(0)
        one, two = (model(**inputs)[0] for _ in range(2))
        assert (one - two).abs().max() > 1e-3
        torch.manual_seed(0)
        assert torch.equal(model(**inputs)[0], one)

    def test_constructor(self, task: str) -> None:
        """``Model(config)``, ``Model(config=config)``; anything else is refused with the cure."""
        config = self.spec.make_config()
        assert self.cls(task)(config=config).config is config
        with pytest.raises(TypeError, match="from_pretrained"):
            self.cls(task)("a-published-name")

    def test_state_dict_has_the_published_names(self, task: str) -> None:
        """A plain ``load_state_dict`` of the published file works, up to tied names."""
        model = self.cls(task)(self.spec.make_config())
        saved = {n: torch.from_numpy(a) for n, a in read_safetensors(self.folder(task) / FILES["safetensors"]).items()}
        result = model.load_state_dict(saved, strict=False)
        assert not result.unexpected_keys
        aliases = model._tied()
        assert all(self.published(task, name) in aliases for name in result.missing_keys)
        model.tie_weights()
        model.eval()
        wanted = self.run(self.shared(task), self.spec.inputs(task))
        for name, value in self.run(model, self.spec.inputs(task)).items():
            assert_close(value, wanted[name], 1e-7, name)

    def test_state_dict_argument(self) -> None:
        values = {name: torch.zeros_like(value) for name, value in self.shared("base").state_dict().items()}
        model = self.cls("base").from_pretrained(str(self.folder("base")), state_dict=values)
        alone = self.cls("base").from_pretrained(
            pretrained_model_name_or_path=None, config=model.config, state_dict=values
        )
        assert not any(parameter.any() for parameter in alone.parameters())
        with pytest.raises(ValueError, match="both config and state_dict"):
            self.cls("base").from_pretrained(None, state_dict=values)
        assert not any(parameter.any() for parameter in model.parameters())
        del values[next(reversed([n for n in values if f".{self.spec.layers() - 1}." in n]))]
        with pytest.raises(ValueError, match="state_dict"):
            self.cls("base").from_pretrained(str(self.folder("base")), state_dict=values)

    def test_positional_order(self, task: str) -> None:
        order = self.spec.orders.get(task, self.spec.arguments)
        given = {name: array for name, array in self.spec.inputs(task).items() if name in order}
        inputs, model = self.backend.tensors(given), self.shared(task)
        wanted = self.run(model, given)
        with torch.no_grad():
            output = model(*[inputs.get(name) for name in order])
        for name, value in self.backend.named(output).items():
            assert_close(value, wanted[name], 1e-7, name)

    # --- devices

    def test_on_another_device(self, task: str) -> None:
        """Nothing that is made on the way is left on the CPU. The meta device, which every machine has, tells."""
        model = self.model(task).to("meta")
        inputs = {name: tensor.to("meta") for name, tensor in self.tensors(task, labels=True).items()}
        head_mask = torch.ones(self.spec.layers(), self.spec.heads(), device="meta")
        for extra in ({}, {**FLAGS, "head_mask": head_mask}):
            output = model(**inputs, **extra)
            assert all(value.is_meta for value in leaves(output._asdict()).values())
        if self.spec.prunes:
            model.prune_heads({0: [1]})
        words = model.resize_token_embeddings(self.spec.vocab_size() + 2)
        assert all(parameter.is_meta for parameter in [*words.parameters(), *model.parameters()])
        assert model(**inputs)[0].is_meta

    # --- copies

    def test_its_class_can_be_changed_in_place(self, task: str) -> None:
        """As PyTorch's ``fully_shard`` does with every module that it is given."""

        class Sharding:
            pass

        model = self.model(task)
        cls = type(model)
        model.__class__ = type(f"Sharded{cls.__name__}", (Sharding, cls), {})
        with torch.no_grad():
            assert isinstance(model(**self.tensors(task)), tuple)

    def test_copies_and_pickles(self) -> None:
        model, inputs = self.shared("base"), self.tensors("base")
        with torch.no_grad():
            output = model(**inputs)
            copied = copy.deepcopy(model)
            assert torch.equal(copied(**inputs)[0], output[0])
        assert copied.get_input_embeddings() is not model.get_input_embeddings()
        again = pickle.loads(pickle.dumps(output))  # noqa: S301 - our own output
        assert again._fields == output._fields
        assert torch.equal(again[0], output[0])

    def test_copies_of_data_parallel(self, task: str) -> None:
        """The copies that nn.DataParallel puts on every device have no parameters of their own, only tensors."""
        model, inputs = self.model(task), self.tensors(task, labels=True)
        replica = replicated(model)
        assert not list(replica.parameters())
        head_mask = torch.ones(self.spec.heads())
        with torch.no_grad():
            wanted, found = model(**inputs, head_mask=head_mask), replica(**inputs, head_mask=head_mask)
        for name, one, two in zip(wanted._fields, found, wanted, strict=True):
            if name in BATCH_AXES:
                two = type(two)(each.movedim(BATCH_AXES[name], 0) for each in two)
            for x, y in zip(*map(_flat, (self.backend._numpy(one), self.backend._numpy(two))), strict=True):
                assert_close(x, y, SAME)

    def test_memory_goes_on_in_data_parallel(self) -> None:
        """Rows that are divided and joined on the first axis, as nn.DataParallel does, remember what theirs are."""
        model = self.model("base").eval()
        ids = self.backend.tensor(self.spec.inputs("base")["input_ids"])
        with torch.no_grad():
            first = model(ids)
            memory = next((name for name in BATCH_AXES if name in first._fields), None)
            if memory is None:
                pytest.skip("does not apply: the model remembers nothing")
            wanted = model(ids, **{memory: getattr(first, memory)})
            parts = ids.split([2, 1])
            remembered = [getattr(replicated(model)(part), memory) for part in parts]
            joined = tuple(torch.cat(each) for each in zip(*remembered, strict=True))
            assert all(len(each) == len(ids) for each in joined)
            divided = zip(*(each.split([2, 1]) for each in joined), strict=True)
            found = [replicated(model)(part, **{memory: mine}) for part, mine in zip(parts, divided, strict=True)]
        assert_close(torch.cat([each[0] for each in found]).numpy(), wanted[0].numpy(), SAME)

    def test_tied_weights_stay_tied(self, task: str) -> None:
        if task not in self.spec.output_heads:
            return
        model = self.model(task)
        weight = model.get_input_embeddings().weight
        assert model.get_output_embeddings().weight is weight
        model.resize_token_embeddings(self.spec.vocab_size() + 3)
        assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
        assert copy.deepcopy(model).get_output_embeddings().weight.shape[0] == self.spec.vocab_size() + 3
        assert model.get_output_embeddings().out_features == self.spec.vocab_size() + 3

    def test_untied_weights(self, task: str, tmp_path: Path) -> None:
        if task not in self.spec.output_heads:
            return
        model = self.cls(task)(self.spec.make_config(tie_word_embeddings=False))
        assert model.get_output_embeddings().weight is not model.get_input_embeddings().weight
        model.save_pretrained(str(tmp_path))
        loaded, report = self.cls(task).from_pretrained(str(tmp_path), output_loading_info=True)
        assert not any(report.values())
        for part in ("get_input_embeddings", "get_output_embeddings"):
            assert torch.equal(getattr(loaded, part)().weight, getattr(model, part)().weight)

    # --- precision

    @pytest.mark.parametrize("dtype", [torch.bfloat16, "float16"])
    def test_dtype(self, task: str, dtype: torch.dtype | str, tmp_path: Path) -> None:
        wanted = getattr(torch, dtype) if isinstance(dtype, str) else dtype
        model = self.model(task, dtype=dtype)
        assert {parameter.dtype for parameter in model.parameters()} == {wanted}
        exact = leaves(self.run(self.shared(task), self.spec.inputs(task)))
        with torch.no_grad():
            output = model(**self.tensors(task))
        for name, value in leaves(output._asdict()).items():
            assert value.dtype == (wanted if name not in POSITIONS else torch.int64)
            if name not in RANKED:
                assert_close(value.float().numpy(), exact[name], 0.1, name)
        model.save_pretrained(str(tmp_path))
        again = self.cls(task).from_pretrained(str(tmp_path), dtype=dtype)
        for one, two in zip(model.parameters(), again.parameters(), strict=True):
            assert torch.equal(one, two)
        assert {p.dtype for p in self.cls(task).from_pretrained(str(tmp_path)).parameters()} == {torch.float32}

    def test_impossible_dtype_is_refused(self) -> None:
        with pytest.raises((ValueError, TypeError), match="int8"):
            self.model("base", dtype="int8")

    def test_autocast(self, task: str) -> None:
        without = self.spec.inputs(task)
        for given in (without, {**without, **self.spec.make_labels(task)}):
            exact = leaves(self.run(self.shared(task), given))
            with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
                found = leaves(self.shared(task)(**self.backend.tensors(given))._asdict())
            assert found.keys() == exact.keys()
            for name, value in found.items():
                assert value.isfinite().all(), name
                if name not in RANKED:
                    assert_close(value.float().numpy(), exact[name], 0.1, name)

    # --- padding

    def test_padding_is_skipped(self, task: str) -> None:
        """Layers see tokens alone; what comes of those is the same, and states are zero elsewhere."""
        self.needs_padding()
        model, inputs = self.model(task), self.tensors(task)
        mask = self.spec.mask(task)
        flipped = {name: t.flip(-1) if t.shape == mask.shape else t for name, t in inputs.items()}
        seen: list[torch.Size] = []
        base = model.base_model
        hook = base.get_submodule(f"{base.layers_at}.0").register_forward_hook(
            lambda *call: seen.append(call[2][0].shape)
        )
        for batch in (inputs, flipped):
            batch |= self.backend.tensors(self.spec.place_of_answers(task, batch["attention_mask"].numpy()))
            outputs = []
            for skip in (True, False):
                with torch.no_grad():
                    outputs.append(
                        leaves(self.backend.named(model(**batch, output_hidden_states=True, skip_padding=skip)))
                    )
            present = batch["attention_mask"].numpy()
            # Matrices of other sizes: how they are multiplied, and rounded, is a matter of the processor.
            for name, value in outputs[1].items():
                assert_close(at_tokens(outputs[0][name], present), at_tokens(value, present), SAME, name)
            for name in (n for n in outputs[0] if n.startswith("hidden_states")):
                states = outputs[0][name].reshape(*present.shape, -1)
                assert not states[present == 0].any(), name
        hook.remove()
        width = base.config.hidden_size
        assert seen[::2] == [(int(mask.sum()), width)] * 2
        assert seen[1::2] == [(len(mask.reshape(-1, SEQUENCE)), SEQUENCE, width)] * 2

    def test_gaps_are_no_padding(self) -> None:
        """A batch is computed whole where its mask leaves out what stands between tokens."""
        self.needs_padding()
        inputs = self.spec.inputs("base")
        inputs["attention_mask"] = np.ones_like(inputs["attention_mask"])
        inputs["attention_mask"][0, 1] = 0
        found, wanted = (self.run(self.shared("base"), inputs, **given) for given in ({}, {"skip_padding": False}))
        for name, value in wanted.items():
            assert_close(found[name], value, SAME, name)

    def test_gradients_without_padding(self, task: str) -> None:
        self.needs_padding()
        model = self.model(task, **dict.fromkeys(self.spec.dropouts, 0.0)).train()
        inputs = {**self.spec.inputs(task), **self.spec.make_labels(task)}
        if len(inputs) == len(self.spec.inputs(task)):
            return  # without a loss, the gradients of whatever stands at padded places would count
        found = []
        for skip in (True, False):
            model.skip_padding = skip
            model.zero_grad()
            found.append(self.backend.gradients(model, inputs))
        assert not model.skip_padding
        largest = max(float(np.abs(gradient).max()) for gradient in found[1].values() if gradient is not None)
        for name, gradient in found[1].items():
            packed = found[0][name]
            assert (gradient is None) == (packed is None), name
            if gradient is None or packed is None:
                continue
            if np.abs(gradient).max() < 1e-6 * largest:
                # Zero but for rounding, as of a bias of the keys, which shifts all scores of a query alike.
                assert np.abs(packed).max() < 1e-6 * largest, name
            else:
                assert_close(packed, gradient, SAME, name)

    def test_losses_of_padding_are_those_of_the_whole_model(self, task: str) -> None:
        """Labels at padding that are not to be ignored count as ever, and so does padding among an answer's places."""
        self.needs_padding()
        inputs = {**self.spec.inputs(task), **self.spec.make_labels(task)}
        labels = [name for name in inputs if name not in self.spec.inputs(task)]
        if not labels:
            return
        for name in labels:
            inputs[name] = np.maximum(inputs[name], 0)
        for flip in (False, True):
            if flip:
                size = self.spec.mask(task).shape
                inputs = {n: a[..., ::-1].copy() if a.shape == size else a for n, a in inputs.items()}
            wanted = self.run(self.shared(task), inputs, skip_padding=False)
            found = self.run(self.shared(task), inputs)
            for name in (each for each in wanted if each.endswith("loss")):
                assert_close(found[name], wanted[name], 1e-6, name)

    # --- a user's own head

    def test_a_users_own_model(self, tmp_path: Path) -> None:
        """A class that users derive from the architecture's base loads the base model's file and its own."""
        base = self.cls("base")
        parent = next(cls for cls in base.__mro__ if cls.__name__.endswith("PreTrainedModel"))
        prefix = base.base_model_prefix

        def __init__(self: Any, config: Any) -> None:
            parent.__init__(self, config)
            setattr(self, prefix, base(config))
            self.attention = nn.Linear(config.hidden_size, 3)  # a name that tx's own layers have, too
            self.init_weights()

        def forward(self: Any, **inputs: Any) -> Any:
            return self.attention(getattr(self, prefix)(**inputs)[0])

        own: Any = type("Own", (parent,), {"__init__": __init__, "forward": forward})
        model = own.from_pretrained(str(self.folder("base")))
        bare = getattr(model, prefix), self.shared("base")
        found, wanted = (self.backend.embedding(each.get_input_embeddings()) for each in bare)
        np.testing.assert_array_equal(found, wanted)
        with torch.no_grad():
            wanted = model(**self.tensors("base"))
            model.save_pretrained(str(tmp_path))
            again, report = own.from_pretrained(str(tmp_path), output_loading_info=True)
            assert not any(report.values())
            assert torch.equal(again(**self.tensors("base")), wanted)

    def test_loading_does_not_change_the_random_state(self) -> None:
        self.model("base")  # the first writes the file, with random weights
        state = torch.get_rng_state()
        self.model("base")
        assert torch.equal(torch.get_rng_state(), state)

    def test_old_spellings(self, tmp_path: Path) -> None:
        """Files of early 2019 say gamma and beta, and files of 2020 to 2022 carry position_ids."""
        old = {new: old for old, new in self.cls("base").weight_table.renamed}
        if not old:
            pytest.skip("does not apply: no name of this architecture changed")

        def rename(arrays: dict[str, Array]) -> None:
            for name in list(arrays):
                for new, before in old.items():
                    if name.endswith(new):
                        arrays[name.removesuffix(new) + before] = arrays.pop(name)

        folder = edited(self.folder("base"), tmp_path / "old", rename)
        assert any(name.endswith(tuple(old.values())) for name in read_safetensors(folder / FILES["safetensors"]))
        model = self.cls("base").from_pretrained(str(folder))
        for one, two in zip(model.parameters(), self.shared("base").parameters(), strict=True):
            assert torch.equal(one, two)

    def test_sharded_files(self, tmp_path: Path) -> None:
        arrays = read_safetensors(self.folder("base") / FILES["safetensors"])
        names = sorted(arrays)
        parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
        for file, members in parts.items():
            write_safetensors(tmp_path / file, {name: arrays[name] for name in members})
        index = {"metadata": {}, "weight_map": {name: file for file, members in parts.items() for name in members}}
        (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
        (tmp_path / "config.json").write_bytes((self.folder("base") / "config.json").read_bytes())
        model = self.cls("base").from_pretrained(str(tmp_path))
        for one, two in zip(model.parameters(), self.shared("base").parameters(), strict=True):
            assert torch.equal(one, two)
