"""Which suites an architecture is tested by."""

from __future__ import annotations

from .base import Suite
from .spec import ModelSpec, load

_PACKAGE = __name__.rpartition(".")[0]

# Kind of tests → name of the test class → suite.
SUITES: dict[str, dict[str, str]] = {
    "none": {
        "TestMirror": f"{_PACKAGE}.mirror:MirrorSuite",
        "TestWeights": f"{_PACKAGE}.weights:WeightTableSuite",
        "TestTokenizer": f"{_PACKAGE}.tokenizer:TokenizerSuite",
    },
    "torch": {
        "TestModel": f"{_PACKAGE}.model_torch:TorchModelSuite",
        "TestPast": f"{_PACKAGE}.past_torch:TorchPastSuite",
        "TestGeneration": f"{_PACKAGE}.generation_torch:TorchGenerationSuite",
        "TestRealWeights": f"{_PACKAGE}.real_weights_torch:TorchRealWeightsSuite",
        "TestConversion": f"{_PACKAGE}.conversion_torch:TorchConversionSuite",
    },
    "tf": {
        "TestModel": f"{_PACKAGE}.model_tf:TFModelSuite",
        "TestPast": f"{_PACKAGE}.past_tf:TFPastSuite",
        "TestGeneration": f"{_PACKAGE}.generation_tf:TFGenerationSuite",
        "TestRealWeights": f"{_PACKAGE}.real_weights_tf:TFRealWeightsSuite",
        "TestConversion": f"{_PACKAGE}.conversion_tf:TFConversionSuite",
    },
    "both": {
        "TestModel": f"{_PACKAGE}.model_both:BothSuite",
        "TestGeneration": f"{_PACKAGE}.generation_both:GenerationBothSuite",
    },
    "reference": {
        "TestModel": f"{_PACKAGE}.model_reference:ReferenceSuite",
        "TestGeneration": f"{_PACKAGE}.generation_reference:GenerationReferenceSuite",
    },
    "inside": {"TestOnnx": f"{_PACKAGE}.onnx_torch:TorchOnnxSuite"},
}

# The same for each variant of the configuration: what has to hold in all of them.
CORE: dict[str, dict[str, str]] = {
    "none": {},
    "torch": {
        "TestModel": f"{_PACKAGE}.model_torch:TorchCoreSuite",
        "TestConversion": f"{_PACKAGE}.conversion_torch:TorchConversionSuite",
    },
    "tf": {"TestModel": f"{_PACKAGE}.model_tf:TFCoreSuite"},
    "both": {"TestModel": f"{_PACKAGE}.model_both:BothCoreSuite"},
    "reference": {"TestModel": f"{_PACKAGE}.model_reference:ReferenceSuite"},
    "inside": {},
}


def suites_of(spec: ModelSpec, kind: str, module: str) -> dict[str, type[Suite]]:
    """Name of the test class → suite that tests ``spec``; ``TestModel_untied`` tests its variant "untied".

    Args:
        spec: the architecture.
        kind: the kind of the suites, which alone are imported.
        module: the name of the module that ``spec`` stands in.

    Raises:
        TypeError: ``spec.overrides`` names a test that there is not.
    """
    wanted = [(name, dotted, spec) for name, dotted in SUITES[kind].items()]
    for variant in spec.variants:
        varied = spec.variant(variant)
        suites = dict(CORE[kind])
        if "generates" in spec.variants[variant]:
            suites |= {name: dotted for name, dotted in SUITES[kind].items() if name == "TestGeneration"}
        wanted += [(f"{name}_{variant}", dotted, varied) for name, dotted in suites.items()]
    found = {}
    for name, dotted, described in wanted:
        suite: type[Suite] = load(dotted)
        if suite.applies(described):
            members = {"__module__": module, "spec": described, "overrides": spec.overrides_of(kind, name)}
            found[name] = type(name, (suite,), members)
    for key in spec.overrides:
        its_kind, name, _ = key.split("::")
        if its_kind == kind and name not in found:
            raise TypeError(f"overrides names {key!r}, but of this kind there are only {', '.join(found)}")
    return found
