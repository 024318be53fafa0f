"""What a camera does to light: focus, exposure, white balance, tone, shake, grain and JPEG."""

from __future__ import annotations

import math

import cv2
import numpy as np


def soften_edges(radiance: np.ndarray, surface: np.ndarray) -> np.ndarray:
    """Anti-alias where neighbouring pixels see different surfaces, at a fraction of supersampling's price."""
    ids = surface.astype(np.int16)
    edge = np.zeros(ids.shape, bool)
    edge[:, 1:] = ids[:, 1:] != ids[:, :-1]
    edge[:, :-1] |= edge[:, 1:]
    down = ids[1:] != ids[:-1]
    edge[1:] |= down
    edge[:-1] |= down
    smooth = cv2.GaussianBlur(np.minimum(radiance, 1.5), (3, 3), 0.7)
    np.copyto(radiance, smooth, where=edge[..., None])
    return radiance


def defocus_background(radiance: np.ndarray, person: np.ndarray, sigma: float) -> np.ndarray:
    """Blur all but the person (uint8 0/1); nothing of the person leaks into the background."""
    keep = (1 - person).astype(np.float32)
    blurred = cv2.GaussianBlur(radiance * keep[..., None], (0, 0), sigma)
    share = cv2.GaussianBlur(keep, (0, 0), sigma)
    alpha = cv2.GaussianBlur(person.astype(np.float32), (3, 3), 0)[..., None]
    return radiance * alpha + blurred / np.maximum(share, 1e-3)[..., None] * (1 - alpha)


def develop(radiance: np.ndarray, person: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Linear radiance float32 height x width x 3, person uint8 0/1 -> a photograph, uint8 RGB."""
    height, width = person.shape
    scale = max(height, width) / 224
    if rng.random() < 0.3:
        radiance = defocus_background(radiance, person, scale * rng.uniform(0.8, 5))
    exposure = expose(radiance, rng) * np.exp(rng.normal(0, 0.07, 3))
    image = radiance * exposure.astype(np.float32)
    if rng.random() < 0.3:
        image *= _vignette(height, width, rng.uniform(0.1, 0.5))
    if rng.random() < 0.1:  # haze and flare
        image += np.float32(rng.uniform(0.01, 0.15))
    image = np.sqrt(image)
    image = np.minimum(image, 1, out=image)
    bend = np.float32(rng.uniform(-0.3, 0.6))  # > 0: an S curve, more contrast
    image += bend * image * (1 - image) * (2 * image - 1)
    image = _blur(image, rng, scale)
    if rng.random() < 0.05:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    grain = abs(rng.normal(0, 0.018)) + 0.002
    image += np.float32(grain) * _grain(rng, height, width)
    picture = np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)
    if rng.random() < 0.7:
        picture = jpeg(picture, int(rng.integers(35, 96)))
    return picture


def expose(radiance: np.ndarray, rng: np.random.Generator) -> float:
    """As a camera meters: bring the mean of a coarse thumbnail to mid grey, roughly."""
    mean = float(cv2.resize(radiance, (16, 16), interpolation=cv2.INTER_AREA).clip(0, 2).mean())
    return float(np.clip(0.24 / max(mean, 0.02), 0.4, 4)) * math.exp(rng.normal(0, 0.3))


def _grain(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Noise of about unit deviation: fine in brightness, coarser in colour, as demosaicing leaves it."""
    colour = rng.standard_normal((height // 2 + 1, width // 2 + 1, 3), np.float32)
    noise = cv2.resize(colour, (width, height), interpolation=cv2.INTER_LINEAR)
    return noise + np.float32(0.8) * rng.standard_normal((height, width, 1), np.float32)


def _vignette(height: int, width: int, strength: float) -> np.ndarray:
    x = np.linspace(-1, 1, width, dtype=np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    return (1 - np.float32(strength / 2) * (x * x + y * y))[..., None]


def _blur(image: np.ndarray, rng: np.random.Generator, scale: float) -> np.ndarray:
    kind = rng.random()
    if kind < 0.35:
        return cv2.GaussianBlur(image, (0, 0), scale * rng.uniform(0.3, 1.2))
    if kind < 0.42:  # camera shake along a line
        length = max(3, round(scale * rng.uniform(3, 7))) | 1
        kernel = np.zeros((length, length), np.float32)
        angle = rng.uniform(0, math.pi)
        reach = np.array([math.cos(angle), math.sin(angle)]) * (length // 2)
        middle = np.array([length // 2, length // 2])
        ends = [tuple(int(v) for v in np.rint(middle + s * reach)) for s in (-1, 1)]
        cv2.line(kernel, ends[0], ends[1], 1.0)
        return cv2.filter2D(image, -1, kernel / kernel.sum())
    return image


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    encoded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert decoded is not None, "what was just encoded can be decoded"
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
