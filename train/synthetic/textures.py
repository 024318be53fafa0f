"""Painted texture tiles, uint8 RGB TILE x TILE that repeat without a seam where the pattern allows, on one sheet."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

TILE = 128
_STRIDE = TILE + 2  # each tile has a border copied from its opposite side, so that bilinear look-ups wrap
_WHITE = (255, 255, 255)

Colour = tuple[int, int, int]


class TileSheet:
    """The tiles of one scene, one below the other; `add` returns the number that a Material names."""

    def __init__(self) -> None:
        self._tiles: list[np.ndarray] = []

    def add(self, tile: np.ndarray) -> int:
        self._tiles.append(cv2.copyMakeBorder(tile, 1, 1, 1, 1, cv2.BORDER_WRAP))
        return len(self._tiles) - 1

    def sample(self, tile: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Bilinear look-up at (u, v), in tiles, repeating: float32 H x W each -> uint8 H x W x 3."""
        x = (u - np.floor(u)) * TILE + np.float32(0.5)
        y = (v - np.floor(v)) * TILE + np.float32(0.5)
        return cv2.remap(np.concatenate(self._tiles), x, y + tile * np.float32(_STRIDE), cv2.INTER_LINEAR)


def random_colour(rng: np.random.Generator, vivid: float = 0.6) -> Colour:
    """sRGB of any hue; `vivid` 0 gives greys, 1 anything up to full saturation."""
    hue, saturation, value = rng.integers(180), rng.uniform(0, vivid) * 255, rng.uniform(0.12, 1) * 255
    pixel = cv2.cvtColor(np.array([[[hue, saturation, value]]], np.uint8), cv2.COLOR_HSV2RGB)[0, 0]
    return int(pixel[0]), int(pixel[1]), int(pixel[2])


def smooth_noise(rng: np.random.Generator, cells: int, size: tuple[int, int]) -> np.ndarray:
    """float32 noise of unit deviation at its `cells` x `cells` knots, bicubic between them."""
    knots = rng.standard_normal((cells, cells), np.float32)
    return cv2.resize(knots, size[::-1], interpolation=cv2.INTER_CUBIC)


def plain(rng: np.random.Generator, colour: Colour = _WHITE, mottle: float = 0.05) -> np.ndarray:
    """One colour, unevenly: darker by about `mottle` of it here and there."""
    knots = _grow_seamless(rng.standard_normal((8, 8), np.float32), 4)
    knots += np.float32(0.35) * rng.standard_normal((32, 32), np.float32)
    shade = np.array(colour, np.float32) * (1 - np.float32(mottle) * (1 + knots[..., None]))
    small = np.clip(shade, 0, 255).astype(np.uint8)
    return _grow_seamless(small, TILE // 32)


def _grow_seamless(tile: np.ndarray, times: int) -> np.ndarray:
    """Enlarge a square tile by a whole factor, smoothly across its repeating border too."""
    side = tile.shape[0] * times
    wrapped = cv2.copyMakeBorder(tile, 1, 1, 1, 1, cv2.BORDER_WRAP)
    grown = cv2.resize(wrapped, None, fx=times, fy=times, interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(grown[times : times + side, times : times + side])


def strands(rng: np.random.Generator, contrast: float) -> np.ndarray:
    """Near-white vertical streaks, to be tinted: hair, or wood when turned."""
    noise = cv2.resize(rng.standard_normal((5, 64), np.float32), (TILE, TILE), interpolation=cv2.INTER_LINEAR)
    value = np.clip(215 * (1 - contrast * (0.3 + noise)), 0, 255).astype(np.uint8)
    return cv2.merge([value] * 3)


def stripes(rng: np.random.Generator) -> np.ndarray:
    tile = plain(rng, random_colour(rng))
    pitch = int(rng.choice([8, 16, 32, 64]))
    width, second = int(pitch * rng.uniform(0.2, 0.7)), random_colour(rng)
    for start in range(0, TILE, pitch):
        tile[start : start + width] = second
    return tile if rng.random() < 0.6 else np.ascontiguousarray(tile.transpose(1, 0, 2))


def plaid(rng: np.random.Generator) -> np.ndarray:
    one, two = stripes(rng), stripes(rng)
    return cv2.addWeighted(one, 0.5, np.ascontiguousarray(two.transpose(1, 0, 2)), 0.5, 0)


def dots(rng: np.random.Generator) -> np.ndarray:
    tile, colour = plain(rng, random_colour(rng)), random_colour(rng)
    pitch = int(rng.choice([16, 32]))
    radius = int(pitch * rng.uniform(0.15, 0.4))
    for row in range(TILE // pitch):
        for column in range(TILE // pitch):
            x = column * pitch + pitch // 2 + (pitch // 2 if row % 2 else 0)
            cv2.circle(tile, (x % TILE, row * pitch + pitch // 2), radius, colour, -1, cv2.LINE_AA)
    return tile


def bricks(rng: np.random.Generator) -> np.ndarray:
    """Courses of bricks or tiles with joints."""
    tile, base = plain(rng, random_colour(rng, 0.15)), np.array(random_colour(rng, 0.7), float)
    height, width = int(rng.choice([16, 32])), int(rng.choice([32, 64]))
    for row in range(TILE // height):
        shift = width // 2 if row % 2 else 0
        for x in range(-shift, TILE, width):
            colour = np.clip(base * rng.uniform(0.75, 1.2), 0, 255).tolist()
            corner = (x + width - 2, (row + 1) * height - 3)
            cv2.rectangle(tile, (x + 1, row * height + 1), corner, colour, -1)
    return tile


def planks(rng: np.random.Generator) -> np.ndarray:
    tile = strands(rng, rng.uniform(0.05, 0.2)).transpose(1, 0, 2) * (np.array(random_colour(rng)) / 255)
    tile = np.ascontiguousarray(tile.astype(np.uint8))
    pitch = int(rng.choice([16, 32, 64]))
    tile[::pitch] //= 2
    return tile if rng.random() < 0.5 else np.ascontiguousarray(tile.transpose(1, 0, 2))


def books(rng: np.random.Generator) -> np.ndarray:
    """Shelves of book spines."""
    tile = plain(rng, random_colour(rng, 0.4)) // 3
    shelf = int(rng.choice([32, 64]))
    wood = random_colour(rng, 0.5)
    for top in range(0, TILE, shelf):
        x = 0
        while x < TILE:
            width, height = int(rng.integers(3, 11)), int(shelf * rng.uniform(0.55, 0.9))
            spine = (x + width - 1, top + shelf - 4)
            cv2.rectangle(tile, (x, top + shelf - height), spine, random_colour(rng, 0.9), -1)
            x += width + int(rng.random() < 0.1) * 8
        tile[top + shelf - 4 : top + shelf] = wood
    return tile


def clutter(rng: np.random.Generator) -> np.ndarray:
    """Rectangles, discs, lines and letters of any colour: posters, rooms out of focus, patterns."""
    tile = plain(rng, random_colour(rng), 0.1)
    for _ in range(int(rng.integers(4, 22))):
        (x, y, x2, y2), colour = rng.integers(0, TILE, 4).tolist(), random_colour(rng, 0.9)
        kind = rng.integers(4)
        if kind == 0:
            cv2.rectangle(tile, (x, y), (x + (x2 >> 1), y + (y2 >> 1)), colour, -1)
        elif kind == 1:
            cv2.ellipse(tile, (x, y), (4 + x2 // 5, 4 + y2 // 5), int(x), 0, 360, colour, -1, cv2.LINE_AA)
        elif kind == 2:
            cv2.line(tile, (x, y), (x2, y2), colour, 1 + x // 30, cv2.LINE_AA)
        else:
            letters = "".join(chr(65 + int(code)) for code in rng.integers(0, 26, 3))
            cv2.putText(tile, letters, (x - 20, y), cv2.FONT_HERSHEY_SIMPLEX, 0.3 + x2 / 100, colour, 1 + y2 // 50)
    return tile


def foliage(rng: np.random.Generator) -> np.ndarray:
    tile = plain(rng, (30, 50, 25), 0.1)
    hue = rng.integers(12, 70)
    hsv = np.stack([rng.normal(hue, 6, 110), rng.uniform(60, 230, 110), rng.uniform(30, 230, 110)], axis=1)
    leaves = cv2.cvtColor(np.clip(hsv, 0, 255).astype(np.uint8)[None], cv2.COLOR_HSV2RGB)[0].tolist()
    places = rng.integers(0, TILE, (110, 2)).tolist()
    sizes = rng.integers(2, 12, (110, 2)).tolist()
    for place, size, leaf in zip(places, sizes, leaves, strict=True):
        cv2.ellipse(tile, place, size, place[0] * 3, 0, 360, leaf, -1)
    return tile


def clouds(rng: np.random.Generator) -> np.ndarray:
    """Blotches between three colours, in several sizes: anything far out of focus."""
    first, *others = (np.array(random_colour(rng, 0.8), np.float32) for _ in range(3))
    tile = np.broadcast_to(first, (TILE, TILE, 3))
    for colour in others:
        field = sum(smooth_noise(rng, n, (TILE, TILE)) / n**0.5 for n in (3, 6, 14, 40))
        tile = tile + (colour - tile) * np.clip(0.5 + 0.7 * field, 0, 1)[..., None]
    return tile.astype(np.uint8)


def night(rng: np.random.Generator) -> np.ndarray:
    """Discs of light before darkness: a city out of focus."""
    tile = plain(rng, (18, 20, 30), 0.2)
    for _ in range(int(rng.integers(8, 40))):
        place, radius = rng.integers(0, TILE, 2).tolist(), int(rng.integers(1, 8))
        cv2.circle(tile, place, radius, random_colour(rng, 0.9), -1, cv2.LINE_AA)
    return tile


def landscape(rng: np.random.Generator) -> np.ndarray:
    """Sky over hills or house fronts; meant to cover a wall or a window without repeating."""
    high, low = np.array(random_colour(rng, 0.5), float), rng.uniform(170, 255, 3)
    ramp = np.linspace(0, 1, TILE)[:, None, None]
    tile = np.ascontiguousarray(np.broadcast_to(high * (1 - ramp) + low * ramp, (TILE, TILE, 3)), np.uint8)
    horizon = int(rng.integers(TILE // 3, TILE * 4 // 5))
    if rng.random() < 0.5:
        for _ in range(14):
            x, top = int(rng.integers(-10, TILE)), horizon - int(rng.integers(0, 45))
            cv2.rectangle(tile, (x, top), (x + int(rng.integers(8, 30)), TILE), random_colour(rng, 0.3), -1)
    else:
        for _ in range(3):
            ridge = horizon + 12 * smooth_noise(rng, 7, (1, TILE))[0]
            outline = np.stack([np.arange(TILE), ridge], axis=1)
            corners = [[TILE, TILE], [0, TILE]]
            cv2.fillPoly(tile, [np.concatenate([outline, corners]).astype(np.int32)], random_colour(rng))
            horizon += 15
    return tile


CLOTHES: tuple[Callable[[np.random.Generator], np.ndarray], ...] = (stripes, plaid, dots, clouds, clutter, bricks)
WALLS = (bricks, planks, books, clutter, clouds, stripes, foliage)
OUTDOORS = (foliage, landscape, night, clouds, bricks)
ANY = (*CLOTHES, planks, books, foliage)


def pick(rng: np.random.Generator, painters: tuple[Callable[[np.random.Generator], np.ndarray], ...]) -> np.ndarray:
    """A tile by one of the painters."""
    return painters[int(rng.integers(len(painters)))](rng)
