"""Images cut into square patches.

Grid worlds are drawn from a handful of tiles: 256 views of 7x7 tiles hold 12,544 patches, but some 20 distinct ones.
What is the same for every patch is therefore computed once for each distinct patch.
Letters: n images, P patches of an image, U distinct patches, F = patch * patch * channels bytes of a patch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

PATCHES_AT_A_TIME = 256 * 49  # turned into floats: 256 images
PATCHES_PER_SIDE = 7  # MiniGrid's views are 7 tiles wide


@dataclass(frozen=True)
class PatchGrid:
    """How images [n, H, W, channels] are cut; what does not fill a patch is padded with zeros.

    >>> PatchGrid.of((56, 56, 3))
    PatchGrid(shape=(56, 56, 3), side=8, rows=7, columns=7)
    >>> PatchGrid.of((5, 5, 3)).count, PatchGrid.of((84, 84, 3)).side
    (25, 12)
    """

    shape: tuple[int, int, int]  # of an image
    side: int  # pixels of a patch
    rows: int
    columns: int

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> PatchGrid:
        """Patches of about a seventh of the shorter side, at least a pixel."""
        height, width, channels = shape
        side = max(1, round(min(height, width) / PATCHES_PER_SIDE))
        return cls((height, width, channels), side, -(-height // side), -(-width // side))

    @property
    def count(self) -> int:
        """P, patches of an image."""
        return self.rows * self.columns

    @property
    def size(self) -> int:
        """F, bytes of a patch."""
        return self.side * self.side * self.shape[2]

    def cut(self, images: Tensor) -> Tensor:
        """Patches [n * P, F] uint8 of images [n, H, W, channels], row by row."""
        height, width, channels = self.shape
        s, rows, columns = self.side, self.rows, self.columns
        if (rows * s, columns * s) != (height, width):
            images = F.pad(images, (0, 0, 0, columns * s - width, 0, rows * s - height))
        return images.reshape(-1, rows, s, columns, s * channels).transpose(2, 3).reshape(-1, self.size)

    def join(self, patches: Tensor) -> Tensor:
        """Images [n, H, W, channels] from patches [n * P, F]: the inverse of `cut`."""
        height, width, channels = self.shape
        s, rows, columns = self.side, self.rows, self.columns
        cells = patches.view(-1, rows, columns, s, s * channels).transpose(2, 3)
        return cells.reshape(-1, rows * s, columns * s, channels)[:, :height, :width].contiguous()
