"""The solids of a scene, ellipsoids and boxes, and which of them each pixel sees first.

Both are images of a unit shape (ball, cube) under `centre + axes @ u`; the columns of `axes` are orthogonal. In
camera coordinates the ray through a pixel is t * (x, y, 1), so t is the depth, and what an intersection needs is a
polynomial of x and y: a few whole-array additions inside the shape's own bounding rectangle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

NEAR = 0.05  # metres; what reaches closer to the camera than this is left out
_FACE_AXES = ((2, 1), (0, 2), (0, 1))  # the box axes that a texture's u and v follow on faces along x, y, z


@dataclass(frozen=True)
class Material:
    """A surface's look. `tint` (linear RGB) multiplies the texture tile; `period` is the tile's side in metres,
    or None to lay it once over the whole shape. `person` is what makes the mask; `hair` may get loose strands."""

    tile: int
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    period: float | None = None
    gloss: float = 0.0
    emit: float = 0.0
    person: bool = False
    hair: bool = False


@dataclass(frozen=True)
class Ellipsoid:
    """`axes` columns are the semi-axes (metres). `rough` swells and shrinks the outline by a noise field:
    hair and cloth rather than plastic. `shadow`: whether it throws one."""

    centre: np.ndarray
    axes: np.ndarray
    material: Material
    rough: float = 0.0
    shadow: bool = False

    def moved(self, R: np.ndarray, t: np.ndarray) -> Ellipsoid:
        """Turned (and scaled, if R is) about the origin, then shifted."""
        return Ellipsoid(R @ self.centre + t, R @ self.axes, self.material, self.rough, self.shadow)


@dataclass(frozen=True)
class Box:
    """`axes` columns are the half-edges. `materials` are those of the faces -x +x -y +y -z +z."""

    centre: np.ndarray
    axes: np.ndarray
    materials: tuple[Material, ...]
    inside: bool = False  # a room: seen from within

    def moved(self, R: np.ndarray, t: np.ndarray) -> Box:
        """Turned (and scaled, if R is) about the origin, then shifted."""
        return Box(R @ self.centre + t, R @ self.axes, self.materials, self.inside)


Shape = Ellipsoid | Box


def inverse_axes(shape: Shape) -> np.ndarray:
    """The inverse of a shape's `axes`: their columns are orthogonal, so it takes no elimination."""
    return (shape.axes / (shape.axes * shape.axes).sum(axis=0)).T


@dataclass(frozen=True)
class Rays:
    """x (width) and y (height) of every pixel's ray (x, y, 1) in camera coordinates."""

    x: np.ndarray
    y: np.ndarray

    @classmethod
    def through_pixels(cls, size: tuple[int, int], K: np.ndarray) -> Rays:
        height, width = size
        x = (np.arange(width) - K[0, 2]) / K[0, 0]
        y = (np.arange(height) - K[1, 2]) / K[1, 1]
        return cls(x.astype(np.float32), y.astype(np.float32))

    def window(self, x_range: tuple[float, float], y_range: tuple[float, float]) -> tuple[slice, slice]:
        """Rows and columns whose rays may fall into the ranges, with a margin of one pixel."""
        rows = np.searchsorted(self.y, y_range) + (-1, 1)
        columns = np.searchsorted(self.x, x_range) + (-1, 1)
        return slice(max(rows[0], 0), max(rows[1], 0)), slice(max(columns[0], 0), max(columns[1], 0))


@dataclass(frozen=True)
class Hits:
    """Per pixel: `depth` (metres) and `surface`, a row of `SurfaceTable`."""

    depth: np.ndarray
    surface: np.ndarray


def cast(shapes: Sequence[Shape], rays: Rays, noise: np.ndarray) -> Hits:
    """The nearest surface at every pixel. The shapes are in camera coordinates; the first must be a room that
    the camera stands in, so that every ray ends. `noise` (height x width, about unit size) roughens outlines."""
    size = len(rays.y), len(rays.x)
    hits = Hits(np.full(size, np.inf, np.float32), np.zeros(size, np.intp))
    row = 0
    for shape in shapes:
        if isinstance(shape, Box):
            _cast_box(shape, row, rays, hits)
            row += 6
        else:
            _cast_ellipsoid(shape, row, rays, hits, noise)
            row += 1
    return hits


def _cast_ellipsoid(shape: Ellipsoid, row: int, rays: Rays, hits: Hits, noise: np.ndarray) -> None:
    # A plane n.p = 0 through the eye touches the ellipsoid where n'Dn = 0, which bounds x and y exactly.
    swell = 1 + 2.5 * shape.rough
    D = swell * shape.axes @ shape.axes.T - np.outer(shape.centre, shape.centre)
    if shape.centre[2] <= 0 or D[2, 2] > -NEAR * shape.centre[2]:
        return
    half = np.sqrt(np.maximum(np.diag(D)[:2] * -D[2, 2] + D[:2, 2] ** 2, 0)) / -D[2, 2]
    middle = D[:2, 2] / D[2, 2]
    low, high = middle - half, middle + half
    window = rays.window((low[0], high[0]), (low[1], high[1]))
    x, y = rays.x[None, window[1]], rays.y[window[0], None]
    if x.size == 0 or y.size == 0:
        return
    inverse = inverse_axes(shape)
    M = (inverse.T @ inverse).astype(np.float32)
    Mc = (M @ shape.centre).astype(np.float32)
    a = (M[1, 1] * y + 2 * M[1, 2]) * y + M[2, 2] + M[0, 0] * x * x + (2 * M[0, 1] * y + 2 * M[0, 2]) * x
    b = Mc[0] * x + (Mc[1] * y + Mc[2])
    rest: np.ndarray | np.float32 = np.float32(shape.centre @ M @ shape.centre - 1)
    if shape.rough:
        rest = rest - np.float32(shape.rough) * np.clip(noise[window], -2.5, 2.5)
    under_root = b * b - a * rest
    depth = (b - np.sqrt(np.maximum(under_root, 0))) / a
    visible = (under_root > 0) & (depth < hits.depth[window])
    np.copyto(hits.depth[window], depth, where=visible)
    np.copyto(hits.surface[window], row, where=visible)


def _cast_box(shape: Box, row: int, rays: Rays, hits: Hits) -> None:
    window = (slice(None), slice(None))
    if not shape.inside:
        signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, 8)
        corners = shape.centre[:, None] + shape.axes @ signs
        if corners[2].min() < NEAR:
            return
        flat = corners[:2] / corners[2]
        low, high = flat.min(axis=1), flat.max(axis=1)
        window = rays.window((low[0], high[0]), (low[1], high[1]))
    x, y = rays.x[None, window[1]], rays.y[window[0], None]
    if x.size == 0 or y.size == 0:
        return
    inverse = inverse_axes(shape).astype(np.float32)
    origin = (-inverse @ shape.centre).astype(np.float32)
    entry, leave, face = -np.inf, np.inf, np.zeros(hits.depth[window].shape, np.intp)
    with np.errstate(divide="ignore", invalid="ignore"):
        for axis in range(3):
            along = inverse[axis, 0] * x + (inverse[axis, 1] * y + inverse[axis, 2])
            negative = along < 0
            one, two = (-1 - origin[axis]) / along, (1 - origin[axis]) / along
            first, last = np.minimum(one, two), np.maximum(one, two)
            if shape.inside:
                np.copyto(face, 2 * axis + ~negative, where=last < leave)
            else:
                np.copyto(face, 2 * axis + negative, where=first > entry)
            entry, leave = np.maximum(entry, first), np.minimum(leave, last)
    depth = leave if shape.inside else entry
    visible = (entry < leave) & (depth > 0) & (depth < hits.depth[window])
    np.copyto(hits.depth[window], depth, where=visible)
    np.copyto(hits.surface[window], row + face, where=visible)


@dataclass(frozen=True)
class SurfaceTable:
    """One column per surface, everything that shading needs as linear functions of the hit point p:
    normal = M p + m (not of unit length, towards the camera), texture = W p + w (in tiles)."""

    values: np.ndarray  # float32, rows: M (xx yy zz xy xz yz), m (3), W (6), w (2), tint (3), emit, gloss, tile
    person: np.ndarray  # bool

    @classmethod
    def of(cls, shapes: Sequence[Shape], hits: Hits) -> SurfaceTable:
        """The table for what `cast(shapes, ...)` hit; columns of unseen surfaces stay zero."""
        faces = [
            (shape, face, material)
            for shape in shapes
            for face, material in enumerate(shape.materials if isinstance(shape, Box) else (shape.material,))
        ]
        values = np.zeros((23, len(faces)), np.float32)
        for row in np.flatnonzero(np.bincount(hits.surface.ravel())):
            values[:, row] = _column(*faces[row])
        return cls(values, np.array([material.person for _, _, material in faces]))


def _column(shape: Shape, face: int, look: Material) -> np.ndarray:
    inverse = inverse_axes(shape)
    if isinstance(shape, Ellipsoid):
        M, uv = inverse.T @ inverse, [0, 1]
        m = -M @ shape.centre
    else:
        axis, positive = divmod(face, 2)
        M, uv = np.zeros((3, 3)), list(_FACE_AXES[axis])
        m = inverse[axis] * (1 if bool(positive) != shape.inside else -1)
    lengths = np.linalg.norm(shape.axes[:, uv], axis=0)
    tiles = np.full(2, 0.5) if look.period is None else lengths / look.period
    W = inverse[uv] * tiles[:, None]
    quadratic = [M[0, 0], M[1, 1], M[2, 2], M[0, 1], M[0, 2], M[1, 2]]
    rest = [look.emit, look.gloss, look.tile]
    return np.concatenate([quadratic, m, W.ravel(), 0.5 - W @ shape.centre, look.tint, rest])
