"""How models of both frameworks are saved and loaded, and which files they refuse."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np
import pytest

from tx_core.checkpoints import CheckpointError, open_checkpoint, write_safetensors, write_torch_bin
from tx_core.files import TF2_WEIGHTS_NAME, WEIGHTS_NAME
from tx_core.weights import WeightsError
from tx_testing.server import Fault, HubServer, Request, download_environment

from .base import once
from .models import FILES, Models, edited, read_safetensors
from .spec import Array, assert_close

# Task → the Auto class that is for it.
AUTO = {
    "base": "AutoModel",
    "pretraining": "AutoModelForPreTraining",
    "masked-lm": "AutoModelForMaskedLM",
    "causal-lm": "AutoModelForCausalLM",
    "next-sentence": "AutoModelForNextSentencePrediction",
    "sequence-classification": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
    "multiple-choice": "AutoModelForMultipleChoice",
    "question-answering": "AutoModelForQuestionAnswering",
    "beam-question-answering": "AutoModelForQuestionAnswering",
}


class FileSuite(Models):
    """Standard tests of saving and loading."""

    @pytest.mark.parametrize("file_format", sorted(FILES))
    def test_complex_weights_are_refused(self, file_format: str, tmp_path: Path) -> None:
        """Their imaginary part would be lost."""
        self.model("base").save_pretrained(tmp_path, format=file_format)
        path = tmp_path / FILES[file_format]
        with open_checkpoint(path) as checkpoint:
            arrays = {name: checkpoint.read(name) for name in checkpoint.names()}
        name = max(arrays, key=lambda each: arrays[each].ndim)
        if file_format == "h5":
            with h5py.File(path, "r+") as file:
                values = file[name][()].astype(np.complex64)
                del file[name]
                file[name] = values
        else:
            arrays[name] = arrays[name].astype(np.complex64)
            write: Any = {"safetensors": write_safetensors, "bin": write_torch_bin}[file_format]
            write(path, arrays)
        with pytest.raises((WeightsError, CheckpointError), match="complex"):
            self.cls("base").from_pretrained(str(tmp_path))

    # --- the table of names

    def test_every_row_of_the_table_is_some_parameter(self) -> None:
        """Of some class, or in some variant."""
        specs = [self.spec, *map(self.spec.variant, self.spec.variants)]
        made = [(task, spec.make_config()) for spec in specs for task in self.tasks()]
        if self.spec.cross_attention:
            made.append(("base", self.spec.make_config(is_decoder=True)))
        seen = set()
        for task, config in made:
            model = self.cls(task)(config)
            seen |= {model.weight_table.row(self.published(task, n)).name for n in self.backend.arrays(model)}
        table = self.cls("base").weight_table
        assert {row.name for row in table.rows} == seen - table.aliases().keys()

    # --- saving

    def test_saving_twice_gives_the_same_bytes(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            self.shared("base").save_pretrained(str(tmp_path / name))
        for path in (tmp_path / "one").iterdir():
            assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name

    @once
    def test_sizes_and_formats_as_people_write_them(self, tmp_path: Path) -> None:
        model = self.shared("base")
        other = {"torch": "pytorch_model.bin", "tf": "tf_model.h5"}[self.backend.name]
        cases: list[tuple[dict[str, Any], str]] = [
            ({"max_shard_size": "5GB"}, FILES["safetensors"]),
            ({"max_shard_size": " 5 mb "}, FILES["safetensors"]),
            ({"max_shard_size": "2KB"}, "model.safetensors.index.json"),
            ({"max_shard_size": "2KiB", "safe_serialization": True}, "model.safetensors.index.json"),
            ({"safe_serialization": False}, other),
            ({"safe_serialization": False, "max_shard_size": "10GB"}, other),
            ({"safe_serialization": True, "format": "safetensors"}, FILES["safetensors"]),
            ({"safe_serialization": False, "format": "h5"}, "tf_model.h5"),
        ]
        for number, (options, file) in enumerate(cases):
            folder = tmp_path / str(number)
            model.save_pretrained(folder, **options)
            assert (folder / file).is_file(), options
            again = self.cls("base").from_pretrained(str(folder))
            for name, array in self.backend.arrays(model).items():
                np.testing.assert_array_equal(self.backend.arrays(again)[name], array, err_msg=name)
        refused: list[tuple[dict[str, Any], str]] = [
            ({"max_shard_size": "many"}, "'many'.*'500MB'"),
            ({"max_shard_size": "0MB"}, "'0MB'"),
            ({"max_shard_size": -1}, "-1"),
            ({"max_shard_size": True}, "True"),
            ({"max_shard_size": "2KB", "format": "h5"}, "one file"),
            ({"safe_serialization": True, "format": "bin"}, "contradict"),
            ({"safe_serialization": False, "format": "safetensors"}, "contradict"),
            ({"safe_serialization": "no"}, "True or False"),
            ({"format": "onnx"}, "'onnx'"),
        ]
        for options, match in refused:
            with pytest.raises(ValueError, match=match):
                model.save_pretrained(tmp_path / "none", **options)
            assert not (tmp_path / "none").exists() or not list((tmp_path / "none").iterdir()), options

    @once
    def test_a_program_of_2019_finds_the_files_of_2019(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It looks for them by `WEIGHTS_NAME` and `TF2_WEIGHTS_NAME`."""
        model = self.shared("base")
        own = {"torch": WEIGHTS_NAME, "tf": TF2_WEIGHTS_NAME}[self.backend.name]
        cases: list[tuple[str, dict[str, Any], str]] = [
            ("tx_all", {}, own),
            ("tx_all", {"format": "safetensors"}, FILES["safetensors"]),
            ("tx_all", {"safe_serialization": True}, FILES["safetensors"]),
            ("transformers", {}, FILES["safetensors"]),
        ]
        for number, (stands_for_transformers, options, file) in enumerate(cases):
            folder = tmp_path / str(number)
            with monkeypatch.context() as patch:
                patch.setitem(sys.modules, "transformers", ModuleType(stands_for_transformers))
                model.save_pretrained(folder, **options)
            assert [each for each in FILES.values() if (folder / each).is_file()] == [file]
            again = self.cls("base").from_pretrained(str(folder))
            for name, array in self.backend.arrays(model).items():
                np.testing.assert_array_equal(self.backend.arrays(again)[name], array, err_msg=name)

    def test_another_size_than_the_configurations_is_not_saved(self, tmp_path: Path) -> None:
        """Which field it is depends on the architecture; all have a vocabulary."""
        model = self.model("base")
        model.config.vocab_size += 1
        with pytest.raises(ValueError, match=r"cannot be saved.*\n.*has shape.*the configuration asks for"):
            model.save_pretrained(tmp_path / "m")
        assert not (tmp_path / "m").exists()

    # --- loading

    def test_loading_a_single_file(self, tmp_path: Path) -> None:
        weights = self.folder("base") / FILES["safetensors"]
        model = self.cls("base").from_pretrained(str(weights), config=self.spec.make_config())
        inputs = self.spec.inputs("base")
        wanted = self.run(self.shared("base"), inputs)
        for name, value in self.run(model, inputs).items():
            assert_close(value, wanted[name], 1e-7, name)

    @once
    @pytest.mark.parametrize("form", ["safetensors", "h5"])
    def test_shards_that_tensorflow_wrote(self, form: str, tmp_path: Path) -> None:
        """The model's name stands before each name in the index; shards do not have it."""
        import h5py

        whole = {"safetensors": "model.safetensors", "h5": "tf_model.h5"}[form]
        stem, _, suffix = whole.partition(".")
        for task in self.spec.representatives():
            model = self.shared(task)
            model.save_pretrained(tmp_path / f"whole {task}", format="h5")
            with open_checkpoint(tmp_path / f"whole {task}" / "tf_model.h5") as checkpoint:
                arrays = {name.partition("/")[2]: checkpoint.read(name) for name in checkpoint.names()}
            folder = tmp_path / task
            folder.mkdir()
            (folder / "config.json").write_bytes((tmp_path / f"whole {task}" / "config.json").read_bytes())
            where = {}
            for number in range(3):
                path = folder / f"{stem}-{number + 1:05}-of-00003.{suffix}"
                names = [*arrays][number::3]
                shard = {name.partition("/")[2]: arrays[name] for name in names}
                where.update(dict.fromkeys(names, path.name))
                if form == "safetensors":
                    write_safetensors(path, shard, {"format": "tf"})
                    continue
                with h5py.File(path, "w") as file:
                    for name, array in shard.items():
                        file.create_dataset(name, data=array)
                    file.attrs["layer_names"] = sorted(shard)
            (folder / f"{whole}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
            again, report = self.cls(task).from_pretrained(str(folder), output_loading_info=True)
            assert not report["missing_keys"]
            for name, array in self.backend.arrays(model).items():
                np.testing.assert_array_equal(self.backend.arrays(again)[name], array, err_msg=name)

    @once
    @pytest.mark.parametrize("auto", [False, True])
    def test_loading_from_a_hub(self, auto: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Configuration and weights are of one commit, even if the repository is updated between the two."""
        from tx_core import auto as autos

        task, size = "base", self.spec.vocab_size() + 3
        cls: Any = {"torch": autos.AutoModel, "tf": autos.TFAutoModel}[self.backend.name] if auto else self.cls(task)
        folders = self.folder(task), self.folder(task, vocab_size=size)
        older, newer = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders)

        class UpdatedHub(HubServer):
            def arrived(self, request: Request) -> Fault:
                if "config.json" not in request.path and request.host == "hub":
                    self.add("org/model", newer, lfs=weights)
                return super().arrived(request)

        for name in set(os.environ) - set(download_environment(tmp_path)):
            monkeypatch.delenv(name)
        weights = [FILES["safetensors"]]
        with UpdatedHub() as hub:
            hub.add("org/model", older, lfs=weights)
            source: dict[str, Any] = {"endpoint": hub.url, "cache_dir": str(tmp_path)}
            found = cls.from_pretrained("org/model", **source)
            hub.forget()
            again = cls.from_pretrained("org/model", local_files_only=True, **source)
            assert hub.requests == []
            updated = cls.from_pretrained("org/model", **source)
        wanted = self.backend.arrays(self.model(task))
        for model in (found, again):
            arrays = self.backend.arrays(model)
            assert arrays.keys() == wanted.keys()
            for name, array in arrays.items():
                np.testing.assert_array_equal(array, wanted[name], err_msg=name)
        assert updated.config.vocab_size == size

    def test_the_auto_class_of_the_task_takes_the_class_that_wrote_the_file(self, task: str) -> None:
        from tx_core import auto

        if task not in AUTO:
            pytest.skip("does not apply: there is no Auto class for this task")
        cls: Any = getattr(auto, {"torch": "", "tf": "TF"}[self.backend.name] + AUTO[task])
        model, report = cls.from_pretrained(str(self.folder(task)), output_loading_info=True)
        assert type(model) is self.cls(task)
        assert not report["missing_keys"]
        assert not report["unexpected_keys"]

    def test_config_keywords_update_the_configuration(self) -> None:
        model = self.model("base", output_attentions=True)
        assert model.config.output_attentions is True
        head, _ = self.a_head()
        if "classes" in " ".join(self.spec.label_keywords(head).values()):
            assert self.cls(head).from_pretrained(str(self.folder("base")), num_labels=5).config.num_labels == 5
        given = self.spec.make_config(output_hidden_states=True)
        assert self.model("base", config=given).config.output_hidden_states is True
        folder = str(self.folder("base"))
        by_path = self.cls("base").from_pretrained(pretrained_model_name_or_path=folder, config=folder)
        assert by_path.config.to_dict() == self.shared("base").config.to_dict()

    def _with_keys(self, task: str, folder: Path, **values: Any) -> str:
        """A copy of a model's folder whose config.json has other values."""
        shutil.copytree(self.folder(task), folder)
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
        return str(folder)

    def test_the_type_has_another_name(self, tmp_path: Path) -> None:
        folder = self._with_keys("base", tmp_path / "old", torch_dtype="float32")
        half = np.zeros(1, np.float16)
        for given in ("float16", self.backend.tensor(half).dtype):
            model = self.cls("base").from_pretrained(folder, torch_dtype=given)
            assert {array.dtype for array in self.backend.arrays(model).values()} == {half.dtype}
            model.save_pretrained(str(tmp_path / "new"))
        self.cls("base").from_pretrained(folder, dtype="float16", torch_dtype="float16")
        with pytest.raises(ValueError, match="dtype is 'float16' and torch_dtype, its other name, is 'float32'"):
            self.cls("base").from_pretrained(folder, dtype="float16", torch_dtype="float32")

    def test_unknown_keywords_are_refused(self, tmp_path: Path) -> None:
        """Whether the file has a key of that name or not; keys of the file are kept."""
        folder = self._with_keys("base", tmp_path / "folder", gradient_checkpointing=False)
        for config in (None, self.spec.config_class().from_pretrained(folder)):
            for name, nearest in (
                ("gradient_checkpointing", "leave it out"),
                ("attn_implementation", "leave it out"),
                ("output_attention", "did you mean 'output_attentions'"),
                ("torch_dtipe", "did you mean 'torch_dtype'"),
                ("cachedir", "did you mean 'cache_dir'"),
            ):
                with pytest.raises(TypeError, match=f"does not know the keyword '{name}'; {nearest}"):
                    self.cls("base").from_pretrained(folder, config=config, **{name: "x"})
            assert self.cls("base").from_pretrained(folder, config=config).config.gradient_checkpointing is False

    def test_values_that_make_no_model_are_refused(self, tmp_path: Path) -> None:
        """The configuration may be made and written; building and loading the model name what disagrees."""
        config = self.spec.config_class()(hidden_size=37)
        config.save_pretrained(tmp_path)
        with pytest.raises(ValueError, match="is 37, which is not divisible by"):
            self.cls("base")(config)
        with pytest.raises(ValueError, match=r"config\.json: .* is 37, which is not divisible by"):
            self.cls("base").from_pretrained(str(tmp_path))

    def test_a_count_of_classes_beside_default_names(self, tmp_path: Path) -> None:
        head, _ = self.a_head()
        if "classes" not in " ".join(self.spec.label_keywords(head).values()):
            pytest.skip("does not apply: no head with classes")
        names = {"id2label": {"0": "LABEL_0", "1": "LABEL_1"}, "label2id": {"LABEL_0": 0, "LABEL_1": 1}}
        large = self.cls(head).from_pretrained(str(self.folder("base")), num_labels=50)
        large.save_pretrained(str(tmp_path / "large"))
        path = tmp_path / "large" / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "num_labels": 50, **names}))
        model, report = self.cls(head).from_pretrained(str(tmp_path / "large"), output_loading_info=True)
        assert model.config.num_labels == 50
        assert not any(report.values())

    def test_loading_leaves_the_file_alone(self) -> None:
        before = {path.name: path.read_bytes() for path in self.folder("base").iterdir()}
        self.model("base")
        assert {path.name: path.read_bytes() for path in self.folder("base").iterdir()} == before

    def test_names_under_a_common_prefix(self, tmp_path: Path) -> None:
        """As wrappers and training frameworks write them."""

        def add(arrays: dict[str, Array]) -> None:
            for name in list(arrays):
                arrays[f"state_dict.module.{name}"] = arrays.pop(name)
            arrays["optimizer.state.0.exp_avg"] = np.zeros(3, np.float32)

        for task in dict.fromkeys(("base", self.tasks()[-1])):
            folder = edited(self.folder(task), tmp_path / task, add)
            model, report = self.cls(task).from_pretrained(str(folder), output_loading_info=True)
            assert report.prefix == "state_dict.module."
            assert "optimizer.state.0.exp_avg" in report.dropped
            wanted = self.backend.arrays(self.shared(task))
            for name, array in self.backend.arrays(model).items():
                np.testing.assert_array_equal(array, wanted[name], err_msg=name)

    # --- refusals

    def test_missing_folder_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(OSError, match="nothing-here"):
            self.cls("base").from_pretrained(str(tmp_path / "nothing-here"))
        (tmp_path / "config.json").write_text(self.spec.make_config().to_json_string())
        with pytest.raises(OSError, match=r"model\.safetensors"):
            self.cls("base").from_pretrained(str(tmp_path))

    def _refused(self, task: str, folder: Path, *mentioned: str, **changes: Any) -> Any:
        with pytest.raises(ValueError) as caught:
            self.cls(task).from_pretrained(str(folder), **changes)
        for text in (str(folder), *mentioned):
            assert text in str(caught.value), f"{text!r} is not in: {caught.value}"
        return getattr(caught.value, "report", None)

    def test_missing_weight_is_refused(self, tmp_path: Path) -> None:
        source = self.folder("base")
        name = self._a_layer_weight(source)
        folder = edited(source, tmp_path / "m", lambda arrays: arrays.__delitem__(name))
        report = self._refused("base", folder, name)
        assert [self.published("base", n) for n in report["missing_keys"]] == [self.published("base", name)]

    def _a_layer_weight(self, folder: Path) -> str:
        """A matrix of the last layer; no new head could explain that it is missing."""
        names = read_safetensors(folder / FILES["safetensors"])
        last = str(self.spec.layers() - 1)
        return next(n for n, a in sorted(names.items()) if f".{last}." in n and a.ndim == 2)

    def test_unknown_weight_is_refused(self, tmp_path: Path) -> None:
        def add(arrays: dict[str, Array]) -> None:
            arrays["unheard.of.weight"] = np.zeros((2, 2), np.float32)

        report = self._refused("base", edited(self.folder("base"), tmp_path / "m", add), "unheard.of.weight")
        assert list(report["unexpected_keys"]) == ["unheard.of.weight"]

    def test_weight_of_a_wrong_shape_is_refused(self, tmp_path: Path) -> None:
        name = self._a_layer_weight(self.folder("base"))
        shapes = []

        def cut(arrays: dict[str, Array]) -> None:
            shapes.append(arrays[name].shape)
            arrays[name] = arrays[name][:-1]
            shapes.append(arrays[name].shape)

        folder = edited(self.folder("base"), tmp_path / "m", cut)
        report = self._refused("base", folder, name, *map(str, shapes))
        assert [entry[1:] for entry in report["mismatched_keys"]] == [(shapes[1], shapes[0])]

    def test_weight_of_a_wrong_kind_is_refused(self, tmp_path: Path) -> None:
        name = self._a_layer_weight(self.folder("base"))

        def round_off(arrays: dict[str, Array]) -> None:
            arrays[name] = arrays[name].astype(np.int64)

        self._refused("base", edited(self.folder("base"), tmp_path / "m", round_off), name, "int64")

    # --- heads

    def test_new_head_is_initialised_as_a_whole(self, tmp_path: Path) -> None:
        task, prefixes = self.a_head()
        model, report = self.cls(task).from_pretrained(str(self.folder("base")), output_loading_info=True)
        head = {n for n in self.backend.arrays(model) if self.published(task, n).startswith(prefixes)}
        assert head
        assert set(report.newly_initialized) == head
        assert set(report["missing_keys"]) == head
        assert not report["unexpected_keys"]
        assert not report["mismatched_keys"]
        assert not report["error_msgs"]
        whole = self.folder(task)
        dropped = next(n for n in sorted(head) if n.endswith("bias"))
        part = edited(whole, tmp_path / "part", lambda arrays: arrays.__delitem__(dropped))
        self._refused(task, part, dropped)

    def test_another_heads_weights_are_reported(self) -> None:
        task, prefixes = self.a_head()
        _, report = self.cls("base").from_pretrained(str(self.folder(task)), output_loading_info=True)
        assert report.dropped
        assert all(self.published(task, name).startswith(prefixes) for name in report.dropped)
        assert not report["missing_keys"]
        assert not report["unexpected_keys"]
