"""Models whose parameters are memory of the file that they were loaded from, tried on a tiny model."""

from __future__ import annotations

import copy
import io
import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import PAGESIZE
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tx_core.checkpoints import open_checkpoint, write_safetensors
from tx_core.config import PretrainedConfig
from tx_core.models.pretrained_torch import PreTrainedModel
from tx_core.weights import Row, WeightTable

linux = pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="reads what is mapped from /proc/self/smaps")


@dataclass(init=False, eq=False, repr=False)
class TinyConfig(PretrainedConfig):
    model_type = "tiny"

    vocab_size: int = 3000
    hidden_size: int = 8


class TinyModel(PreTrainedModel, published=True):
    config_class = TinyConfig
    base_model_prefix = "tiny"
    weight_table = WeightTable(
        prefix="tiny",
        rows=(Row("tiny.words.weight"), Row("tiny.dense.weight"), Row("tiny.dense.bias")),
    )

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.words = nn.Embedding(config.vocab_size, config.hidden_size)
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.init_weights()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            module.weight.data.normal_()

    def get_input_embeddings(self) -> nn.Module:
        return self.words

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.words = value

    def forward(self, input_ids: Tensor) -> Tensor:
        out: Tensor = self.dense(self.words(input_ids))
        return out


class UsersModel(TinyModel):
    """A class that a user wrote: what it adds is initialised, so its parameters have memory when they are loaded."""


IDS = torch.tensor([[1, 2, 2999]])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    TinyModel(TinyConfig()).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def mapped_bytes(path: Path) -> dict[str, int]:
    """Bytes that this process has of a file, by the kinds of /proc/self/smaps; empty if it is not mapped."""
    found: dict[str, int] = {}
    ours = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first, *rest = line.split()
        if not first.endswith(":"):
            ours = line.endswith((f" {path}", f" {path} (deleted)"))
        elif ours and rest[-1] == "kB":
            found[first[:-1]] = found.get(first[:-1], 0) + int(rest[0]) * 1024
    return found


def train(model: nn.Module, steps: int = 1) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        model(IDS).square().sum().backward()
        optimizer.step()


def values(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(params=["whole", "sharded"])
def kept(request: pytest.FixtureRequest, folder: Path) -> Iterator[Path]:
    """A folder whose files must be as they were when the test ends."""
    if request.param == "sharded":
        TinyModel.from_pretrained(folder).save_pretrained(folder, max_shard_size=90_000)
        assert len([*folder.glob("*.safetensors")]) == 2
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    yield folder
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@linux
def test_the_file_is_mapped_and_nothing_is_read_before_it_is_used(folder: Path) -> None:
    path = folder / "model.safetensors"
    model = TinyModel.from_pretrained(folder)
    assert mapped_bytes(path)["Size"] >= path.stat().st_size
    assert mapped_bytes(path)["Anonymous"] == 0
    model(IDS).square().sum().backward()
    assert mapped_bytes(path)["Anonymous"] == 0
    with torch.no_grad():
        model.words.weight[1500] = 1
    assert 0 < mapped_bytes(path)["Anonymous"] <= 2 * PAGESIZE  # only what was changed is copied
    del model
    assert not mapped_bytes(path)


@linux
@pytest.mark.parametrize("what", ["mmap=False", "bin", "dtype", "users", "state_dict", "load_weights"])
def test_what_is_copied(folder: Path, tmp_path: Path, what: str) -> None:
    wanted = values(TinyModel.from_pretrained(folder))
    path, cls, options = folder / "model.safetensors", TinyModel, {}
    match what:
        case "mmap=False":
            options = {"mmap": False}
        case "bin":
            cls.from_pretrained(folder).save_pretrained(tmp_path / "bin", format="bin")
            folder = tmp_path / "bin"
        case "dtype":
            options = {"dtype": torch.float64}
        case "users":
            cls = UsersModel
        case "state_dict":
            options = {"state_dict": wanted}
    model = cls.from_pretrained(folder, **options)
    if what == "load_weights":
        model = TinyModel(model.config)
        model.load_weights(folder)
    assert not mapped_bytes(path)
    assert same({name: value.float() for name, value in values(model).items()}, wanted)
    before = {name: value.clone() for name, value in wanted.items()}
    train(model)
    assert same(wanted, before)  # no parameter is the memory of a given state_dict either


def test_training_changes_the_model_and_leaves_the_file_alone(kept: Path) -> None:
    model, copied = TinyModel.from_pretrained(kept), TinyModel.from_pretrained(kept, mmap=False)
    first = values(model)
    assert same(first, values(copied))
    for each in (model, copied):
        train(each, 3)
    assert same(values(model), values(copied))
    assert not any(torch.equal(first[name], value) for name, value in model.state_dict().items())
    assert same(values(TinyModel.from_pretrained(kept)), first)


def test_models_of_one_file_do_not_see_each_others_changes(kept: Path) -> None:
    one, other = TinyModel.from_pretrained(kept), TinyModel.from_pretrained(kept)
    first = values(other)
    train(one)
    assert same(values(other), first)
    assert not same(values(one), first)


@pytest.mark.parametrize("max_shard_size", [None, 90_000])
def test_saving_into_the_folder_of_the_file(folder: Path, max_shard_size: int | None) -> None:
    model, other = TinyModel.from_pretrained(folder), TinyModel.from_pretrained(folder)
    first = values(other)
    for _ in range(2):
        train(model)
        trained = values(model)
        model.save_pretrained(folder, max_shard_size=max_shard_size)
        assert same(values(model), trained)
        assert same(values(TinyModel.from_pretrained(folder)), trained)
    assert same(values(other), first)


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is in use cannot be deleted there")
def test_a_model_outlives_its_folder(folder: Path, tmp_path: Path) -> None:
    model = TinyModel.from_pretrained(folder)
    wanted = TinyModel.from_pretrained(folder, mmap=False)
    shutil.rmtree(folder)
    for each in (model, wanted):
        train(each)
    assert same(values(model), values(wanted))
    model.save_pretrained(folder)
    assert same(values(TinyModel.from_pretrained(folder)), values(wanted))


def test_copies(kept: Path) -> None:
    model = TinyModel.from_pretrained(kept)
    first = values(model)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    assert len(file.getvalue()) < sum(value.nbytes for value in first.values()) + 5000
    file.seek(0)
    copies = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]  # noqa: S301 - our own
    loaded = TinyModel(model.config)
    loaded.load_state_dict(torch.load(file, weights_only=True))
    for each in (*copies, loaded):
        assert same(values(each), first)
        train(each)
        assert not same(values(each), first)
        assert same(values(model), first)
    assert TinyModel.from_pretrained(kept).half().words.weight.dtype == torch.float16


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_shared_memory(kept: Path) -> None:
    model = TinyModel.from_pretrained(kept)
    first = values(model)
    model.share_memory()
    assert all(parameter.is_shared() for parameter in model.parameters())
    assert same(values(model), first)
    process = torch.multiprocessing.get_context("fork").Process(target=train, args=(model,))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert not same(values(model), first)


def test_the_models_methods(kept: Path) -> None:
    model = TinyModel.from_pretrained(kept)
    first = values(model)
    model.resize_token_embeddings(3001)
    assert torch.equal(model.words.weight[:3000], first["words.weight"])
    model.resize_token_embeddings(3000)
    assert same(values(model), first)
    with torch.no_grad():
        model.dense.weight.zero_()
    model.load_weights(kept)
    assert same(values(model), first)


def test_arrays_that_are_not_aligned(folder: Path) -> None:
    path = folder / "model.safetensors"
    wanted = values(TinyModel.from_pretrained(folder))
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    path.write_bytes((length + 1).to_bytes(8, "little") + content[8 : 8 + length] + b" " + content[8 + length :])
    model = TinyModel.from_pretrained(folder)
    assert same(values(model), wanted)
    assert all(parameter.data_ptr() % parameter.element_size() == 0 for parameter in model.parameters())
    train(model)


@pytest.mark.parametrize("given", ["float16", "bfloat16", "float64"])
def test_files_of_other_types(folder: Path, given: str) -> None:
    dtype = getattr(torch, given)
    wanted = values(TinyModel.from_pretrained(folder).to(dtype))
    TinyModel.from_pretrained(folder).to(dtype).save_pretrained(folder)
    before = (folder / "model.safetensors").read_bytes()
    for wanted_dtype in (dtype, torch.float32):
        model = TinyModel.from_pretrained(folder, dtype=wanted_dtype)
        assert same(values(model), {name: value.to(wanted_dtype) for name, value in wanted.items()})
        train(model)
    assert (folder / "model.safetensors").read_bytes() == before


def test_keras_layouts_are_copied(folder: Path) -> None:
    """The reference writes safetensors from TensorFlow with transposed kernels."""
    path = folder / "model.safetensors"
    wanted = values(TinyModel.from_pretrained(folder))
    names = {"words.weight": "words/weight:0", "dense.weight": "dense/kernel:0", "dense.bias": "dense/bias:0"}
    with open_checkpoint(path) as checkpoint:
        arrays = {f"tiny_model/tiny/{names[name]}": checkpoint.read(name) for name in checkpoint.names()}
    arrays = {name: np.ascontiguousarray(array.T) if "kernel" in name else array for name, array in arrays.items()}
    write_safetensors(path, arrays, {"format": "tf"})
    before = path.read_bytes()
    model = TinyModel.from_pretrained(folder)
    assert same(values(model), wanted)
    train(model)
    assert path.read_bytes() == before


SHARE = """
import json, sys
sys.path.insert(0, {tests!r})
from test_pretrained_mapping_torch import TinyModel, mapped_bytes
from pathlib import Path

folder = Path(sys.argv[1])
model = TinyModel.from_pretrained(folder)
sum(float(parameter.sum()) for parameter in model.parameters())
print("ready", flush=True)
for _ in sys.stdin:
    print(json.dumps(mapped_bytes(folder / "model.safetensors")), flush=True)
"""


@linux
def test_two_processes_share_the_pages(tmp_path: Path) -> None:
    TinyModel(TinyConfig(vocab_size=500_000)).save_pretrained(tmp_path)
    size = (tmp_path / "model.safetensors").stat().st_size
    script = SHARE.format(tests=str(Path(__file__).parent))
    command = [sys.executable, "-c", script, str(tmp_path)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as one, subprocess.Popen(command, **pipes) as other:
        assert [process.stdout.readline() for process in (one, other) if process.stdout] == ["ready\n"] * 2
        found = []
        for process in (one, other):
            assert process.stdin
            assert process.stdout
            process.stdin.write("?\n")
            process.stdin.flush()
            found.append(json.loads(process.stdout.readline()))
        for process in (one, other):
            process.communicate()
    for kinds in found:
        assert kinds["Rss"] >= 0.99 * size
        assert kinds["Shared_Clean"] >= 0.99 * size
        assert kinds["Pss"] <= 0.51 * size  # its proportional share: half, of two
        assert kinds["Anonymous"] == 0
