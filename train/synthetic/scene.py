"""Random scenes: a camera, a room or a street, nobody to three people, things around them, and lights."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from . import textures
from .camera import camera_intrinsics, rotation, unproject
from .person import HEAD_HEIGHT, ball, build_person, linear
from .shapes import Box, Ellipsoid, Material, Shape
from .textures import TileSheet

# Share of the picture's height that the nearest head takes: close, head and shoulders, half body, far.
_FRAMINGS = ((0.48, 0.75), (0.28, 0.48), (0.16, 0.28), (0.07, 0.16))
_FRAMING_SHARES = (0.18, 0.54, 0.21, 0.07)
_NEUTRAL = 0  # the first tile of every sheet: near-white, to be tinted
_PEOPLE_SHARES = (0.05, 0.77, 0.13, 0.05)  # nobody, one, two, three


@dataclass(frozen=True)
class Light:
    """Light from far away: unit vector towards it in camera coordinates, linear RGB strength, and how far it
    reaches round (0: hard, 1: down to nothing only straight behind)."""

    direction: np.ndarray
    colour: np.ndarray
    wrap: float = 0.0


@dataclass(frozen=True)
class Scene:
    """All in camera coordinates; `shapes[0]` is the room. The first light casts the shadows."""

    K: np.ndarray
    shapes: list[Shape]
    lights: list[Light]
    ambient: np.ndarray
    sheet: TileSheet


def random_scene(rng: np.random.Generator, size: tuple[int, int]) -> Scene:
    """Draw a scene for a picture of `size` (height, width)."""
    height, width = size
    K = camera_intrinsics(size, focal_mm=math.exp(rng.uniform(math.log(20), math.log(85))))
    sheet = TileSheet()
    sheet.add(textures.plain(rng, mottle=rng.uniform(0.01, 0.08)))
    world = rotation(rng.uniform(-0.7, 0.7), rng.normal(0, 0.1), rng.normal(0, 0.07))
    upright = rotation(pitch=rng.normal(0, 0.09), roll=rng.normal(0, 0.05))
    framing = _FRAMINGS[int(rng.choice(len(_FRAMINGS), p=_FRAMING_SHARES))]
    share = rng.uniform(*framing)
    distance = max(0.33, K[1, 1] * HEAD_HEIGHT / (share * height))
    middle = (
        float(np.clip(rng.normal(0.5, 0.12), 0.1, 0.9)) * (width - 1),
        float(np.clip(rng.normal(0.26 + 0.38 * share, 0.07), 0.08, 0.7)) * (height - 1),
    )
    spot = unproject(middle, distance, K)
    count = int(rng.choice(len(_PEOPLE_SHARES), p=_PEOPLE_SHARES))
    people: list[Shape] = []
    heads = [spot]
    for number in range(count):
        place = spot
        if number:  # beside or behind the first, on either side
            side = 1 if (number == 1) == (rng.random() < 0.8) else -1
            aside = side * rng.uniform(0.4, 0.75), rng.normal(0, 0.08), rng.uniform(-0.1, 1.2)
            place = spot + upright @ np.array(aside)
            heads.append(place)
        people += [part.moved(upright, place) for part in build_person(rng, sheet)]
    room = _surroundings(rng, sheet, world, distance, heads)
    things = _things(rng, sheet, K, size, distance, upright, spot)
    lights, ambient = _lighting(rng)
    return Scene(K, [room, *people, *things], lights, ambient, sheet)


def _surroundings(
    rng: np.random.Generator, sheet: TileSheet, world: np.ndarray, distance: float, heads: list[np.ndarray]
) -> Box:
    """The box that the camera and all heads are in: a room, outdoors, or a photographer's backdrop."""
    kind = rng.random()
    behind = distance + (rng.uniform(0.5, 4.0) if kind < 0.6 else rng.uniform(2, 12))
    # Most walls are pale; a few have any colour.
    paint = rng.uniform(120, 255, 3) if rng.random() < 0.3 else rng.uniform(90, 255) + rng.normal(0, 10, 3)
    near = Material(_NEUTRAL, linear(np.clip(paint, 20, 255)), rng.uniform(0.8, 3))
    if kind < 0.6:
        wall = near
        if rng.random() < 0.55:
            wall = Material(sheet.add(textures.pick(rng, textures.WALLS)), _shade(rng), rng.uniform(0.6, 3))
        other = near if rng.random() < 0.6 else wall
        floor = Material(sheet.add(textures.pick(rng, (textures.planks, textures.bricks))), _shade(rng), 1.0)
        materials = (other, other, replace(near, tint=(0.8, 0.8, 0.8)), floor, near, wall)
        half = rng.uniform(1.2, 4), 1.35, 0.5 * (behind + 1)
    elif kind < 0.88:
        view = Material(sheet.add(textures.pick(rng, textures.OUTDOORS)), emit=rng.uniform(0.2, 0.9))
        sky = Material(near.tile, linear(rng.uniform(150, 255, 3)), emit=rng.uniform(0.2, 1))
        ground = Material(sheet.add(textures.pick(rng, textures.ANY)), _shade(rng), 1.5)
        side = replace(view, period=rng.uniform(2, 8))
        materials = (side, side, sky, ground, near, view)
        half = rng.uniform(3, 9), rng.uniform(1.6, 4), 0.5 * (behind + 1)
    else:
        plain = replace(near, emit=rng.uniform(0, 0.6))
        materials = (plain,) * 6
        half = 4.0, 1.6, 0.5 * (behind + 1)
    centre = np.array([rng.uniform(-0.4, 0.4) * half[0], rng.uniform(-0.2, 0.2), half[2] - 1])
    reach = np.abs(np.array(heads) @ world - centre).max(axis=0) + 0.35
    return Box(centre, np.diag(np.maximum(half, reach)), materials, inside=True).moved(world, np.zeros(3))


def _things(
    rng: np.random.Generator,
    sheet: TileSheet,
    K: np.ndarray,
    size: tuple[int, int],
    distance: float,
    upright: np.ndarray,
    spot: np.ndarray,
) -> list[Shape]:
    """Furniture, windows, balls, plants, dummies: background, some of which resembles a person."""
    things: list[Shape] = []
    height, width = size
    for _ in range(int(rng.integers(0, 6))):
        depth = distance + rng.uniform(0.35, 3.0)
        pixel = rng.uniform(-0.05, 1.05) * width, rng.uniform(-0.05, 1.05) * height
        place = unproject(pixel, depth, K)
        reach = depth * height / K[1, 1] * rng.uniform(0.05, 0.3)
        period, gloss = float(rng.choice([0.2, 0.6])), float(rng.choice([0, 0, 0.3]))
        if rng.random() < 0.5:
            look = Material(sheet.add(textures.pick(rng, textures.ANY)), _shade(rng), period, gloss)
        else:
            look = Material(_NEUTRAL, linear(textures.random_colour(rng, 0.8)), period, gloss)
        kind = rng.random()
        if kind < 0.35:
            half = reach * rng.uniform(0.3, 1.6, 3)
            turn = upright @ rotation(yaw=rng.uniform(-0.8, 0.8))
            things.append(Box(place, turn * half, (look,) * 6))
        elif kind < 0.5:  # a window, a screen or a picture
            window = Material(sheet.add(textures.pick(rng, textures.OUTDOORS)), emit=rng.uniform(0.2, 1.6))
            half = reach * rng.uniform(0.5, 1.6, 2)
            things.append(Box(place, upright * (half[0] * 1.06, half[1] * 1.06, 0.02), (look,) * 6))
            ahead = place + upright @ np.array([0, 0, -0.03])
            things.append(Box(ahead, upright * (half[0], half[1], 0.01), (window,) * 6))
        elif kind < 0.65:  # a plant
            leaf = replace(look, tile=sheet.add(textures.foliage(rng)), period=0.15)
            for _ in range(5):
                leaves = ball((0, 0, 0), tuple(reach * rng.uniform(0.15, 0.5, 3)), leaf, 0.2)
                things.append(leaves.moved(upright, place + reach * rng.uniform(-0.6, 0.6, 3)))
        elif kind < 0.85:
            things.append(_blob(rng, look, reach, upright, place))
        else:
            things += _dummy(rng, look, upright, place)
    if rng.random() < 0.2:  # the chair's back
        look = Material(_NEUTRAL, linear(textures.random_colour(rng)), period=0.3)
        half = rng.uniform(0.18, 0.32), rng.uniform(0.2, 0.36), 0.04
        behind = spot + upright @ np.array([rng.uniform(-0.1, 0.1), rng.uniform(0.2, 0.4), 0.27])
        if rng.random() < 0.5:
            things.append(Box(behind, upright * half, (look,) * 6))
        else:
            things.append(ball((0, 0, 0), half, look).moved(upright, behind))
    if rng.random() < 0.1:  # a table, laptop or mug before the person
        look = Material(sheet.add(textures.pick(rng, textures.ANY)), period=0.5)
        half = rng.uniform(0.1, 0.6), rng.uniform(0.02, 0.15), 0.1
        before = spot + upright @ np.array([rng.uniform(-0.3, 0.3), rng.uniform(0.38, 0.55), -0.25])
        things.append(Box(before, upright * half, (look,) * 6))
    return things


def _blob(rng: np.random.Generator, look: Material, reach: float, upright: np.ndarray, place: np.ndarray) -> Ellipsoid:
    """A ball, a cushion, a lamp."""
    emit = rng.uniform(0.5, 2) if rng.random() < 0.25 else 0.0
    radii = reach * rng.uniform(0.25, 0.7) * rng.uniform(0.7, 1.3, 3)
    return ball((0, 0, 0), tuple(radii), replace(look, emit=emit), rng.choice([0, 0.05])).moved(upright, place)


def _dummy(rng: np.random.Generator, look: Material, upright: np.ndarray, place: np.ndarray) -> list[Shape]:
    """A head-like ball on a neck and a stand: a lamp, a tailor's dummy. Not a person."""
    parts = [
        ball((0, 0, 0), (0.08, rng.uniform(0.08, 0.14), 0.09), look),
        ball((0, 0.18, 0), (0.025, 0.14, 0.025), look),
    ]
    if rng.random() < 0.5:
        parts.append(ball((0, 0.45, 0), (rng.uniform(0.1, 0.22), 0.24, 0.12), look))
    return [part.moved(upright, place) for part in parts]


def _lighting(rng: np.random.Generator) -> tuple[list[Light], np.ndarray]:
    """A key light, perhaps a fill and one from behind; strengths such that a white wall is about 1."""
    cast = np.exp(rng.normal(0, 0.12, 3)) * (1.0, 1.0, rng.uniform(0.7, 1.2))
    backlit = rng.random() < 0.15
    azimuth, elevation = rng.normal(0, 0.8), rng.uniform(-0.1, 1.2)
    key = Light(
        _towards(azimuth, elevation), rng.uniform(0.4, 1.0) * (0.35 if backlit else 1.0) * cast, rng.choice([0.0, 0.5])
    )
    lights = [key]
    if rng.random() < 0.6:
        warm = np.exp(rng.normal(0, 0.2, 3))
        lights.append(Light(_towards(-azimuth + rng.normal(0, 0.5), 0.3), rng.uniform(0.1, 0.5) * warm, 0.6))
    if backlit or rng.random() < 0.3:
        side = rng.choice([-1, 1]) * rng.uniform(1.9, 2.8)
        lights.append(Light(_towards(side, rng.uniform(0, 0.8)), rng.uniform(0.5, 1.6) * np.ones(3)))
    return lights, rng.uniform(0.15, 0.5) * cast


def _towards(azimuth: float, elevation: float) -> np.ndarray:
    """Unit vector: azimuth 0 is from behind the camera, positive to the right; elevation up."""
    flat = math.cos(elevation)
    return np.array([flat * math.sin(azimuth), -math.sin(elevation), -flat * math.cos(azimuth)])


def _shade(rng: np.random.Generator) -> tuple[float, float, float]:
    value = float(rng.uniform(0.4, 1.0))
    return value, value, value
