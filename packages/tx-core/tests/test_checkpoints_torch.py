"""PyTorch files against PyTorch: what torch.save writes is read, what is written here torch.load reads, bit for bit."""

from __future__ import annotations

import argparse
import collections
from collections import OrderedDict
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
import torch

from tx_core.checkpoints import CheckpointError, open_checkpoint, write_safetensors, write_torch_bin

DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2, torch.int64,
    torch.int32, torch.int16, torch.int8, torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.bool,
    torch.complex64, torch.complex128,
]  # fmt: skip

both_formats = pytest.mark.parametrize("new_format", [True, False], ids=["zip", "stream"])


def random_tensor(dtype: torch.dtype, shape: tuple[int, ...]) -> torch.Tensor:
    """Any bit pattern."""
    generator = torch.Generator().manual_seed(len(shape))
    high = 2 if dtype == torch.bool else 256
    raw = torch.randint(0, high, (int(np.prod(shape)) * dtype.itemsize,), dtype=torch.uint8, generator=generator)
    return raw.view(dtype).reshape(shape)


def assert_same_bits(array: npt.NDArray[Any], tensor: torch.Tensor) -> None:
    assert array.shape == tuple(tensor.shape)
    assert array.dtype.name == str(tensor.dtype).removeprefix("torch.")
    expected = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
    assert np.ascontiguousarray(array).tobytes() == expected.tobytes()


@both_formats
@pytest.mark.parametrize("shape", [(3, 4), (), (0, 5)])
def test_every_dtype_is_read_bit_exactly(tmp_path: Path, new_format: bool, shape: tuple[int, ...]) -> None:
    tensors = {str(dtype): random_tensor(dtype, shape) for dtype in DTYPES}
    torch.save(tensors, tmp_path / "m", _use_new_zipfile_serialization=new_format)
    with open_checkpoint(tmp_path / "m") as checkpoint:
        assert checkpoint.format == "torch"
        assert checkpoint.names() == list(tensors)
        for name, tensor in tensors.items():
            assert checkpoint.info(name).shape == shape
            assert_same_bits(checkpoint.read(name), tensor)


@both_formats
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_views_parameters_and_shared_storages_are_read(tmp_path: Path, new_format: bool, protocol: int) -> None:
    base = torch.randn(6, 8)
    parameter = torch.nn.Parameter(torch.randn(3))
    parameter.note = "an attribute"  # type: ignore[attr-defined]
    tensors = {
        "base": base, "same": base, "row": base[2], "transposed": base.t(), "steps": base[1::2, ::3],
        "permuted": torch.randn(2, 3, 4).permute(2, 0, 1), "expanded": base[:, :1].expand(6, 5),
        "flipped": base.flip(0),
        "single": base[3:4, 5:6], "parameter": torch.nn.Parameter(base), "parameter with state": parameter,
    }  # fmt: skip
    torch.save(tensors, tmp_path / "m", pickle_protocol=protocol, _use_new_zipfile_serialization=new_format)
    with open_checkpoint(tmp_path / "m") as checkpoint:
        assert checkpoint.names() == list(tensors)
        for name, tensor in tensors.items():
            array = checkpoint.read(name)
            assert_same_bits(array, tensor)
            array += 1  # of one's own: nothing else changes
            assert_same_bits(checkpoint.read(name), tensor)
        assert checkpoint.same("base", "same")
        assert checkpoint.same("base", "parameter")
        assert not any(checkpoint.same("base", name) for name in ("row", "transposed", "steps", "permuted", "flipped"))


@both_formats
def test_a_module_s_state_dict_and_a_training_checkpoint_are_read(tmp_path: Path, new_format: bool) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    state = model.state_dict()
    torch.save(state, tmp_path / "state", _use_new_zipfile_serialization=new_format)
    with open_checkpoint(tmp_path / "state") as checkpoint:
        assert checkpoint.names() == list(state)
        for name, tensor in state.items():
            assert_same_bits(checkpoint.read(name), tensor)
    content = {
        "model": state,
        "optimizer": optimizer.state_dict(),
        "epoch": 3,
        "dtype": torch.float32,
        "device": torch.device("cpu"),
        "size": torch.Size([1, 2]),
        "loss": np.float64(1.5),
    }
    torch.save(content, tmp_path / "training", _use_new_zipfile_serialization=new_format)
    with open_checkpoint(tmp_path / "training") as checkpoint:
        assert [name for name in checkpoint.names() if name.startswith("model.")] == [f"model.{name}" for name in state]
        assert_same_bits(checkpoint.read("optimizer.state.0.exp_avg"), optimizer.state_dict()["state"][0]["exp_avg"])


@both_formats
def test_a_whole_pickled_module_is_refused_with_the_cure(tmp_path: Path, new_format: bool) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "m", _use_new_zipfile_serialization=new_format)
    with pytest.raises(CheckpointError, match=r"state_dict\(\)"):
        open_checkpoint(tmp_path / "m")


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_other_kinds_of_tensors_are_refused(tmp_path: Path) -> None:
    for tensor in (torch.eye(3).to_sparse(), torch.empty(3, device="meta")):
        torch.save({"a": tensor}, tmp_path / "m")
        with pytest.raises(CheckpointError, match=r"not allowed here|unknown type"):
            open_checkpoint(tmp_path / "m")
    torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "m")  # type: ignore[no-untyped-call]
    with pytest.raises(CheckpointError, match="TorchScript"):
        open_checkpoint(tmp_path / "m")


@both_formats
def test_a_small_view_reads_only_its_part_of_a_large_storage(tmp_path: Path, new_format: bool) -> None:
    large = torch.arange(1_000_000)
    torch.save({"a": large[500_000:500_010]}, tmp_path / "m", _use_new_zipfile_serialization=new_format)
    with open_checkpoint(tmp_path / "m") as checkpoint:
        assert checkpoint.read("a").tolist() == list(range(500_000, 500_010))


def test_torch_loads_what_is_written(tmp_path: Path) -> None:
    dtypes = [
        np.float64,
        np.float32,
        np.float16,
        ml_dtypes.bfloat16,
        np.int64,
        np.int32,
        np.int16,
        np.int8,
        np.uint8,
        np.bool_,
        np.complex64,
        np.complex128,
    ]
    arrays: dict[str, npt.NDArray[Any]] = {np.dtype(t).name: np.arange(-3, 3).reshape(2, 3).astype(t) for t in dtypes}
    arrays |= {"scalar": np.array(2.5), "empty": np.zeros((0, 4)), "é": np.arange(6.0).reshape(2, 3).T}
    path = tmp_path / "pytorch_model.bin"
    write_torch_bin(path, arrays, {"tied": "float32", "tied too": "float32"})
    for mmap in (False, True):
        loaded = torch.load(path, weights_only=True, mmap=mmap)
        assert type(loaded) is OrderedDict
        assert list(loaded) == [*arrays, "tied", "tied too"]
        for name, array in arrays.items():
            assert loaded[name].is_contiguous()
            assert not loaded[name].requires_grad
            assert_same_bits(np.ascontiguousarray(array).reshape(array.shape), loaded[name])
        assert loaded["tied"].data_ptr() == loaded["tied too"].data_ptr() == loaded["float32"].data_ptr()
        if mmap:
            assert all(tensor.data_ptr() % 64 == 0 for tensor in loaded.values() if tensor.numel())


def test_a_file_of_more_than_a_few_tensors_loads(tmp_path: Path) -> None:
    arrays = {f"layer.{i}.weight": np.full((3,), i, np.float32) for i in range(700)}
    write_torch_bin(tmp_path / "m", arrays)
    loaded = torch.load(tmp_path / "m", weights_only=True)
    assert all(loaded[name].tolist() == array.tolist() for name, array in arrays.items())


def test_bfloat16_goes_through_safetensors_bit_exactly(tmp_path: Path) -> None:
    import safetensors.torch

    tensors = {str(d): random_tensor(d, (5, 3)) for d in (torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2)}
    safetensors.torch.save_file(tensors, tmp_path / "theirs")
    with open_checkpoint(tmp_path / "theirs") as checkpoint:
        arrays = {name: checkpoint.read(name) for name in checkpoint.names()}
        for name, array in arrays.items():
            assert_same_bits(array, tensors[name])
    write_safetensors(tmp_path / "ours", arrays)
    for name, tensor in safetensors.torch.load_file(tmp_path / "ours").items():
        assert_same_bits(arrays[name], tensor)


def test_a_sharded_bin_is_read(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "pytorch_model-00001-of-00002.bin")
    torch.save(
        {"b": torch.zeros(3)}, tmp_path / "pytorch_model-00002-of-00002.bin", _use_new_zipfile_serialization=False
    )
    index = tmp_path / "pytorch_model.bin.index.json"
    index.write_text(
        '{"metadata": {"total_size": 20}, "weight_map": {"a": "pytorch_model-00001-of-00002.bin", '
        '"b": "pytorch_model-00002-of-00002.bin"}}'
    )
    with open_checkpoint(index) as checkpoint:
        assert checkpoint.format == "torch"
        assert checkpoint.metadata == {"total_size": "20"}
        assert {name: checkpoint.read(name).tolist() for name in checkpoint.names()} == {"a": [1, 1], "b": [0, 0, 0]}


@both_formats
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_torch_save_wrote_beside_the_weights_is_told(tmp_path: Path, new_format: bool, protocol: int) -> None:
    words = {i: f"wörd{i}" for i in range(3000)}
    content = {
        "model": {"w": torch.ones(2)},
        "params": {
            "emb_dim": 8,
            "asm_cutoffs": [8, 20],
            "mono": {"en": {"train": ("a", "b")}, ("en", "fr"): 1},
            "mask_scores": np.ones(3000),
            "pred_probs": torch.ones(3),
            "big": 1 << 80,
        },
        "args": argparse.Namespace(layers=2, nested=argparse.Namespace(x=None)),
        "dico_id2word": words,
        "dico_word2id": {word: i for i, word in words.items()},
        "counts": collections.defaultdict(int, the=7),
        "stats": collections.OrderedDict(loss=[0.5]),
    }
    torch.save(content, tmp_path / "m", pickle_protocol=protocol, _use_new_zipfile_serialization=new_format)
    with open_checkpoint(tmp_path / "m") as checkpoint:
        assert checkpoint.names() == ["model.w", "params.pred_probs"]
        assert checkpoint.note("params") == {
            "emb_dim": 8, "asm_cutoffs": [8, 20], "mono": {"en": {"train": ["a", "b"]}}, "big": 1 << 80,
        }  # fmt: skip
        assert checkpoint.note("args") == {"layers": 2, "nested": {"x": None}}
        assert checkpoint.note("dico_id2word") == words
        assert checkpoint.note("dico_word2id")["wörd2999"] == 2999
        assert (checkpoint.note("counts"), checkpoint.note("stats")) == ({"the": 7}, {"loss": [0.5]})
