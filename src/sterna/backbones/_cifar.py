"""The residual networks for 32-pixel images."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class CifarResNet(nn.Module):
    """A residual network of 6n + 2 layers for images of 32 pixels, with shortcuts that hold no parameters (option A).

    Parameters
    ----------
    n_blocks : int
        Blocks in each of the three stages: 3 gives ResNet-20, 9 gives ResNet-56.
    n_classes : int, default=10
    in_channels : int, default=3

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun (2016), Deep residual learning for image recognition, CVPR, section 4.2.
    """

    def __init__(self, n_blocks: int, n_classes: int = 10, in_channels: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, n_blocks, 1)
        self.layer2 = _stage(16, 32, n_blocks, 2)
        self.layer3 = _stage(32, 64, n_blocks, 2)
        self.linear = nn.Linear(64, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of shape (n, n_classes) for images of shape (n, in_channels, 32, 32)."""
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean(dim=(2, 3)))


class _Block(nn.Module):
    """Two convolutions beside a shortcut that takes every other pixel and pads with channels of zeros."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.stride = stride
        self.n_pad = (n_out - n_in) // 2

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        if self.n_pad:
            x = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.n_pad, self.n_pad))
        return torch.relu(x + y)


def _stage(n_in: int, n_out: int, n_blocks: int, stride: int) -> nn.Sequential:
    return nn.Sequential(_Block(n_in, n_out, stride), *(_Block(n_out, n_out, 1) for _ in range(n_blocks - 1)))


#: Names that `load_backbone` knows, and their blocks per stage.
CIFAR_RESNETS = {f"cifar_resnet{6 * n + 2}": n for n in (3, 5, 7, 9, 18)}
