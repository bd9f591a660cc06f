"""The checks in TensorFlow: as those in PyTorch, of the Keras twins."""

from __future__ import annotations

import gc
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from time import perf_counter
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tx_core.models.variables_tf import Parameter, named_parameters
from tx_testing.suites.spec import Array, ModelSpec, leaves

from .cases import Case, Result, difference, difference_of_texts, random_values, spec_of

# A loss is multiplied by this before it goes back in half precision, whose smallest numbers are 6e-8 (float16).
LOSS_SCALE = 2.0**10


def unavailable(device: str) -> str | None:
    """Why there is nothing to run on a device ("cuda", "mps" or "cpu"); None if there is."""
    if device != "cpu" and not tf.config.list_physical_devices("GPU"):
        built = "with" if tf.test.is_built_with_cuda() else "without"
        return f"no GPU: TensorFlow {tf.__version__}, built {built} CUDA, sees none"
    return None


def describe(device: str) -> dict[str, str]:
    """Versions and the device's name."""
    found = {"TensorFlow": tf.__version__, "Keras": f"{keras.__version__}, on {keras.backend.backend()}"}
    if device == "cpu":
        found["device"] = device
    else:
        gpus = tf.config.list_physical_devices("GPU")
        details = tf.config.experimental.get_device_details(gpus[0])
        found["CUDA"] = str(tf.sysconfig.get_build_info().get("cuda_version"))
        found["device"] = f"{details.get('device_name')}, {len(gpus)} of them"
    found["float32 products"] = "TF32 off"
    return found


class Device:
    """A device, and its clock.

    Args:
        name: "cuda", "mps" or "cpu".
        repeats: how often a step is timed.
    """

    def __init__(self, name: str, repeats: int) -> None:
        self.name, self.repeats = name, repeats
        self.place = "CPU:0" if name == "cpu" else "GPU:0"

    def scope(self) -> Any:
        """Where what is made within is put."""
        return tf.device(f"/{self.place}")

    def once(self, step: Callable[[], Any]) -> float:
        """Milliseconds of a step, until the device is done."""
        with self.scope():
            tf.test.experimental.sync_devices()
            begin = perf_counter()
            step()
            tf.test.experimental.sync_devices()
            return (perf_counter() - begin) * 1e3

    def milliseconds(self, step: Callable[[], Any]) -> float:
        """The median of several steps, after two that warm up."""
        for _ in range(2):
            self.once(step)
        return statistics.median(self.once(step) for _ in range(self.repeats))

    @contextmanager
    def peak(self, result: Result) -> Iterator[None]:
        """Note the most memory that is allocated meanwhile, in the device's scope."""
        gc.collect()  # models of other checks
        if self.name == "cuda":
            tf.config.experimental.reset_memory_stats(self.place)
        with self.scope():
            yield
        if self.name == "cuda":
            result.peak_mib = tf.config.experimental.get_memory_info(self.place)["peak"] / 2**20


def parameters(model: Any) -> dict[str, Parameter]:
    """The parameters by their published names, tied ones once."""
    unique: dict[int, Parameter] = {}
    for parameter in named_parameters(model):
        unique.setdefault(id(parameter.variable), parameter)
    return {parameter.name: parameter for parameter in unique.values()}


def arrays(fields: Mapping[str, Any]) -> dict[str, Array]:
    """The tensors of an output in float32, by name; those within tuples by their place."""
    return {name: tf.cast(value, tf.float32).numpy() for name, value in leaves(fields).items()}


def texts(output: Any) -> dict[str, Array]:
    """The arrays of what ``generate`` returned."""
    return {name: np.asarray(x) for name, x in output._asdict().items() if x is not None and name != "stop_reasons"}


def moved(model: Any, device: Device, dtype: str = "float32") -> Any:
    """A copy of a model on a device, of a type of numbers or a policy."""
    with device.scope():
        copied = type(model)(type(model.config).from_dict(model.config.to_dict()), dtype=dtype)
        values = parameters(model)
        for name, parameter in parameters(copied).items():
            parameter.assign(values[name].read())
    return copied


def gradients_of(model: Any, inputs: Mapping[str, Any], scale: float = 1.0) -> tuple[Any, list[Any]]:
    """A forward and a backward pass; returns the output, and the gradients of the parameters in their order."""
    with tf.GradientTape() as tape:
        output = model(inputs)
        loss = tf.reduce_mean(tf.cast(output.loss, tf.float32)) * scale
    variables = [parameter.variable.value for parameter in parameters(model).values()]
    found = tape.gradient(loss, variables)
    return output, [None if each is None else tf.cast(tf.convert_to_tensor(each), tf.float32) / scale for each in found]


class Subject:
    """An architecture's models on the CPU and the device, and what the one on the CPU gives.

    Args:
        case: the architecture and its size.
        device: where the other model is.
    """

    def __init__(self, case: Case, device: Device) -> None:
        self.case, self.device = case, device
        self.cpu = Device("cpu", max(1, device.repeats // 4) if device.name != "cpu" else device.repeats)

    def randomised(self, spec: ModelSpec, task: str) -> Any:
        """A model on the CPU with random weights."""
        with self.cpu.scope():
            cls = spec.model_class("tf", task)
            model = cls(spec.make_config(**spec.task_config.get(task, {})), dtype="float32")
            for name, parameter in parameters(model).items():
                parameter.assign(random_values(name, parameter.shape))
        return model

    @cached_property
    def on_cpu(self) -> Any:
        """The language model."""
        return self.randomised(self.case.spec, self.case.task)

    def here(self, model: Any, dtype: str = "float32") -> Any:
        """A copy of a model on the device."""
        return moved(model, self.device, dtype)

    def given(self, device: Device, inputs: Mapping[str, Array] | None = None) -> dict[str, Any]:
        """Inputs on a device, of a padded batch with labels by default."""
        with device.scope():
            given = self.case.inputs() if inputs is None else inputs
            return {name: tf.constant(array) for name, array in given.items()}

    def result(self, check: str) -> Result:
        """An empty line of the table."""
        return Result(self.case.name, check)

    def named(self, model: Any, gradients: list[Any]) -> dict[str, Array]:
        """Gradients by the parameters' names."""
        found = zip(parameters(model), gradients, strict=True)
        return {name: gradient.numpy() for name, gradient in found if gradient is not None}

    @cached_property
    def wanted(self) -> tuple[dict[str, Array], dict[str, Array]]:
        """What the model gives on the CPU, and the gradients of its mean loss."""
        with self.cpu.scope():
            output, gradients = gradients_of(self.on_cpu, self.given(self.cpu))
        return arrays(output._asdict()), self.named(self.on_cpu, gradients)

    def compare(self, result: Result, model: Any, found: tuple[Any, list[Any]], dtype: str) -> None:
        """Compare an output and gradients with the CPU's."""
        output, gradients = self.wanted
        result.compare(difference(arrays(found[0]._asdict()), output), self.case.tolerance(dtype))
        apart = difference(self.named(model, found[1]), gradients, gradients=True)
        result.compare(apart, self.case.tolerance(dtype, gradients=True))


# --- the checks: each gives lines of the table


def placement(subject: Subject) -> Iterator[Result]:
    """All is on the device, and what a model saves there is what was saved on the CPU, bit for bit."""
    result, place = subject.result("placement"), subject.device.place
    model = subject.here(subject.on_cpu)
    for name, parameter in parameters(model).items():
        if place not in parameter.variable.value.device:
            result.fail(f"{name} is on {parameter.variable.value.device}")
    with subject.device.scope():
        output = model(subject.given(subject.device), output_hidden_states=True)
    for name, value in leaves(output._asdict()).items():
        if place not in value.device:
            result.fail(f"the output {name} is on {value.device}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model.save_pretrained(folder / "device")
        subject.on_cpu.save_pretrained(folder / "cpu")
        for file in ("model.safetensors", "config.json"):
            if (folder / "device" / file).read_bytes() != (folder / "cpu" / file).read_bytes():
                result.fail(f"{file} differs when it is saved from {place}")
        with subject.cpu.scope():
            again = parameters(type(model).from_pretrained(folder / "device"))
    for name, parameter in parameters(subject.on_cpu).items():
        if "CPU" not in again[name].variable.value.device or not np.array_equal(again[name].read(), parameter.read()):
            result.fail(f"{name} is not what was saved, or not on the CPU, when it is loaded there")
    yield result


def forward(subject: Subject) -> Iterator[Result]:
    """Loss, scores, hidden states, attentions and what is remembered, operation by operation."""
    result, tolerance = subject.result("forward"), subject.case.tolerance("float32")
    flags = {"output_hidden_states": True, "output_attentions": True}
    on_cpu, its_inputs = subject.on_cpu, subject.given(subject.cpu)
    with subject.device.peak(result):
        model, inputs = subject.here(on_cpu), subject.given(subject.device)
        found = arrays(model(inputs, **flags)._asdict())
    with subject.cpu.scope():
        result.compare(difference(found, arrays(on_cpu(its_inputs, **flags)._asdict())), tolerance)
    result.device_ms = subject.device.milliseconds(lambda: model(inputs))
    result.cpu_ms = subject.cpu.milliseconds(lambda: on_cpu(its_inputs))
    yield result


def classes(subject: Subject) -> Iterator[Result]:
    """Every class of the architecture, tiny, with labels."""
    spec = spec_of(subject.case.name)
    result, tolerance = subject.result("classes"), Case(subject.case.name, "tiny").tolerance("float32")
    for task, name in spec.class_names().items():
        model, inputs = subject.randomised(spec, task), {**spec.inputs(task), **spec.make_labels(task)}
        with subject.device.scope():
            found = arrays(subject.here(model)(subject.given(subject.device, inputs))._asdict())
        with subject.cpu.scope():
            wanted = arrays(model(subject.given(subject.cpu, inputs))._asdict())
        apart = difference(found, wanted)
        result.compare(replace(apart, where=f"TF{name}, {apart.where}"), tolerance)
    result.notes.append(f"{len(spec.class_names())} classes")
    yield result


def training(subject: Subject) -> Iterator[Result]:
    """The gradient of every parameter; the step that is timed is a forward and a backward pass."""
    result = subject.result("backward")
    its_inputs = subject.given(subject.cpu)
    with subject.device.peak(result):
        model, inputs = subject.here(subject.on_cpu), subject.given(subject.device)
        found = gradients_of(model, inputs)
    subject.compare(result, model, found, "float32")
    result.device_ms = subject.device.milliseconds(lambda: gradients_of(model, inputs))
    result.cpu_ms = subject.cpu.milliseconds(lambda: gradients_of(subject.on_cpu, its_inputs))
    yield result


def halves(subject: Subject, policy: str, dtype: str, scale: float) -> Result:
    """A model of a type or policy of half precision, its loss scaled."""
    result = subject.result(policy)
    with subject.device.peak(result):
        model, inputs = subject.here(subject.on_cpu, policy), subject.given(subject.device)
        found = gradients_of(model, inputs, scale)
        states = model(inputs, output_hidden_states=True).hidden_states
    if {state.dtype.name for state in states} != {dtype}:
        result.fail(f"hidden states are {sorted({state.dtype.name for state in states})}")
    subject.compare(result, model, found, dtype)
    result.device_ms = subject.device.milliseconds(lambda: gradients_of(model, inputs, scale))
    return result


def bfloat16(subject: Subject) -> Iterator[Result]:
    """A model whose variables are bfloat16."""
    yield halves(subject, "bfloat16", "bfloat16", 1.0)


def mixed_float16(subject: Subject) -> Iterator[Result]:
    """A model whose variables are float32, and which computes in float16."""
    yield halves(subject, "mixed_float16", "float16", LOSS_SCALE)


def graphs(subject: Subject) -> Iterator[Result]:
    """Forward and backward pass in a graph, and compiled by XLA."""
    for title, jit in (("tf.function", False), ("XLA", True)):
        result = subject.result(title)
        with subject.device.peak(result):
            model, inputs = subject.here(subject.on_cpu), subject.given(subject.device)
            run = partial(tf.function(gradients_of, jit_compile=jit, autograph=False), model, inputs)
            result.first_ms = subject.device.once(run)
            found = run()
        subject.compare(result, model, found, "float32")
        result.device_ms = subject.device.milliseconds(run)
        yield result


def generation(subject: Subject) -> Iterator[Result]:
    """Greedy search compiled by XLA, and beam search, as on the CPU uncompiled, and sampling that a seed repeats."""
    result, spec = subject.result("generate"), subject.case.writer
    if spec is None:
        yield result.skip("its language model generates no text")
        return
    on_cpu = subject.on_cpu if spec == subject.case.spec else subject.randomised(spec, subject.case.task)
    prompts = subject.case.prompts(spec)
    options: dict[str, Any] = {"max_new_tokens": subject.case.amounts[3], "output_scores": True}
    with subject.device.peak(result):
        model = subject.here(on_cpu)
        found = {beams: texts(model.generate(prompts, **options, num_beams=beams)) for beams in (1, 3)}
        drawn = [
            np.asarray(model.generate(prompts, **options, do_sample=True, seed=seed).sequences) for seed in (1, 1, 2)
        ]
    for beams, each in found.items():
        with subject.cpu.scope():
            wanted = texts(on_cpu.generate(prompts, **options, num_beams=beams, jit_compile=False))
        apart, parted = difference_of_texts(each, wanted)
        result.compare(replace(apart, where=f"{apart.where}, {beams} beams"), subject.case.tolerance("float32"))
        if parted:
            result.notes.append(f"{parted} of {len(prompts)} rows part where two tokens are as likely, {beams} beams")
    if not np.array_equal(drawn[0], drawn[1]) or np.array_equal(drawn[0], drawn[2]):
        result.fail("samples do not follow their seed")
    scores = found[1]["scores"]  # 0 after the end of a row
    result.device_ms = subject.device.milliseconds(lambda: model.generate(prompts, **options)) / scores.shape[1]
    result.cpu_ms = subject.cpu.milliseconds(lambda: on_cpu.generate(prompts, **options)) / scores.shape[1]
    result.tokens_per_second = int((scores != 0).sum()) / scores.shape[1] * 1e3 / result.device_ms
    yield result


CHECKS: dict[str, Callable[[Subject], Iterator[Result]]] = {
    "placement": placement,
    "forward": forward,
    "classes": classes,
    "backward": training,
    "bfloat16": bfloat16,
    "mixed_float16": mixed_float16,
    "graphs": graphs,
    "generate": generation,
}


def make_subject(case: Case, device: str) -> Subject:
    """What the checks are given. Products of float32 numbers keep all of their 24 bits, not the 11 of TF32."""
    tf.config.experimental.enable_tensor_float_32_execution(False)
    return Subject(case, Device(device, 3 if device == "cpu" else 20))
