from __future__ import annotations

import pytest
import torch

from objectives.workers.packed_objective import pack

LAST = torch.channels_last


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(6.0).reshape(2, 3),
        torch.arange(6.0).reshape(2, 3).T,
        torch.randn(2, 3, 4, 5).contiguous(memory_format=LAST),
        torch.randn(2, 3, 1, 1).contiguous(memory_format=LAST),
        torch.randn(7, 3).to(torch.bfloat16)[1:, :2],
        torch.tensor([True, False, True]),
        torch.tensor(3, dtype=torch.int64),
        torch.zeros(0, 4),
        torch.randn(1, 3).expand(2, 3),
    ],
)
def test_tensors_arrive_as_they_were(tensor: torch.Tensor) -> None:
    parcel, pieces = pack({"first": torch.ones(3, dtype=torch.uint8), "it": tensor})
    block = bytearray(b"".join(pieces))
    found = parcel.unpack(block)["it"]
    assert torch.equal(found, tensor)
    assert found.dtype == tensor.dtype
    for memory_format in (torch.contiguous_format, *([LAST] if tensor.dim() == 4 else [])):
        expected = tensor.is_contiguous(memory_format=memory_format)
        assert found.is_contiguous(memory_format=memory_format) >= expected


def test_modules_keep_parameters_and_share_the_block() -> None:
    layer = torch.nn.Conv2d(3, 4, 3)
    parcel, pieces = pack((layer, "text", 5))
    block = bytearray(b"".join(pieces))
    found, *rest = parcel.unpack(block)
    assert rest == ["text", 5]
    assert dict(found.named_parameters()).keys() == {"weight", "bias"}
    x = torch.randn(1, 3, 8, 8)
    assert torch.equal(found(x), layer(x))
    assert len(parcel.content) < 2000  # No weights in it.
    block[:4] = bytes(4)
    assert found.weight.flatten()[0] == 0  # A view of the block, not a copy.


def test_what_holds_no_tensor_needs_no_block() -> None:
    parcel, pieces = pack({"a": [1, 2]})
    assert list(pieces) == []
    assert parcel.unpack(bytearray()) == {"a": [1, 2]}
