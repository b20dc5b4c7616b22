"""TensorFlow Lite files run by LiteRT, Google's runtime."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from search_space.arrays import Floats
from search_space.errors import H4HError

PACKAGE = "ai-edge-litert"


class RuntimeMissingError(H4HError):
    """A runtime that checks exported files is not installed."""


def litert_scores(content: bytes, images: npt.NDArray[np.int8], *, delegates: bool = False) -> Floats:
    """Class scores of a file, ``(n, classes)``.

    Args:
        content: The file, of a network that takes one image.
        images: ``(n, s, s, 3)``, on the grid of its input.
        delegates: Whether delegates for this machine's CPU compute, instead of the runtime's own kernels,
            which round as those of microcontrollers do.

    Raises:
        RuntimeMissingError: LiteRT is not installed.
    """
    interpreter = _interpreter(content, delegates=delegates)
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero_point = result["quantization"]
    rows = []
    for image in images:
        interpreter.set_tensor(source["index"], image[None])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(result["index"])[0])
    stored = np.array(rows, dtype=np.float64)
    return (stored - float(zero_point)) * float(scale)


def litert_tensors(
    content: bytes, images: npt.NDArray[np.int8], tensors: Sequence[int]
) -> Iterator[list[npt.NDArray[np.int8]]]:
    """For each image of ``(n, s, s, 3)`` the stored values of some tensors of a file, by their indices.

    Raises:
        RuntimeMissingError: LiteRT is not installed.
    """
    interpreter = _interpreter(content, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    (source,) = interpreter.get_input_details()
    for image in images:
        interpreter.set_tensor(source["index"], image[None])
        interpreter.invoke()
        yield [np.array(interpreter.get_tensor(index)) for index in tensors]


def _interpreter(content: bytes, *, delegates: bool = False, **options: Any) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ImportError as error:
        raise RuntimeMissingError(
            f"checking a .tflite file needs the package {PACKAGE}: pip install {PACKAGE}"
        ) from error
    kind = OpResolverType.AUTO if delegates else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    return Interpreter(model_content=content, num_threads=1, experimental_op_resolver_type=kind, **options)
