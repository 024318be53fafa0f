"""The paper's augmentation, with cut-and-paste and upper-body crops, for whole batches on the training device.

All positions are in pixels from the top left corner of the first pixel. Pictures are float batch x 3 x H x W of
0..255, labels uint8 batch x H x W.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional

from ...runtime.geometry import GEOMETRIES, LETTERBOX, PAD_VALUE
from ...runtime.metrics import IGNORE
from .draws import Canvases, Draws, RawBatch

_LUMA = (0.299, 0.587, 0.114)


class Batch(NamedTuple):
    """What a network is trained on: uint8 batch x 3 x H x W pictures, uint8 batch x H x W labels and boundary.

    `original` has the geometry of `augmented`, but its own colours.
    """

    augmented: torch.Tensor
    original: torch.Tensor
    labels: torch.Tensor
    edge: torch.Tensor
    names: list[str]


def make_batch(raw: RawBatch, size: tuple[int, int], geometry: str = LETTERBOX) -> Batch:
    """The batch of a step, on the device where `raw` is; `size` is the network's (height, width)."""
    augmented, original, labels = augment(raw.canvases, raw.draws, size, geometry)
    return Batch(augmented.to(torch.uint8), original.to(torch.uint8), labels, edge_of(labels), raw.names)


def augment(
    canvases: Canvases, draws: Draws, size: tuple[int, int], geometry: str = LETTERBOX
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Canvases -> (augmented, original, labels) of `size` (height, width), which pictures fill as `geometry` says.

    `original` has the geometry and `augmented` also the texture changes; both hold whole numbers, as bytes would.
    """
    view = upper_body(canvases.masks, canvases.rects, draws)
    picture, labels, inside = warp(canvases, view, draws, size, geometry)
    if len(canvases.paste_into):
        picture, labels = paste(picture, labels, inside, canvases, draws)
    original = picture.round()
    return random_texture(original, draws).round(), original, labels


def upper_body(masks: torch.Tensor, rects: torch.Tensor, draws: Draws) -> torch.Tensor:
    """What to look at: batch x 4 (top, left, bottom, right), the whole picture or a person's head and upper body.

    `rects` are the pictures on their canvases, as (top, left, height, width). The crop is cut by its lower edge.
    """
    top, left, height, width = rects.float().unbind(1)
    bottom, right = top + height, left + width
    whole = torch.stack([top, left, bottom, right], 1)
    person = masks == 1
    first, last = _extent(person.any(2))
    length = last - first + 1
    ends, tall, wide, off = draws.crop.unbind(1)
    end = first + (length * (0.22 + 0.38 * ends)).clamp(min=24)
    start = torch.maximum(top, end - (end - first) * (1.05 + 0.45 * tall))
    rows = torch.arange(masks.shape[1], device=masks.device)
    upper = person & ((rows >= first[:, None]) & (rows < end[:, None]))[:, :, None]
    near, far = _extent(upper.any(1))
    centre = (near + far + 1) / 2 + 0.1 * off * (far - near + 1)
    half = (end - start) * (0.75 + 0.95 * wide) / 2
    crop = torch.stack(
        [start, torch.maximum(left, centre - half), torch.minimum(bottom, end), torch.minimum(right, centre + half)], 1
    )
    # A person of a few rows has no upper body to speak of.
    usable = draws.upper_body & (length >= 32) & (crop[:, 3] - crop[:, 1] >= 16)
    return torch.where(usable[:, None], crop, whole)


def warp(
    canvases: Canvases, view: torch.Tensor, draws: Draws, size: tuple[int, int], geometry: str = LETTERBOX
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Lay each `view` into `size` by `geometry`; zoom, turn, shift and flip it there, in one resampling.

    Returns the pictures (PAD_VALUE outside the view), their labels (background outside), and where the view is.
    """
    (height, width), count = size, len(view)
    rows, columns = _pixel_centres(size, view.device)
    top, left, bottom, right = (side.view(-1, 1, 1) for side in view.unbind(1))
    tall, wide = height / (bottom - top), width / (right - left)
    limit = GEOMETRIES[geometry]
    tall, wide = torch.minimum(tall, limit * wide), torch.minimum(wide, limit * tall)

    x = torch.where(draws.flip.view(-1, 1, 1), width - columns, columns.expand(count, height, width))
    shift = draws.shift.view(-1, 2, 1, 1)
    zoom = draws.zoom.view(-1, 1, 1)
    x = (x - width / 2 - width * shift[:, 0]) / (wide * zoom)
    y = (rows - height / 2 - height * shift[:, 1]) / (tall * zoom)
    cosine, sine = (f(draws.angle).view(-1, 1, 1) for f in (torch.cos, torch.sin))
    source_x = cosine * x + sine * y + (left + right) / 2
    source_y = cosine * y - sine * x + (top + bottom) / 2
    inside = (source_x >= left) & (source_x < right) & (source_y >= top) & (source_y < bottom)

    picture = _sample(canvases.images, source_x, source_y)
    picture = torch.where(inside[:, None], picture, torch.full_like(picture, PAD_VALUE))
    nearest = _grid(source_x, source_y, canvases.masks.shape[1:])
    labels = functional.grid_sample(canvases.masks[:, None].float(), nearest, "nearest", "border", False)[:, 0]
    return picture, torch.where(inside, labels, torch.zeros_like(labels)).to(torch.uint8), inside


def paste(
    picture: torch.Tensor, labels: torch.Tensor, inside: torch.Tensor, canvases: Canvases, draws: Draws
) -> tuple[torch.Tensor, torch.Tensor]:
    """Lay the people of `canvases.paste_into` on patches of the background canvases that show nobody.

    Soft outline, partly matched colour. A picture keeps its background where no free patch was found.
    """
    chosen = canvases.paste_into
    patches, found = background_patches(canvases.background_masks, canvases.background_rects, draws.patch[chosen])
    found &= (labels[chosen] == 1).flatten(1).any(1)
    rows, columns = _pixel_centres(picture.shape[2:], picture.device)
    top, left, bottom, right = (side.view(-1, 1, 1) for side in patches.unbind(1))
    x = columns / picture.shape[3]
    x = torch.where(draws.mirror[chosen].view(-1, 1, 1), 1 - x, x.expand(len(chosen), *picture.shape[2:]))
    source_x = left + x * (right - left)
    source_y = top + (rows / picture.shape[2] * (bottom - top)).expand_as(source_x)
    scene = _sample(canvases.background_images, source_x, source_y)

    before, person = picture[chosen], (labels[chosen] == 1).float()[:, None]
    alpha = _blur(person, _gaussian(draws.softness[chosen], 5))
    own = (before * person).sum((2, 3)) / person.sum((2, 3)).clamp(min=1)
    shift = draws.match[chosen, None] * (scene.mean((2, 3)) - own)
    mixed = ((before + shift[:, :, None, None]) * alpha + scene * (1 - alpha)).clamp(0, 255)
    mixed = torch.where(inside[chosen][:, None] & found.view(-1, 1, 1, 1), mixed, before)
    only_person = torch.where(found.view(-1, 1, 1), person[:, 0].to(labels.dtype), labels[chosen])
    return picture.index_copy(0, chosen, mixed), labels.index_copy(0, chosen, only_person)


def background_patches(
    masks: torch.Tensor, rects: torch.Tensor, uniforms: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The first of some random rectangles of each picture that shows no foreground, and whether there is one.

    A patch is at least a quarter of the picture's shorter side. `uniforms` is batch x tries x 4.
    """
    top, left, height, width = (side[:, None] for side in rects.float().unbind(1))
    shorter = torch.minimum(height, width)
    tall, wide = ((shorter * (0.25 + 0.75 * uniforms[..., i])).floor().clamp(min=1) for i in (0, 1))
    y = (top + uniforms[..., 2] * (height - tall)).floor()
    x = (left + uniforms[..., 3] * (width - wide)).floor()
    # An integral image over the foreground tells in four look-ups whether a rectangle is free of it.
    total = functional.pad((masks > 0).int().cumsum(1).cumsum(2), (1, 0, 1, 0))
    batch = torch.arange(len(masks), device=masks.device)[:, None]

    def at(row: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
        return total[batch, row.long(), column.long()]

    free = (at(y + tall, x + wide) - at(y, x + wide) - at(y + tall, x) + at(y, x)) == 0
    first = free.int().argmax(1, keepdim=True)
    corners = torch.stack([y, x, y + tall, x + wide], 2)
    return corners.gather(1, first[..., None].expand(-1, 1, 4))[:, 0], free.any(1)


def random_texture(picture: torch.Tensor, draws: Draws) -> torch.Tensor:
    """Colour, brightness, contrast and sharpness as Pillow's ImageEnhance has them; blur and noise."""
    colour, brightness, contrast, sharpness = (
        factor.view(-1, 1, 1, 1) for factor in (draws.colour, draws.brightness, draws.contrast, draws.sharpness)
    )
    picture = _blend(_grey(picture), picture, colour)
    picture = (picture * brightness).clamp(0, 255)
    picture = _blend(_grey(picture).mean((2, 3), keepdim=True), picture, contrast)
    around = functional.avg_pool2d(functional.pad(picture, (1, 1, 1, 1), "replicate"), 3, 1)
    smooth = (9 * around + 4 * picture) / 13  # Pillow's SMOOTH: 1 all around, 5 in the middle
    picture = _blend(smooth, picture, sharpness)
    picture = _blur(picture, _gaussian(0.3 * ((draws.blur - 1) * 0.5 - 1) + 0.8, 5, draws.blur))
    return (picture + draws.noise.view(-1, 1, 1, 1) * _noise(picture, draws)).clamp(0, 255)


def edge_of(labels: torch.Tensor, thickness: int = 4) -> torch.Tensor:
    """The paper's boundary label: the outline of the smoothed foreground, `thickness` pixels wide; uint8 0/1."""
    foreground = ((labels > 0) & (labels != IGNORE)).float()[:, None]
    smooth = (_blur(foreground, _gaussian(torch.full((len(labels),), 1.1, device=labels.device), 5)) > 0.5).float()
    reach = thickness // 2
    wide = functional.pad(smooth, (reach,) * 4, "replicate")
    dilated = functional.max_pool2d(wide, 2 * reach + 1, 1)
    eroded = -functional.max_pool2d(-wide, 2 * reach + 1, 1)
    return (dilated > eroded)[:, 0].to(torch.uint8)


def _sample(images: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """uint8 batch x H x W x 3 images at the points x, y (batch x h x w): the mean of four bilinear samples each.

    They are half a step apart, so that shrinking down to a third does not alias.
    """
    points = torch.stack([x, y], 1)
    points = functional.interpolate(points, scale_factor=2, mode="bilinear", align_corners=False)
    grid = _grid(points[:, 0], points[:, 1], images.shape[1:3])
    picture = images.permute(0, 3, 1, 2).float()
    return functional.avg_pool2d(functional.grid_sample(picture, grid, "bilinear", "border", False), 2)


def _grid(x: torch.Tensor, y: torch.Tensor, size: torch.Size) -> torch.Tensor:
    return torch.stack([2 * x / size[1] - 1, 2 * y / size[0] - 1], -1)


def _pixel_centres(size: tuple[int, int] | torch.Size, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    rows, columns = (torch.arange(side, device=device) + 0.5 for side in size)
    return rows.view(1, -1, 1), columns.view(1, 1, -1)


def _extent(present: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """First and last True of each row; batch x N."""
    first = present.int().argmax(1)
    last = present.shape[1] - 1 - present.flip(1).int().argmax(1)
    return first.float(), torch.where(present.any(1), last, first - 1).float()


def _grey(picture: torch.Tensor) -> torch.Tensor:
    return (picture * picture.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


def _blend(base: torch.Tensor, picture: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    return (base + factor * (picture - base)).clamp(0, 255)


def _gaussian(deviation: torch.Tensor, size: int, kernel: torch.Tensor | None = None) -> torch.Tensor:
    """Normalised kernels, batch x size; `kernel` cuts each to so many taps (0: no blur)."""
    offset = torch.arange(size, device=deviation.device) - size // 2
    taps = torch.exp(-0.5 * (offset / deviation[:, None]) ** 2)
    if kernel is not None:
        taps = torch.where(offset.abs() <= (kernel[:, None] - 1).clamp(min=0) // 2, taps, torch.zeros_like(taps))
    return taps / taps.sum(1, keepdim=True)


def _blur(picture: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """Each picture blurred by its own kernel, along columns and rows. Sums of shifts: convolutions in as many
    groups as there are pictures are far slower."""
    for axis in (2, 3):
        reach = kernels.shape[1] // 2
        wide = functional.pad(picture, (0, 0, reach, reach) if axis == 2 else (reach, reach, 0, 0), "replicate")
        length = picture.shape[axis]
        picture = torch.zeros_like(picture)
        for tap, weight in enumerate(kernels.unbind(1)):
            picture += wide.narrow(axis, tap, length) * weight.view(-1, 1, 1, 1)
    return picture


def _noise(picture: torch.Tensor, draws: Draws) -> torch.Tensor:
    """This share's part of the whole batch's noise, so that any number of processes sees the same."""
    generator = torch.Generator(picture.device).manual_seed(draws.noise_seed)
    whole = torch.randn(draws.batch, *picture.shape[1:], generator=generator, device=picture.device)
    return whole[draws.first : draws.first + len(picture)]
