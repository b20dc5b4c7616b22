"""Networks of a checkpoint of either format: a supernet with all its subnets, or one extracted network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from search_space.space import Space
from search_space.subnet import Subnet
from supernet.checkpoints.header import FORMAT, NETWORK_FORMAT, read_header
from supernet.checkpoints.image_input import ImageInput, stored_image_input
from supernet.network.batch_norm import Recorded
from supernet.network.embedding import embedded
from supernet.network.extraction import load_extracted
from supernet.network.supernet import Supernet
from supernet.network.supernet_file import load_checkpoint


@dataclass(frozen=True)
class CheckpointNetworks:
    """Networks of a checkpoint.

    Attributes:
        path: The file.
        supernet: The supernet, or one that contains the extracted network alone; in evaluation mode.
        images: How images are prepared, and the names of the classes.
        network: The extracted network; None for a supernet.
        statistics: Its batch-norm statistics; None for a supernet, whose subnets need a calibration.
    """

    path: Path
    supernet: Supernet
    images: ImageInput
    network: Subnet | None = None
    statistics: Recorded | None = None

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.supernet.space.head.classes

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes; their numbers where the file has none."""
        return self.images.class_names or tuple(map(str, range(self.classes)))

    @property
    def image_space(self) -> Space:
        """The space for `supernet.images.data_sets.open_data`: its largest resolution is the images' side."""
        if self.network is None:
            return self.supernet.space
        return replace(self.supernet.space, resolution=(self.images.size,))


def load_networks(path: Path) -> CheckpointNetworks:
    """Reads a checkpoint of either format.

    Raises:
        CheckpointError: The file is absent, damaged, or neither a supernet nor an extracted network.
    """
    images = stored_image_input(path)
    if read_header(path, (FORMAT, NETWORK_FORMAT))["format"] == FORMAT:
        return CheckpointNetworks(path, load_checkpoint(path).eval(), images)
    network = load_extracted(path)
    supernet, statistics = embedded(network)
    return CheckpointNetworks(path, supernet, images, network.subnet, statistics)
