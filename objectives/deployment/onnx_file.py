"""Float networks as ONNX files."""

from __future__ import annotations

import io
import logging
import warnings
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import torch
from torch import Tensor

from objectives.deployment.litert import RuntimeMissingError
from search_space.arrays import Floats
from supernet.network.plain_network import PlainNetwork

OPSET = 18
"""Version of ONNX's operators, which `onnxruntime` has supported since 1.14."""
PACKAGES = "onnx onnxscript onnxruntime"


def onnx_model(network: PlainNetwork) -> bytes:
    """The file of a network in evaluation mode: from ``images`` (n, 3, s, s) to ``scores`` (n, classes).

    Raises:
        RuntimeMissingError: The packages are not installed.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise RuntimeMissingError(f"an .onnx file needs other packages: pip install {PACKAGES}") from error
    side = network.subnet.resolution
    example = torch.zeros(2, 3, side, side)
    silent = io.StringIO()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), redirect_stdout(silent), redirect_stderr(silent):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            input_names=["images"],
            output_names=["scores"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    model: Any = program.model_proto
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def onnx_scores(content: bytes, images: Tensor) -> Floats:
    """Class scores of a file for normalised images at its resolution, ``(n, classes)``.

    Raises:
        RuntimeMissingError: onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise RuntimeMissingError(
            "checking an .onnx file needs the package onnxruntime: pip install onnxruntime"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {"images": images.numpy()})
    result: Floats = scores.astype("float64")
    return result
