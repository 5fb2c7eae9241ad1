"""What may differ between two smears of the same cell: pose, focus and stain."""

import math

import torch
from torch.nn import functional


def augment(
    canvas: torch.Tensor,
    side_px: int,
    region: float,
    stain_strength: float,
    generator: torch.Generator,
) -> torch.Tensor:
    """Cut a randomly turned, scaled, shifted and stained view from each canvas.

    ``canvas``: float32 (N, 3, S, S), normalised, S larger than ``side_px``. Returns float32
    (N, 3, side_px, side_px): the central ``region`` of the canvas, give or take, at that size.
    ``stain_strength``: 0 leaves the colours, 1 moves them as far as one laboratory's smears differ.
    All randomness is the generator's, on its device, which must be the canvas's.
    """
    view = _random_view(canvas, side_px, region, generator)
    view = _random_stain(view, stain_strength, generator)
    return _random_sharpness(view, generator)


def _uniform(
    n: int, low: float, high: float, generator: torch.Generator, *shape: int
) -> torch.Tensor:
    return torch.rand(n, *shape, generator=generator, device=generator.device) * (high - low) + low


def _normal(n: int, generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.randn(n, *shape, generator=generator, device=generator.device)


def _random_view(
    canvas: torch.Tensor, side_px: int, region: float, generator: torch.Generator
) -> torch.Tensor:
    n = len(canvas)
    angle = _uniform(n, -math.pi, math.pi, generator)
    zoom = torch.exp(_uniform(n, -0.2, 0.2, generator)) * region
    mirror = torch.where(_uniform(n, 0, 1, generator) < 0.5, -1.0, 1.0)
    shift = _uniform(n, -0.08, 0.08, generator, 2)
    theta = torch.empty(n, 2, 3, device=canvas.device)
    theta[:, 0, 0] = zoom * angle.cos() * mirror
    theta[:, 0, 1] = -zoom * angle.sin()
    theta[:, 1, 0] = zoom * angle.sin() * mirror
    theta[:, 1, 1] = zoom * angle.cos()
    theta[:, :, 2] = shift
    grid = functional.affine_grid(theta, [n, 3, side_px, side_px], align_corners=False)
    return functional.grid_sample(
        canvas, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )


def _random_stain(view: torch.Tensor, strength: float, generator: torch.Generator) -> torch.Tensor:
    """Mix and scale the normalised channels, as another stain batch or lamp would."""
    n = len(view)
    mix = torch.eye(3, device=view.device) + strength * 0.06 * _normal(n, generator, 3, 3)
    contrast = torch.exp(strength * 0.12 * _normal(n, generator, 1, 1))
    offset = 0.15 * _normal(n, generator, 1, 1, 1) + 0.12 * _normal(n, generator, 3, 1, 1)
    mixed = torch.einsum("nij,njhw->nihw", mix * contrast, view)
    return mixed + strength * offset


def _random_sharpness(view: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Blend half of the views with their 3x3 mean, or away from it.

    Towards it: slightly out of focus. Away from it: from a sharper camera, or stored larger.
    """
    strength = _uniform(len(view), -1, 1, generator, 1, 1, 1)
    chosen = _uniform(len(view), 0, 1, generator, 1, 1, 1) < 0.5
    strength = torch.where(chosen, strength, 0.0)
    mean = functional.avg_pool2d(view, 3, stride=1, padding=1, count_include_pad=False)
    return torch.lerp(view, mean, strength)
