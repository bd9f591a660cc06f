"""The checks in PyTorch: each runs a model on a device and compares it with the same model on the CPU in float32.

Weights are random, biases and normalisations too, and depend on the parameter's name and shape alone. Models are in
evaluation mode: dropout would draw other numbers on every device.
"""

from __future__ import annotations

import copy
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

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from tx_testing.suites.spec import Array, ModelSpec, leaves

from .cases import Case, Result, difference, difference_of_texts, random_values, spec_of

# A loss is multiplied by this before it goes back in half precision, whose smallest numbers are 6e-8 (float16).
LOSS_SCALE = 2.0**10


def unavailable(device: str) -> str | None:
    """Why there is nothing to run on a device ("cuda", "mps" or "cpu"); None if there is."""
    built = f"torch {torch.__version__}, built for {torch.version.cuda or torch.version.hip or 'no'} CUDA"
    if device == "cuda" and not torch.cuda.is_available():
        return f"no GPU: torch.cuda.is_available() is False ({built})"
    if device == "mps" and not torch.backends.mps.is_available():
        return f"no GPU: torch.backends.mps.is_available() is False (torch {torch.__version__})"
    return None


def describe(device: str) -> dict[str, str]:
    """Versions and the device's name."""
    found = {"torch": torch.__version__, "CPU threads": str(torch.get_num_threads())}
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        found |= {
            "CUDA": str(torch.version.cuda or torch.version.hip),
            "cuDNN": str(torch.backends.cudnn.version()),
            "device": f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, "
            f"compute capability {properties.major}.{properties.minor}, {torch.cuda.device_count()} of them",
        }
    else:
        found["device"] = device
    found["float32 products"] = torch.get_float32_matmul_precision() + ", TF32 off"
    return found


def exact_float32() -> None:
    """Compute products of float32 numbers with all of their 24 bits. TF32 would keep 11, which no CPU does."""
    torch.set_float32_matmul_precision("highest")
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


class Device:
    """A device, and its clock.

    Args:
        name: "cuda", "mps" or "cpu".
        repeats: how often a step is timed.
    """

    def __init__(self, name: str, repeats: int) -> None:
        self.name, self.repeats = name, repeats

    def wait(self) -> None:
        """Return when the device has done what it was given."""
        if self.name == "cuda":
            torch.cuda.synchronize()
        elif self.name == "mps":
            torch.mps.synchronize()

    def once(self, step: Callable[[], Any]) -> float:
        """Milliseconds of a step: on CUDA by its own clock, between events; elsewhere until the device is done."""
        self.wait()
        if self.name == "cuda":
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            step()
            end.record()
            end.synchronize()
            return float(start.elapsed_time(end))
        begin = perf_counter()
        step()
        self.wait()
        return (perf_counter() - begin) * 1e3

    def milliseconds(self, step: Callable[[], Any]) -> float:
        """The median of several steps, after two that warm up."""
        for _ in range(2):
            step()
        return statistics.median(self.once(step) for _ in range(self.repeats))

    @contextmanager
    def peak(self, result: Result) -> Iterator[None]:
        """Note the most memory that is allocated meanwhile."""
        gc.collect()  # models of other checks
        if self.name == "cuda":
            torch.cuda.reset_peak_memory_stats()
        yield
        if self.name == "cuda":
            result.peak_mib = torch.cuda.max_memory_allocated() / 2**20


def randomised(spec: ModelSpec, task: str) -> Any:
    """A model on the CPU with random weights, in evaluation mode."""
    cls = spec.model_class("torch", task)
    model = cls(spec.make_config(**spec.task_config.get(task, {}))).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(random_values(name, tuple(parameter.shape))))
    return model


def moved(model: Any, device: str) -> Any:
    """A copy of a model on a device."""
    return copy.deepcopy(model).to(device)


def arrays(fields: Mapping[str, Any]) -> dict[str, Array]:
    """The tensors of an output in float32, by name; those within tuples by their place."""
    return {name: value.detach().float().cpu().numpy() for name, value in leaves(fields).items()}


def texts(output: Any) -> dict[str, Array]:
    """The arrays of what ``generate`` returned."""
    return {name: x.cpu().numpy() for name, x in output._asdict().items() if isinstance(x, Tensor)}


def gradients(model: nn.Module, scale: float = 1.0) -> dict[str, Array]:
    """The gradients of a loss that was multiplied by ``scale``, by the parameters' names."""
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {name: (grad.float() / scale).cpu().numpy() for name, grad in found.items()}


class Subject:
    """An architecture's models on the CPU and the device, and what the one on the CPU gives.

    Args:
        case: the architecture and its size.
        device: where the other model is.
    """

    def __init__(self, case: Case, device: Device) -> None:
        self.case, self.device = case, device
        self.cpu = Device("cpu", max(1, device.repeats // 4) if device.name != "cpu" else device.repeats)

    @cached_property
    def on_cpu(self) -> Any:
        """The language model."""
        return randomised(self.case.spec, self.case.task)

    @cached_property
    def inputs(self) -> dict[str, Tensor]:
        """A padded batch with labels, on the CPU."""
        return {name: torch.from_numpy(array) for name, array in self.case.inputs().items()}

    def here(self, model: Any) -> Any:
        """A copy of a model on the device."""
        return moved(model, self.device.name)

    def given(self, inputs: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """Inputs on the device, of the batch by default."""
        return {name: x.to(self.device.name) for name, x in (self.inputs if inputs is None else inputs).items()}

    def result(self, check: str) -> Result:
        """An empty line of the table."""
        return Result(self.case.name, check)

    @cached_property
    def wanted(self) -> dict[str, Array]:
        """What the model gives on the CPU, padding computed."""
        with torch.no_grad():
            return arrays(self.on_cpu(**self.inputs, skip_padding=False)._asdict())

    @cached_property
    def wanted_gradients(self) -> dict[str, Array]:
        """The gradients of its mean loss there."""
        return backward(self.on_cpu, self.inputs)


def backward(model: Any, inputs: Mapping[str, Tensor], scale: float = 1.0, **options: Any) -> dict[str, Array]:
    """The gradients of a model's mean loss."""
    step(model, inputs, scale, **options)
    found = gradients(model, scale)
    model.zero_grad(set_to_none=True)
    return found


def step(model: Any, inputs: Mapping[str, Tensor], scale: float = 1.0, **options: Any) -> Any:
    """A forward and a backward pass, as in training; returns the output."""
    model.zero_grad(set_to_none=True)
    output = model(**inputs, **{"skip_padding": False, **options})
    (output.loss.float().mean() * scale).backward()
    return output


@contextmanager
def types_of(model: nn.Module) -> Iterator[set[torch.dtype]]:
    """The floating-point types of what the model's modules give meanwhile."""
    found: set[torch.dtype] = set()

    def note(module: nn.Module, given: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.is_floating_point():
            found.add(output.dtype)

    hooks = [module.register_forward_hook(note) for module in model.modules()]
    yield found
    for hook in hooks:
        hook.remove()


# --- the checks: each gives lines of the table


def placement(subject: Subject) -> Iterator[Result]:
    """Nothing stays behind when a model moves, and what it saves there is what was saved on the CPU, bit for bit."""
    result, device = subject.result("placement"), subject.device.name
    model = subject.here(subject.on_cpu)
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.device.type != device:
            result.fail(f"{name} stayed on {tensor.device}")
    with torch.no_grad():
        output = model(**subject.given(), output_hidden_states=True, output_attentions=True)
    for name, value in leaves(output._asdict()).items():
        if value.device.type != device:
            result.fail(f"the output {name} is on {value.device}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model.save_pretrained(folder / "device")
        subject.on_cpu.save_pretrained(folder / "cpu")
        for file in ("model.safetensors", "config.json"):
            if (folder / "device" / file).read_bytes() != (folder / "cpu" / file).read_bytes():
                result.fail(f"{file} differs when it is saved from {device}")
        again = type(model).from_pretrained(folder / "device", mmap=False)
        there = type(model).from_pretrained(folder / "cpu", device=device)
    for loaded, where in ((again, "cpu"), (there, device)):
        for name, tensor in subject.on_cpu.state_dict().items():
            found = loaded.state_dict()[name]
            if found.device.type != where or not torch.equal(found.cpu(), tensor):
                result.fail(f"{name} is not what was saved, or not on {where}, when it is loaded there")
    yield result


def forward(subject: Subject) -> Iterator[Result]:
    """Loss, scores, hidden states, attentions and what is remembered; the step that is timed has loss and scores."""
    result, tolerance = subject.result("forward"), subject.case.tolerance("float32")
    with subject.device.peak(result), torch.no_grad():
        model, inputs = subject.here(subject.on_cpu), subject.given()
        result.compare(difference(arrays(model(**inputs, skip_padding=False)._asdict()), subject.wanted), tolerance)
    flags = {"output_hidden_states": True, "output_attentions": True, "skip_padding": False}
    with torch.no_grad():
        found, wanted = model(**inputs, **flags), subject.on_cpu(**subject.inputs, **flags)
        result.compare(difference(arrays(found._asdict()), arrays(wanted._asdict())), tolerance)
        result.device_ms = subject.device.milliseconds(lambda: model(**inputs, skip_padding=False))
        result.cpu_ms = subject.cpu.milliseconds(lambda: subject.on_cpu(**subject.inputs, skip_padding=False))
    yield result


def classes(subject: Subject) -> Iterator[Result]:
    """Every class of the architecture, tiny, with labels."""
    spec = spec_of(subject.case.name)
    result, tolerance = subject.result("classes"), Case(subject.case.name, "tiny").tolerance("float32")
    for task, name in spec.class_names().items():
        model = randomised(spec, task)
        inputs = {key: torch.from_numpy(x) for key, x in {**spec.inputs(task), **spec.make_labels(task)}.items()}
        with torch.no_grad():
            found, wanted = subject.here(model)(**subject.given(inputs)), model(**inputs)
        apart = difference(arrays(found._asdict()), arrays(wanted._asdict()))
        result.compare(replace(apart, where=f"{name}, {apart.where}"), tolerance)
    result.notes.append(f"{len(spec.class_names())} classes")
    yield result


def training(subject: Subject) -> Iterator[Result]:
    """The gradient of every parameter; the step that is timed is a forward and a backward pass."""
    result, tolerance = subject.result("backward"), subject.case.tolerance("float32", gradients=True)
    with subject.device.peak(result):
        model, inputs = subject.here(subject.on_cpu), subject.given()
        found = backward(model, inputs)
    result.compare(difference(found, subject.wanted_gradients, gradients=True), tolerance)
    result.device_ms = subject.device.milliseconds(lambda: step(model, inputs))
    result.cpu_ms = subject.cpu.milliseconds(lambda: step(subject.on_cpu, subject.inputs))
    subject.on_cpu.zero_grad(set_to_none=True)
    yield result


def bfloat16(subject: Subject) -> Iterator[Result]:
    """A model whose parameters are bfloat16: what it gives, and gradients."""
    result = subject.result("bf16")
    with subject.device.peak(result):
        model, inputs = subject.here(subject.on_cpu).to(torch.bfloat16), subject.given()
        with types_of(model) as types:
            output = step(model, inputs)
    if torch.bfloat16 not in types:
        result.fail(f"its modules give {types}")
    result.compare(difference(arrays(output._asdict()), subject.wanted), subject.case.tolerance("bfloat16"))
    found, wanted = gradients(model), subject.wanted_gradients
    result.compare(difference(found, wanted, gradients=True), subject.case.tolerance("bfloat16", gradients=True))
    result.device_ms = subject.device.milliseconds(lambda: step(model, inputs))
    yield result


def autocast(subject: Subject) -> Iterator[Result]:
    """A float32 model under autocast to float16, its loss scaled as a GradScaler does."""
    result = subject.result("fp16 autocast")

    def run() -> Any:
        with torch.autocast(subject.device.name, torch.float16):
            return step(model, inputs, LOSS_SCALE)

    with subject.device.peak(result):
        model, inputs = subject.here(subject.on_cpu), subject.given()
        with types_of(model) as types:
            output = run()
    if torch.float16 not in types:
        result.fail(f"its modules give {types}")
    result.compare(difference(arrays(output._asdict()), subject.wanted), subject.case.tolerance("float16"))
    found, wanted = gradients(model, LOSS_SCALE), subject.wanted_gradients
    result.compare(difference(found, wanted, gradients=True), subject.case.tolerance("float16", gradients=True))
    result.device_ms = subject.device.milliseconds(run)
    yield result


def generation(subject: Subject) -> Iterator[Result]:
    """Greedy and beam search as on the CPU, and sampling that a seed repeats."""
    result, spec = subject.result("generate"), subject.case.writer
    if spec is None:
        yield result.skip("its language model generates no text")
        return
    on_cpu = subject.on_cpu if spec == subject.case.spec else randomised(spec, subject.case.task)
    prompts = torch.from_numpy(subject.case.prompts(spec))
    there = prompts.to(subject.device.name)
    new = subject.case.amounts[3]
    options: dict[str, Any] = {"max_new_tokens": new, "output_scores": True}
    with subject.device.peak(result):
        model = subject.here(on_cpu)
        for beams in (1, 3):
            found = model.generate(there, **options, num_beams=beams)
            wanted = on_cpu.generate(prompts, **options, num_beams=beams)
            if found.sequences.device.type != subject.device.name:
                result.fail(f"sequences are on {found.sequences.device}")
            apart, parted = difference_of_texts(texts(found), texts(wanted))
            result.compare(replace(apart, where=f"{apart.where}, {beams} beams"), subject.case.tolerance("float32"))
            if parted:
                result.notes.append(
                    f"{parted} of {len(prompts)} rows part where two tokens are as likely, {beams} beams"
                )
    drawn = [model.generate(there, **options, do_sample=True, seed=seed).sequences for seed in (1, 1, 2)]
    if not torch.equal(drawn[0], drawn[1]) or torch.equal(drawn[0], drawn[2]):
        result.fail("samples do not follow their seed")
    scores = model.generate(there, **options).scores  # 0 after the end of a row
    result.device_ms = subject.device.milliseconds(lambda: model.generate(there, **options)) / scores.shape[1]
    result.cpu_ms = subject.cpu.milliseconds(lambda: on_cpu.generate(prompts, **options)) / scores.shape[1]
    result.tokens_per_second = int((scores != 0).sum()) / scores.shape[1] * 1e3 / result.device_ms
    yield result


def compiled(subject: Subject) -> Iterator[Result]:
    """The model in one graph of torch.compile: what it gives, and gradients. A CPU's graph is run, but not compiled."""
    result, device = subject.result("compile"), subject.device
    backend = "aot_eager" if device.name == "cpu" else "inductor"
    result.notes.append(backend)
    torch._dynamo.reset()
    model, inputs = subject.here(subject.on_cpu), subject.given()
    model.skip_padding = False  # as in a graph, which is for any number of tokens
    graph: Any = torch.compile(model, fullgraph=True, backend=backend)

    def run() -> Any:
        model.zero_grad(set_to_none=True)
        output = graph(**inputs)
        output.loss.float().mean().backward()
        return output

    with device.peak(result):
        result.first_ms = device.once(run)
    output = run()
    result.compare(difference(arrays(output._asdict()), subject.wanted), subject.case.tolerance("float32"))
    found, wanted = gradients(model), subject.wanted_gradients
    result.compare(difference(found, wanted, gradients=True), subject.case.tolerance("float32", gradients=True))
    result.device_ms = device.milliseconds(run)
    torch._dynamo.reset()
    yield result


def packed(subject: Subject) -> Iterator[Result]:
    """Padding skipped: what the model gives for real tokens, and gradients, as with padding computed on the CPU."""
    result = subject.result("packed")
    mask = subject.inputs["attention_mask"].bool()
    seen: list[bool] = []
    with subject.device.peak(result):
        model, inputs = subject.here(subject.on_cpu), subject.given()
        hooks = [
            each.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[:-1] == (int(mask.sum()),)))
            for each in model.modules()
            if isinstance(each, nn.LayerNorm)
        ]
        output = step(model, inputs, skip_padding=True)
    for hook in hooks:
        hook.remove()
    if not any(seen):
        yield result.skip("padding is computed")
        return

    def of_tokens(fields: Mapping[str, Array]) -> dict[str, Array]:
        places = {name: fields[name][mask.numpy()] for name in ("logits",) if name in fields}
        return {"loss": fields["loss"], **places}

    apart = difference(of_tokens(arrays(output._asdict())), of_tokens(subject.wanted))
    result.compare(apart, subject.case.tolerance("float32"))
    found, wanted = gradients(model), subject.wanted_gradients
    result.compare(difference(found, wanted, gradients=True), subject.case.tolerance("float32", gradients=True))
    result.device_ms = subject.device.milliseconds(lambda: step(model, inputs, skip_padding=True))
    result.cpu_ms = subject.cpu.milliseconds(lambda: step(subject.on_cpu, subject.inputs, skip_padding=True))
    subject.on_cpu.zero_grad(set_to_none=True)
    result.notes.append(f"{int(mask.sum())} tokens at {mask.numel()} places")
    yield result


class _Fused(TorchFunctionMode):
    """Counts calls of scaled_dot_product_attention."""

    calls = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += func is F.scaled_dot_product_attention
        return func(*args, **(kwargs or {}))


# Kernel of attention -> the type it is run in: two are for half precision only.
KERNELS = {
    "math": "float32",
    "efficient_attention": "float32",
    "flash_attention": "bfloat16",
    "cudnn_attention": "bfloat16",
}
# What PyTorch says where it has none of these.
NO_KERNEL = ("No available kernel", "No viable backend")


def kernels(subject: Subject) -> Iterator[Result]:
    """Each kernel of scaled_dot_product_attention by itself, for a batch without padding: not all take masks."""
    inputs = {name: x for name, x in subject.inputs.items() if name != "attention_mask"}
    with torch.no_grad(), _Fused() as counted:
        wanted = arrays(subject.on_cpu(**inputs)._asdict())
    if not counted.calls:
        yield subject.result("attention").skip("its attention is not scaled_dot_product_attention")
        return
    for kernel, dtype in KERNELS.items():
        result = subject.result(kernel.partition("_")[0] + " attention")
        model, given = subject.here(subject.on_cpu).to(getattr(torch, dtype)), subject.given(inputs)
        with sdpa_kernel(getattr(SDPBackend, kernel.upper())), torch.no_grad():
            try:
                with subject.device.peak(result):
                    found = arrays(model(**given)._asdict())
            except RuntimeError as error:
                if any(text in str(error) for text in NO_KERNEL):
                    result.skip(f"no such kernel for {dtype} here")
                else:
                    result.fail(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
                yield result
                continue
            result.compare(difference(found, wanted), subject.case.tolerance(dtype))
            result.device_ms = subject.device.milliseconds(partial(model, **given))
        result.notes.append(dtype)
        yield result


def data_parallel(subject: Subject) -> Iterator[Result]:
    """The batch divided between two GPUs."""
    result = subject.result("DataParallel")
    if subject.device.name != "cuda" or torch.cuda.device_count() < 2:
        yield result.skip("needs two GPUs")
        return
    parallel, inputs = nn.DataParallel(subject.here(subject.on_cpu), [0, 1]), subject.given()
    with torch.no_grad():
        output = parallel(**inputs, skip_padding=False)
        # Losses that are one number are those of the parts, one a GPU, and memories have rows first.
        name = "logits" if "logits" in subject.wanted else "loss"
        apart = difference({name: getattr(output, name).cpu().numpy()}, {name: subject.wanted[name]})
        result.compare(apart, subject.case.tolerance("float32"))
        result.device_ms = subject.device.milliseconds(lambda: parallel(**inputs, skip_padding=False))
    yield result


CHECKS: dict[str, Callable[[Subject], Iterator[Result]]] = {
    "placement": placement,
    "forward": forward,
    "classes": classes,
    "backward": training,
    "bf16": bfloat16,
    "fp16 autocast": autocast,
    "generate": generation,
    "compile": compiled,
    "packed": packed,
    "attention": kernels,
    "DataParallel": data_parallel,
}


def make_subject(case: Case, device: str) -> Subject:
    """What the checks are given."""
    exact_float32()
    return Subject(case, Device(device, 3 if device == "cpu" else 20))
