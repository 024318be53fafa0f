"""A person made of ellipsoids: skull, face, hair, neck, clothes, arms and what is worn.

In the person's own frame, in metres: the origin is the middle of the head, x to the picture's right when the
person faces the camera, y down, z away from the camera, so a face looks along -z.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from . import textures
from .camera import rotation
from .shapes import Ellipsoid, Material
from .textures import TILE, TileSheet

HEAD_HEIGHT = 0.25

# sRGB, from the lightest to the darkest; people lie anywhere between two neighbours.
_SKIN = ((246, 214, 192), (236, 190, 160), (214, 160, 122), (181, 126, 88), (136, 88, 58), (92, 58, 40), (58, 38, 30))
_HAIR = (
    *((18, 15, 14), (30, 22, 18), (52, 34, 24), (85, 55, 34), (130, 88, 50), (190, 150, 95), (226, 200, 150)),
    *((140, 60, 30), (125, 122, 120), (200, 198, 196)),
)
_NECK = np.array([0.0, 0.09, 0.02])
_RIGHT, _FORWARD = np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])
_SHOULDERS_UP = np.array([0.0, -0.03, 0.0])

Vector = tuple[float, float, float]


def linear(colour: tuple[float, float, float] | np.ndarray) -> Vector:
    """sRGB 0..255 -> linear 0..1, with the same square that the sensor's curve undoes."""
    red, green, blue = (np.asarray(colour, float) / 255) ** 2
    return float(red), float(green), float(blue)


def ball(centre: Vector, radii: Vector, material: Material, rough: float = 0.0, shadow: bool = False) -> Ellipsoid:
    """Ellipsoid along the axes."""
    return Ellipsoid(np.array(centre, float), np.diag(np.array(radii, float)), material, rough, shadow)


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """np.cross for two single vectors, without its overhead: there are dozens per person."""
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def limb(start: np.ndarray, end: np.ndarray, radius: float, material: Material, rough: float = 0.0) -> Ellipsoid:
    """Ellipsoid from a little before `start` to a little after `end`."""
    along = (np.asarray(end, float) - start) / 2
    direction = along / np.linalg.norm(along)
    # The z axis where possible: then a cloth's u and v run across and along the limb.
    side = cross(direction, _FORWARD if abs(direction[2]) < 0.9 else _RIGHT)
    side /= np.linalg.norm(side)
    axes = np.column_stack([side * radius, along * 1.2, cross(side, direction) * radius])
    return Ellipsoid(np.asarray(start, float) + along, axes, material, rough)


@dataclass(frozen=True)
class _Looks:
    """What is drawn once per person and shared by the parts."""

    skin: Material
    face: Material
    hair: Material
    cloth: Material
    sleeve: Material
    second: Material
    curl: float  # roughness of the hair


def build_person(rng: np.random.Generator, sheet: TileSheet) -> list[Ellipsoid]:
    """A random person's ellipsoids; every one of their materials says `person`."""
    looks = _draw_looks(rng, sheet)
    turn = rotation(*(rng.normal(0, 1, 3) * (0.4, 0.15, 0.12)))
    head = [*_head(rng, looks), *_hair(rng, looks), *_worn(rng, looks)]
    posed = [part.moved(turn, _NECK - turn @ _NECK) for part in head]
    build = rng.uniform(0.85, 1.25), rng.uniform(0.85, 1.1)
    trunk = [*_body(rng, looks, *build), *_arms(rng, looks, build[0])]
    parts = [*posed, *(part.moved(np.eye(3), _SHOULDERS_UP) for part in trunk)]
    lean = rotation(yaw=rng.normal(0, 0.4), pitch=rng.normal(0, 0.06), roll=rng.normal(0, 0.07))
    size = rng.uniform(0.85, 1.08)
    return [part.moved(size * lean, np.zeros(3)) for part in parts]


def _draw_looks(rng: np.random.Generator, sheet: TileSheet) -> _Looks:
    tone = rng.uniform(0, len(_SKIN) - 1.001)
    low, high = np.array(_SKIN[int(tone)], float), np.array(_SKIN[int(tone) + 1], float)
    skin = np.clip(low + (high - low) * (tone % 1) + rng.normal(0, 5, 3), 20, 255)
    hair = np.array(_HAIR[int(rng.integers(len(_HAIR)))], float) * rng.uniform(0.8, 1.2)
    if rng.random() < 0.07:
        hair = np.array(textures.random_colour(rng, 1.0), float)
    tint, shine = linear(skin), rng.uniform(0.02, 0.2)
    face = Material(sheet.add(_paint_face(rng, skin, hair)), gloss=shine, person=True)
    flesh = Material(sheet.add(textures.plain(rng, mottle=0.04)), tint, None, shine, person=True)
    locks = sheet.add(textures.strands(rng, rng.uniform(0.05, 0.35)))
    mane = Material(locks, linear(np.clip(hair, 8, 255)), 0.12, rng.uniform(0, 0.25), person=True, hair=True)
    cloth = _cloth(rng, sheet)
    sleeve = flesh if rng.random() < 0.15 else cloth
    return _Looks(flesh, face, mane, cloth, sleeve, _cloth(rng, sheet), rng.choice([0.02, 0.06, 0.14]))


def _cloth(rng: np.random.Generator, sheet: TileSheet) -> Material:
    if rng.random() < 0.55:
        tile = textures.plain(rng, textures.random_colour(rng, 0.8), rng.uniform(0.02, 0.1))
    else:
        tile = textures.pick(rng, textures.CLOTHES)
    return Material(sheet.add(tile), period=rng.uniform(0.12, 0.5), gloss=rng.uniform(0, 0.05), person=True)


def _paint_face(rng: np.random.Generator, skin: np.ndarray, hair: np.ndarray) -> np.ndarray:
    """A face as seen from the front, mapped once onto the face ellipsoid, whose front is the tile's centre."""
    tile = textures.plain(rng, (int(skin[0]), int(skin[1]), int(skin[2])), 0.03)
    middle, dark = TILE // 2, (skin * 0.55).tolist()
    blush = np.zeros((TILE, TILE), np.float32)
    eye_y, gap = 60 + int(rng.integers(-3, 4)), int(rng.integers(19, 25))
    mouth_y, breadth = 94 + int(rng.integers(-3, 4)), int(rng.integers(11, 18))
    lips = np.clip(skin * (0.85, 0.55, 0.55) + rng.uniform(-10, 40) * np.array([1.0, 0, 0.2]), 0, 255).tolist()
    iris = textures.random_colour(rng, 0.5)
    glasses = rng.random()
    for side in (-1, 1):
        eye = (middle + side * gap, eye_y)
        cv2.circle(blush, (middle + side * 27, 80), 13, 1.0, -1)
        cv2.ellipse(tile, eye, (12, 8), 0, 0, 360, (skin * 0.82).tolist(), -1, cv2.LINE_AA)
        cv2.ellipse(tile, eye, (8, int(rng.integers(2, 5))), 0, 0, 360, (235, 232, 228), -1, cv2.LINE_AA)
        cv2.circle(tile, eye, 3, (np.array(iris) * 0.5).tolist(), -1, cv2.LINE_AA)
        brow = (eye[0], eye_y - 13)
        cv2.ellipse(tile, brow, (12, 3), side * 8, 180, 360, hair.tolist(), 2, cv2.LINE_AA)
        cv2.circle(tile, (middle + side * 5, 79), 2, dark, -1, cv2.LINE_AA)
    cv2.ellipse(tile, (middle, mouth_y), (breadth, int(rng.integers(3, 6))), 0, 0, 360, lips, -1, cv2.LINE_AA)
    if rng.random() < 0.35:
        cv2.ellipse(tile, (middle, mouth_y), (breadth - 3, 3), 0, 0, 180, (240, 236, 230), -1, cv2.LINE_AA)
    else:
        cv2.line(tile, (middle - breadth, mouth_y), (middle + breadth, mouth_y), dark, 1, cv2.LINE_AA)
    blush = cv2.GaussianBlur(blush, (0, 0), 7)[..., None] * rng.uniform(0, 0.25)
    tile = (tile + ((225, 90, 85) - tile) * blush).astype(np.uint8)
    if glasses < 0.3:
        frame, lens = textures.random_colour(rng, 0.5), (18, int(rng.integers(11, 17)))
        for side in (-1, 1):
            place = (middle + side * gap, eye_y + 1)
            if glasses < 0.07:
                cv2.ellipse(tile, place, lens, 0, 0, 360, (25, 25, 30), -1, cv2.LINE_AA)
            cv2.ellipse(tile, place, lens, 0, 0, 360, frame, int(rng.integers(2, 4)), cv2.LINE_AA)
            cv2.line(tile, (place[0] + side * 18, eye_y), (middle + side * 63, eye_y - 2), frame, 2)
        cv2.line(tile, (middle - 7, eye_y), (middle + 7, eye_y), frame, 2)
    return tile


def _head(rng: np.random.Generator, looks: _Looks) -> list[Ellipsoid]:
    breadth = rng.uniform(0.92, 1.1)
    parts = [
        ball((0, -0.04, 0.022), (0.076 * breadth, 0.082, 0.094), looks.skin, shadow=True),
        ball((0, 0.003, -0.01), (0.071 * breadth, 0.117, 0.085), looks.face),
        ball((0, 0.066, -0.022), (0.05 * breadth, 0.046, 0.055), replace(looks.skin, gloss=0.0)),
        ball((0, 0.018, -0.094), (0.014, rng.uniform(0.02, 0.03), 0.02), looks.skin),
    ]
    parts += [ball((s * 0.077 * breadth, 0.004, 0.012), (0.012, 0.031, 0.02), looks.skin) for s in (-1, 1)]
    return parts


def _hair(rng: np.random.Generator, looks: _Looks) -> list[Ellipsoid]:
    kind, volume, curl = rng.random(), rng.uniform(1.0, 1.14), looks.curl
    beard = rng.random() < 0.18
    parts = []
    if kind > 0.08:  # else bald
        if kind < 0.18:
            volume *= rng.uniform(1.15, 1.45)  # a big round head of hair
        raised = 0.055 + 0.04 * (volume - 1)
        radii = (0.083 * volume, 0.08 * volume, 0.098 * volume)
        parts.append(ball((0, -raised, 0.034 + 0.05 * (volume - 1)), radii, looks.hair, curl, True))
        for side in (-1, 1):  # temples
            parts.append(ball((side * 0.07, -0.03, 0.02), (0.017, 0.05, 0.05), looks.hair, curl))
    if kind > 0.55:  # long
        length, beard = rng.uniform(0.1, 0.24), False
        parts.append(ball((0, length * 0.5, 0.06), (0.1, length + 0.03, 0.055), looks.hair, curl, True))
        front = rng.uniform(-0.03, 0.04)
        for side in (-1, 1):
            place = (side * rng.uniform(0.075, 0.09), length * 0.55, front)
            parts.append(ball(place, (0.03, length * rng.uniform(0.7, 1.05), 0.045), looks.hair, curl))
    elif kind > 0.47:  # tied
        parts.append(ball((0, -0.12, 0.07), (0.045, 0.045, 0.045), looks.hair, curl))
    if kind > 0.08 and rng.random() < 0.4:  # fringe
        place = (rng.uniform(-0.02, 0.02), -0.085, -0.05)
        parts.append(ball(place, (0.06, rng.uniform(0.025, 0.04), 0.035), looks.hair, curl))
    if beard:
        parts.append(ball((0, 0.085, -0.032), (0.058, 0.042, 0.055), looks.hair, max(curl, 0.06)))
    return parts


def _worn(rng: np.random.Generator, looks: _Looks) -> list[Ellipsoid]:
    kind = rng.random()
    if kind < 0.05:  # woollen hat
        return [ball((0, -0.08, 0.022), (0.089, 0.075, 0.104), looks.second, 0.03)]
    if kind < 0.1:  # cap with a peak, or a brim all round
        brim = (0.075, 0.012, 0.07) if rng.random() < 0.6 else (0.15, 0.012, 0.16)
        place = (0.0, -0.072, -0.1) if brim[0] < 0.1 else (0.0, -0.075, 0.01)
        return [ball((0, -0.085, 0.02), (0.088, 0.062, 0.103), looks.second), ball(place, brim, looks.second)]
    if kind < 0.15:  # headphones
        band = ball((0, -0.02, 0.02), (0.103, 0.125, 0.016), looks.second)
        return [band] + [ball((s * 0.093, 0.0, 0.015), (0.022, 0.042, 0.038), looks.second) for s in (-1, 1)]
    if kind < 0.19:  # headscarf
        cover = ball((0, -0.02, 0.045), (0.097, 0.132, 0.115), looks.second, 0.02)
        return [cover, ball((0, 0.14, 0.01), (0.1, 0.09, 0.085), looks.second, 0.03)]
    return []


def _body(rng: np.random.Generator, looks: _Looks, breadth: float, deep: float) -> list[Ellipsoid]:
    cloth, fold = looks.cloth, rng.uniform(0, 0.03)
    neck = rng.uniform(0.047, 0.06)
    parts = [
        limb(np.array([0, 0.04, 0.025]), np.array([0, 0.2, 0.035]), neck, looks.skin),
        limb(np.array([-0.17 * breadth, 0.255, 0.04]), np.array([0.17 * breadth, 0.255, 0.04]), 0.075, cloth, fold),
        ball((0, 0.43, 0.04), (0.185 * breadth, 0.25, 0.115 * deep), cloth, fold, True),
        ball((0, 0.7, 0.04), (0.165 * breadth, 0.26, 0.115 * deep), cloth, fold),
        ball((0, 0.92, 0.04), (0.18 * breadth, 0.15, 0.12 * deep), looks.second),
    ]
    for side in (-1, 1):
        shoulder = np.array([side * 0.17 * breadth, 0.25, 0.04])
        parts.append(limb(np.array([side * 0.03, 0.165, 0.035]), shoulder, 0.05, cloth, fold))
        hip, knee = np.array([side * 0.09 * breadth, 0.95, 0.04]), np.array([side * 0.1 * breadth, 1.35, 0.0])
        parts.append(limb(hip, knee, 0.085, looks.second))
        parts.append(limb(knee, knee + (0, 0.42, 0.05), 0.06, looks.second))
    neckline = rng.random()
    if neckline < 0.45:  # open neck
        deepness = rng.uniform(0.03, 0.09)
        parts.append(ball((0, 0.225, 0.022), (0.062, deepness, 0.06), looks.skin))
    elif neckline < 0.65:  # shirt under a jacket, with or without a tie
        parts.append(ball((0, 0.36, -0.025), (0.05, 0.19, 0.08 * deep), looks.second))
        if rng.random() < 0.5:
            parts.append(ball((0, 0.37, -0.075 * deep), (0.018, 0.15, 0.04), replace(cloth, tint=(0.5, 0.2, 0.2))))
    elif neckline < 0.85:  # collar, hood or scarf
        parts.append(ball((0, 0.19, 0.035), (0.075, 0.04, 0.072), looks.second, fold))
    return parts


def _arms(rng: np.random.Generator, looks: _Looks, breadth: float) -> list[Ellipsoid]:
    parts = []
    for side in (-1, 1):
        flip = np.array([side, 1, 1])
        shoulder = np.array([0.195 * breadth, 0.27, 0.04])
        pose, jitter = rng.random(), rng.normal(0, 0.02, 3)
        if pose > 0.42:  # down
            elbow = shoulder + (0.05, 0.28, 0.03) + jitter
            wrist = elbow + (-0.02, 0.24, -0.06)
        elif pose > 0.25:  # on a desk or crossed
            elbow = shoulder + (0.06, 0.25, -0.04) + jitter
            wrist = elbow + (-0.15, 0.02, -0.18)
        elif pose > 0.14:  # waving
            elbow = shoulder + (0.16, 0.13, -0.08) + jitter
            wrist = elbow + (0.03, -0.24, -0.06)
        elif pose > 0.06:  # hand at the chin
            elbow = shoulder + (-0.03, 0.22, -0.15) + jitter
            wrist = np.array([0.05, 0.16, -0.12]) + jitter
        else:  # reaching for the camera
            elbow = shoulder + (0.1, 0.06, -0.22) + jitter
            wrist = elbow + (0.07, -0.03, -0.22)
        shoulder, elbow, wrist = shoulder * flip, elbow * flip, wrist * flip
        direction = (wrist - elbow) / np.linalg.norm(wrist - elbow)
        forearm = looks.skin if rng.random() < 0.3 else looks.sleeve
        parts.append(limb(shoulder, elbow, 0.058, looks.sleeve, 0.02))
        parts.append(limb(elbow, wrist, 0.043, forearm, 0.02))
        palm = wrist + direction * 0.06
        parts.append(limb(wrist, palm, 0.037, looks.skin))
        if pose < 0.25:
            across = cross(direction, _FORWARD) + 1e-6
            for finger in (-0.024, -0.008, 0.008, 0.024):
                root = palm + across / np.linalg.norm(across) * finger
                parts.append(limb(root, root + direction * 0.07 + across * finger, 0.0095, looks.skin))
    return parts
