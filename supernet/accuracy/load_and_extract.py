"""Supernets and their subnets in Python: load the weights, take out a subnet that is ready to use."""

from __future__ import annotations

from search_space.subnet import Subnet
from supernet.accuracy.one_subnet import prepare, record_statistics
from supernet.checkpoints import locate_checkpoint
from supernet.images.evaluation_pack import CALIBRATED_ON, built_in_pack, load_pack
from supernet.images.labelled_images import Images, check_classes
from supernet.network import extraction
from supernet.network.plain_network import PlainNetwork
from supernet.network.supernet import Supernet
from supernet.network.supernet_file import load_checkpoint


def load_supernet(checkpoint: str) -> Supernet:
    """The supernet of a checkpoint, on the CPU and in evaluation mode.

    Example:
        >>> from supernet import load
        >>> weights = load("cifar32")
        >>> weights.space.name, weights.training
        ('cifar32', False)

    Args:
        checkpoint: Name of a shipped checkpoint, see `known_checkpoints`, or path of a safetensors file.

    Raises:
        H4HError: There is no such checkpoint, or it is damaged.
    """
    return load_checkpoint(locate_checkpoint(checkpoint)).eval()


def extract(supernet: Supernet, subnet: Subnet, images: Images | None = None) -> PlainNetwork:
    """A subnet as a plain `torch.nn.Module` of its own, with copies of its slices of the weights.

    Its batch-norm statistics are recorded on calibration images, as in a search. It is on the supernet's
    device and in evaluation mode, and it does not change with the supernet.

    Example:
        >>> import torch
        >>> from supernet import extract, load
        >>> weights = load("cifar32")
        >>> network = extract(weights, weights.space.decode(weights.space.smallest()))
        >>> side = network.subnet.resolution
        >>> with torch.inference_mode():
        ...     network(torch.zeros(2, 3, side, side)).shape
        torch.Size([2, 10])

    Args:
        supernet: Source of the weights; it does not change.
        subnet: A member of its space.
        images: Training images for the statistics; by default the 512 of CIFAR-10 that are in the repository.

    Raises:
        H4HError: `subnet` is no member of the supernet's space, or `images` is missing although the supernet
            has another number of classes than the images in the repository.
    """
    if images is None:
        pack = load_pack(built_in_pack())
        check_classes(supernet.space, pack.classes)
        images = pack.calibration[:CALIBRATED_ON]
    device = next(supernet.parameters()).device
    supernet.space.encode(subnet)
    calibration = prepare(images, precision="fp32", device=device, scale=supernet.pixel_scale)
    statistics = record_statistics(supernet, subnet, calibration)
    return extraction.extract(supernet, subnet, statistics).eval()
