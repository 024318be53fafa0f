"""The paper's augmentation, with cut-and-paste and upper-body crops, for whole batches on the training device.

All positions are in pixels from the top left corner of the first pixel. Pictures are float batch x 3 x H x W of
0..255, labels uint8 batch x H x W.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch.nn import functional

from ...runtime.geometry import GEOMETRIES, LETTERBOX, PAD_VALUE
from ...runtime.metrics import IGNORE, has_background
from ..datasets.base import HALF, mirrored_classes
from ..recipe import DataSpec
from .draws import Canvases, Draws, RawBatch
from .texture import blur, gaussian, random_texture

_SMOOTHING = 5  # pixels, of the blur that smooths a mask before its outline is taken


class Batch(NamedTuple):
    """What a network is trained on: uint8 batch x 3 x H x W pictures, uint8 batch x H x W labels and boundary.

    `original` has the geometry of `augmented`, but its own colours. `matte` is true alpha, uint8 batch x H x W, of the
    pictures that are `soft` (batch), and of those whose `contrast` is known: uint8 batch x H x W, how far the person's
    colours are from the background's in the plain view, 0 where one is unknown. None where no loss needs them.
    """

    augmented: torch.Tensor
    original: torch.Tensor
    labels: torch.Tensor
    edge: torch.Tensor
    names: list[str]
    matte: torch.Tensor | None = None
    soft: torch.Tensor | None = None
    contrast: torch.Tensor | None = None


class Pasted(NamedTuple):
    """Pictures, and labels, of which some have been composed anew: those at `where` (count), if they are `found`.

    `alpha` and `contrast` are theirs, uint8 count x H x W: what person and background were mixed by, and how far their
    colours are apart.
    """

    picture: torch.Tensor
    labels: torch.Tensor
    where: torch.Tensor
    found: torch.Tensor
    alpha: torch.Tensor
    contrast: torch.Tensor

    def put(self, own: torch.Tensor, into: torch.Tensor) -> torch.Tensor:
        """The maps `into` (batch x H x W) with `own` (count x H x W) where a person was pasted."""
        return into.index_copy(0, self.where, torch.where(self.found.view(-1, 1, 1), own, into[self.where]))


class Target(NamedTuple):
    """What pictures and labels become: the network's input, and the labels' meaning."""

    size: tuple[int, int]  # height, width
    geometry: str = LETTERBOX  # how a picture fills the input: one of runtime.geometry.GEOMETRIES
    outside: int = 0  # label beyond the picture's border
    mirrored: tuple[int, ...] = ()  # what each label becomes in a mirrored picture; none changes where it is empty

    @classmethod
    def of(cls, data: DataSpec, classes: Sequence[str]) -> Target:
        """The target of a recipe's data and class names. Pixels beyond the border are background, or unknown
        (IGNORE) where the classes have no background."""
        swapped = mirrored_classes(classes)
        changes = data.augment.swap_sides and swapped != tuple(range(len(classes)))
        outside = 0 if has_background(classes) else IGNORE
        return cls(data.size, data.geometry, outside, swapped if changes else ())


def make_batch(raw: RawBatch, target: Target) -> Batch:
    """The batch of a step, on the device where `raw` is."""
    canvases, soft = raw.canvases, raw.canvases.soft
    matte = contrast = None
    if soft is not None:
        alpha = canvases.masks
        labels = torch.where(soft.view(-1, 1, 1), (alpha > HALF).to(torch.uint8), alpha)
        canvases = canvases._replace(masks=labels)
        matte = warp_map(alpha, canvases, raw.draws, target)
        soft = soft.index_fill(0, canvases.paste_into, False)  # a pasted outline is not the matte's
    original, labels, pasted = _composed(canvases, raw.draws, target)
    if canvases.contrasts is not None:
        contrast = warp_map(canvases.contrasts, canvases, raw.draws, target)
        if pasted is not None and matte is not None:
            matte, contrast = pasted.put(pasted.alpha, matte), pasted.put(pasted.contrast, contrast)
    augmented = random_texture(original, raw.draws).round()
    edge = edge_of(labels)
    return Batch(augmented.to(torch.uint8), original.to(torch.uint8), labels, edge, raw.names, matte, soft, contrast)


def augment(canvases: Canvases, draws: Draws, target: Target) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Canvases -> (augmented, original, labels) of the target's size.

    `original` has the geometry and `augmented` also the texture changes; both hold whole numbers, as bytes would.
    """
    original, labels, _ = _composed(canvases, draws, target)
    return random_texture(original, draws).round(), original, labels


def _composed(canvases: Canvases, draws: Draws, target: Target) -> tuple[torch.Tensor, torch.Tensor, Pasted | None]:
    """The plain view and its labels, and what was pasted there."""
    view = upper_body(canvases.masks, canvases.rects, draws)
    picture, labels, inside = warp(canvases, view, draws, target)
    if not len(canvases.paste_into):
        return picture.round(), labels, None
    pasted = paste(picture, labels, inside, canvases, draws)
    return pasted.picture.round(), pasted.labels, pasted


def upper_body(masks: torch.Tensor, rects: torch.Tensor, draws: Draws) -> torch.Tensor:
    """The view of each picture, batch x 4 (top, left, bottom, right): all of it, or a person's head and upper body.

    `rects` are the pictures on their canvases, as (top, left, height, width). The crop is cut by its lower edge.
    """
    top, left, height, width = rects.float().unbind(1)
    bottom, right = top + height, left + width
    whole = torch.stack([top, left, bottom, right], 1)
    person = masks == 1
    first, last = _extent(person.any(2))
    length = last - first + 1
    lower_edge, headroom, breadth, offset = draws.crop.unbind(1)
    end = first + (length * (0.22 + 0.38 * lower_edge)).clamp(min=24)
    start = torch.maximum(top, end - (end - first) * (1.05 + 0.45 * headroom))
    rows = torch.arange(masks.shape[1], device=masks.device)
    upper = person & ((rows >= first[:, None]) & (rows < end[:, None]))[:, :, None]
    near, far = _extent(upper.any(1))
    centre = (near + far + 1) / 2 + 0.1 * offset * (far - near + 1)
    half = (end - start) * (0.75 + 0.95 * breadth) / 2
    crop = torch.stack(
        [start, torch.maximum(left, centre - half), torch.minimum(bottom, end), torch.minimum(right, centre + half)], 1
    )
    # A person of a few rows has no upper body to speak of.
    usable = draws.upper_body & (length >= 32) & (crop[:, 3] - crop[:, 1] >= 16)
    return torch.where(usable[:, None], crop, whole)


def warp(
    canvases: Canvases, view: torch.Tensor, draws: Draws, target: Target
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Fit each `view` into the target; zoom, turn, shift and flip it there, in one resampling.

    Returns the pictures (PAD_VALUE outside the view), their labels (target.outside there), and where the view is.
    """
    source_x, source_y, inside = _places(view, draws, target)
    picture = _sample(canvases.images, source_x, source_y)
    picture = torch.where(inside[:, None], picture, torch.full_like(picture, PAD_VALUE))
    nearest = _grid(source_x, source_y, canvases.masks.shape[1:])
    labels = functional.grid_sample(canvases.masks[:, None].float(), nearest, "nearest", "border", False)[:, 0]
    labels = labels.to(torch.uint8)
    if target.mirrored:
        labels = torch.where(draws.flip.view(-1, 1, 1), _renamed(labels, target.mirrored), labels)
    return picture, labels.where(inside, torch.full_like(labels, target.outside)), inside


def warp_map(values: torch.Tensor, canvases: Canvases, draws: Draws, target: Target) -> torch.Tensor:
    """Alpha or contrast (uint8 batch x H x W, on the canvases) where `augment` puts the picture; 0 outside."""
    source_x, source_y, inside = _places(upper_body(canvases.masks, canvases.rects, draws), draws, target)
    return (_sample(values[..., None], source_x, source_y)[:, 0].round() * inside).to(torch.uint8)


def _places(view: torch.Tensor, draws: Draws, target: Target) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """For each pixel of the target: x and y on its canvas, and whether they lie inside the view."""
    (height, width), count = target.size, len(view)
    rows, columns = _pixel_centres(target.size, view.device)
    top, left, bottom, right = (side.view(-1, 1, 1) for side in view.unbind(1))
    scale_y, scale_x = height / (bottom - top), width / (right - left)
    limit = GEOMETRIES[target.geometry]
    scale_y, scale_x = torch.minimum(scale_y, limit * scale_x), torch.minimum(scale_x, limit * scale_y)

    x = torch.where(draws.flip.view(-1, 1, 1), width - columns, columns.expand(count, height, width))
    shift = draws.shift.view(-1, 2, 1, 1)
    zoom = draws.zoom.view(-1, 1, 1)
    x = (x - width / 2 - width * shift[:, 0]) / (scale_x * zoom)
    y = (rows - height / 2 - height * shift[:, 1]) / (scale_y * zoom)
    cosine, sine = (f(draws.angle).view(-1, 1, 1) for f in (torch.cos, torch.sin))
    source_x = cosine * x + sine * y + (left + right) / 2
    source_y = cosine * y - sine * x + (top + bottom) / 2
    inside = (source_x >= left) & (source_x < right) & (source_y >= top) & (source_y < bottom)
    return source_x, source_y, inside


def paste(
    picture: torch.Tensor, labels: torch.Tensor, inside: torch.Tensor, canvases: Canvases, draws: Draws
) -> Pasted:
    """Paste the people of `canvases.paste_into` onto patches of the background canvases without people.

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
    alpha = blur(person, gaussian(draws.softness[chosen], 5))
    colour = (before * person).sum((2, 3)) / person.sum((2, 3)).clamp(min=1)
    shift = draws.match[chosen, None] * (scene.mean((2, 3)) - colour)
    own = before + shift[:, :, None, None]
    mixed = (own * alpha + scene * (1 - alpha)).clamp(0, 255)
    mixed = torch.where(inside[chosen][:, None] & found.view(-1, 1, 1, 1), mixed, before)
    only_person = torch.where(found.view(-1, 1, 1), person[:, 0].to(labels.dtype), labels[chosen])
    contrast = (own - scene).abs().mean(1).clamp(max=255) * inside[chosen]
    return Pasted(
        picture.index_copy(0, chosen, mixed),
        labels.index_copy(0, chosen, only_person),
        chosen,
        found,
        (255 * alpha[:, 0]).round().to(torch.uint8),
        contrast.round().to(torch.uint8),
    )


def background_patches(
    masks: torch.Tensor, rects: torch.Tensor, uniforms: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The first of some random rectangles of each picture that shows no foreground, and whether there is one.

    A patch is at least a quarter of the picture's shorter side. `uniforms` is batch x tries x 4.
    """
    top, left, height, width = (side[:, None] for side in rects.float().unbind(1))
    shorter = torch.minimum(height, width)
    patch_height, patch_width = ((shorter * (0.25 + 0.75 * uniforms[..., i])).floor().clamp(min=1) for i in (0, 1))
    y = (top + uniforms[..., 2] * (height - patch_height)).floor()
    x = (left + uniforms[..., 3] * (width - patch_width)).floor()
    # With an integral image of the foreground, four look-ups count the foreground pixels of a rectangle.
    total = functional.pad((masks > 0).int().cumsum(1).cumsum(2), (1, 0, 1, 0))
    batch = torch.arange(len(masks), device=masks.device)[:, None]

    def at(row: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
        return total[batch, row.long(), column.long()]

    free = (at(y + patch_height, x + patch_width) - at(y, x + patch_width) - at(y + patch_height, x) + at(y, x)) == 0
    first = free.int().argmax(1, keepdim=True)
    corners = torch.stack([y, x, y + patch_height, x + patch_width], 2)
    return corners.gather(1, first[..., None].expand(-1, 1, 4))[:, 0], free.any(1)


def edge_of(labels: torch.Tensor, thickness: int = 4) -> torch.Tensor:
    """The paper's boundary label: the outline of the smoothed foreground, `thickness` pixels wide.

    uint8 0/1, IGNORE where a pixel of unknown label is near enough to decide.
    """
    unknown = labels == IGNORE
    foreground = ((labels > 0) & ~unknown).float()[:, None]
    smooth = (
        blur(foreground, gaussian(torch.full((len(labels),), 1.1, device=labels.device), _SMOOTHING)) > 0.5
    ).float()
    reach = thickness // 2
    padded = functional.pad(smooth, (reach,) * 4, "replicate")
    dilated = _largest(padded, 2 * reach + 1)
    eroded = -_largest(-padded, 2 * reach + 1)
    edge = (dilated > eroded)[:, 0].to(torch.uint8)
    decides = reach + _SMOOTHING // 2
    doubtful = _largest(functional.pad(unknown.float()[:, None], (decides,) * 4), 2 * decides + 1)[:, 0] > 0
    return edge.masked_fill(doubtful, IGNORE)


def _largest(values: torch.Tensor, side: int) -> torch.Tensor:
    """The maximum of each full `side` x `side` window of batch x 1 x H x W.

    By shifts along one axis and then the other: on a CPU that takes a fifth of max_pool2d's time.
    """
    for axis in (2, 3):
        count = values.shape[axis] - side + 1
        values = functools.reduce(torch.maximum, (values.narrow(axis, shift, count) for shift in range(side)))
    return values


def _renamed(labels: torch.Tensor, names: tuple[int, ...]) -> torch.Tensor:
    table = torch.arange(256, dtype=torch.uint8, device=labels.device)
    table[: len(names)] = torch.tensor(names, dtype=torch.uint8, device=labels.device)
    return table[labels.long()]


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
