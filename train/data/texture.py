"""Texture: what changes a picture's colours and sharpness, and nothing's place. Pictures are batch x 3 x H x W."""

from __future__ import annotations

import torch
from torch.nn import functional

from .draws import Draws

_LUMA = (0.299, 0.587, 0.114)


def random_texture(picture: torch.Tensor, draws: Draws) -> torch.Tensor:
    """Hue, lightness, saturation; colour, brightness, contrast, sharpness as in Pillow's ImageEnhance; blur; noise.

    `picture` is batch x 3 x H x W, 0..255.
    """
    if draws.changes_hls:
        picture = scale_hls(picture / 255, draws.hls) * 255
    colour, brightness, contrast, sharpness = (
        factor.view(-1, 1, 1, 1) for factor in (draws.colour, draws.brightness, draws.contrast, draws.sharpness)
    )
    picture = _blend(_grey(picture), picture, colour)
    picture = (picture * brightness).clamp(0, 255)
    picture = _blend(_grey(picture).mean((2, 3), keepdim=True), picture, contrast)
    around = functional.avg_pool2d(functional.pad(picture, (1, 1, 1, 1), "replicate"), 3, 1)
    smooth = (9 * around + 4 * picture) / 13  # Pillow's SMOOTH: 1 all around, 5 in the middle
    picture = _blend(smooth, picture, sharpness)
    deviation = 0.3 * ((draws.blur - 1) * 0.5 - 1) + 0.8  # OpenCV's, of a kernel of this size
    if draws.box_blur:
        deviation = torch.full_like(deviation, float("inf"))
    picture = blur(picture, gaussian(deviation, 2 * draws.blur_reach + 1, draws.blur))
    return (picture + draws.noise.view(-1, 1, 1, 1) * _noise(picture, draws)).clamp(0, 255)


def scale_hls(rgb: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """RGB of 0..1, its hue (0..1, round), lightness and saturation multiplied by `factors` (batch x 3).

    Written out: torchvision shifts hues instead of scaling them, and has no lightness.
    """
    highest, which = rgb.max(1)
    lowest = rgb.amin(1)
    chroma = highest - lowest
    red, green, blue = rgb.unbind(1)
    sector = torch.stack([(green - blue), (blue - red), (red - green)], 1).gather(1, which[:, None])[:, 0]
    hue = (sector / chroma.clamp(min=1e-6) + 2 * which) / 6 % 1
    lightness = (highest + lowest) / 2
    saturation = chroma / (1 - (2 * lightness - 1).abs()).clamp(min=1e-6)
    by_hue, by_lightness, by_saturation = (factor.view(-1, 1, 1) for factor in factors.unbind(1))
    hue = hue * by_hue % 1
    lightness, saturation = (lightness * by_lightness).clamp(0, 1), (saturation * by_saturation).clamp(0, 1)
    amplitude = saturation * torch.minimum(lightness, 1 - lightness)
    steps = [(offset + hue * 12) % 12 for offset in (0, 8, 4)]
    return torch.stack([lightness - amplitude * torch.minimum(k - 3, 9 - k).clamp(-1, 1) for k in steps], 1)


def gaussian(deviation: torch.Tensor, size: int, kernel: torch.Tensor | None = None) -> torch.Tensor:
    """Normalised kernels, batch x size; `kernel` cuts each to so many taps (0: no blur)."""
    offset = torch.arange(size, device=deviation.device) - size // 2
    taps = torch.exp(-0.5 * (offset / deviation[:, None]) ** 2)
    if kernel is not None:
        taps = torch.where(offset.abs() <= (kernel[:, None] - 1).clamp(min=0) // 2, taps, torch.zeros_like(taps))
    return taps / taps.sum(1, keepdim=True)


def blur(picture: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """Each picture blurred by its own kernel, along columns and rows. Sums of shifts: convolutions in as many
    groups as there are pictures are far slower."""
    for axis in (2, 3):
        reach = kernels.shape[1] // 2
        padded = functional.pad(picture, (0, 0, reach, reach) if axis == 2 else (reach, reach, 0, 0), "replicate")
        length = picture.shape[axis]
        picture = torch.zeros_like(picture)
        for tap, weight in enumerate(kernels.unbind(1)):
            picture += padded.narrow(axis, tap, length) * weight.view(-1, 1, 1, 1)
    return picture


def _grey(picture: torch.Tensor) -> torch.Tensor:
    return (picture * picture.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


def _blend(base: torch.Tensor, picture: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    return (base + factor * (picture - base)).clamp(0, 255)


def _noise(picture: torch.Tensor, draws: Draws) -> torch.Tensor:
    """This share's part of the whole batch's noise, so that any number of processes sees the same."""
    generator = torch.Generator(picture.device).manual_seed(draws.noise_seed)
    whole = torch.randn(draws.batch, *picture.shape[1:], generator=generator, device=picture.device)
    return whole[draws.first : draws.first + len(picture)]
