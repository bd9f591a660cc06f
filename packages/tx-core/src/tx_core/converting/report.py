"""What a conversion did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tx_core.weights.layouts import Shape


@dataclass(frozen=True, repr=False)
class ConversionReport:
    """What a conversion did, by published name.

    Attributes:
        source: the file that was read; of a TensorFlow 1 checkpoint its prefix, of OpenAI GPT's arrays their folder.
        source_format: ``safetensors``, ``torch``, ``keras_h5``, ``tf1`` or ``npy_shards``.
        destination: the file that was written; of a TensorFlow 1 checkpoint its prefix.
        format: that of the file, as it was asked for.
        files: the names of all files that were written beside it, and its own.
        model_type: the architecture.
        class_name: the class that the file is of, without TF; None where several fit, or none has all its heads.
        shapes: name → shape in the published layout, of every parameter that was carried over.
        size: bytes of their values in the new file.
        casts: name → (type in the old file, type in the new one), of those whose type is another.
        supplied: parameters that the authors' file leaves out because they do nothing, and the new one has.
        dropped: names in the old file that are known to be no parameters of their own: buffers, an optimizer's notes,
            second names of tied parameters.
    """

    source: Path
    source_format: str
    destination: Path
    format: str
    files: tuple[str, ...]
    model_type: str
    class_name: str | None
    shapes: Mapping[str, Shape]
    size: int
    casts: Mapping[str, tuple[str, str]]
    supplied: tuple[str, ...]
    dropped: tuple[str, ...]

    def __repr__(self) -> str:
        counts = (
            f"{len(self.shapes)} parameters, {self.size} bytes, {len(self.casts)} casts, {len(self.dropped)} dropped"
        )
        return f"ConversionReport({str(self.source)!r} → {str(self.destination)!r}, {self.format}, {counts})"
