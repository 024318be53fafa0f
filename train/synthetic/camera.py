"""The pinhole camera: focal length to pixels, poses, projection, and the 2-D warps of a picture.

Conventions, everywhere in this package: right-handed axes, x right, y down, z forward; metres and radians.
Pixel (0, 0) is the centre of the top left pixel, as in OpenCV, so a picture of width w has its middle at
(w - 1) / 2. Sizes are (height, width).
"""

from __future__ import annotations

import math

import cv2
import numpy as np

FULL_FRAME_MM = 36.0


def camera_intrinsics(size: tuple[int, int], focal_mm: float, sensor_mm: float = FULL_FRAME_MM) -> np.ndarray:
    """The 3x3 matrix K of a camera with square pixels and the principal point in the middle.

    `sensor_mm` is what the longer side of the picture spans on the sensor; with its default, `focal_mm` is the
    35 mm equivalent that phones state. K maps camera coordinates in metres to pixels after division by depth.
    """
    height, width = size
    if min(height, width) < 1 or focal_mm <= 0 or sensor_mm <= 0:
        raise ValueError(f"size, focal length and sensor must be positive: {size}, {focal_mm}, {sensor_mm}")
    focal = focal_mm / sensor_mm * max(height, width)
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])


def rotation(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """3x3 rotation: roll about z, then pitch about x, then yaw about y.

    Positive yaw turns the forward axis to the right, pitch turns it up, roll turns right to down (clockwise
    in the picture).
    """
    (cy, sy), (cp, sp), (cr, sr) = ((math.cos(a), math.sin(a)) for a in (yaw, pitch, roll))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_y @ about_x @ about_z


def look_at(eye: np.ndarray, target: np.ndarray, roll: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """World-to-camera pose (R 3x3, t 3) of a camera at `eye` that sees `target` in the middle, world y down.

    Positive `roll` turns the camera clockwise, so the picture turns anticlockwise. Raises ValueError when the
    line of sight is vertical: then up is undefined.
    """
    forward = np.asarray(target, float) - np.asarray(eye, float)
    right = np.cross([0.0, 1.0, 0.0], forward)
    if np.linalg.norm(right) < 1e-9 * max(1.0, float(np.linalg.norm(forward))):
        raise ValueError("the camera looks straight up, straight down or at itself: up is undefined")
    forward, right = forward / np.linalg.norm(forward), right / np.linalg.norm(right)
    down = np.cross(forward, right)
    R = rotation(roll=roll).T @ np.stack([right, down, forward])
    return R, -R @ np.asarray(eye, float)


def project_points(
    points: np.ndarray, K: np.ndarray, R: np.ndarray | None = None, t: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """World points N x 3 -> pixels N x 2 (x, y) and depths N in metres.

    A point that is not in front of the camera (depth <= 0) has no picture: its pixel is NaN.
    """
    points = np.asarray(points, float).reshape(-1, 3)
    seen = points @ (np.eye(3) if R is None else R).T + (0.0 if t is None else t)
    depth = seen[:, 2]
    divisor = np.where(depth > 0, depth, np.nan)[:, None]
    return (seen @ K.T)[:, :2] / divisor, depth


def unproject(pixel: tuple[float, float], depth: float, K: np.ndarray) -> np.ndarray:
    """The point in camera coordinates (3, metres) that is seen at `pixel` (x, y) at `depth`."""
    return depth * np.linalg.solve(K, np.array([pixel[0], pixel[1], 1.0]))


def similarity(
    scale: float = 1.0,
    theta: float = 0.0,
    tx: float = 0.0,
    ty: float = 0.0,
    centre: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """2x3 matrix: scale and turn by `theta` (clockwise on the screen) about `centre`, then shift by (tx, ty) pixels."""
    c, s = scale * math.cos(theta), scale * math.sin(theta)
    linear = np.array([[c, -s], [s, c]])
    middle = np.asarray(centre, float)
    return np.column_stack([linear, middle + (tx, ty) - linear @ middle])


def invert_affine(matrix: np.ndarray) -> np.ndarray:
    """The 2x3 matrix that undoes a 2x3 `matrix`."""
    inverse = np.linalg.inv(matrix[:, :2])
    return np.column_stack([inverse, -inverse @ matrix[:, 2]])


def transform_points(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points N x 2 (x, y) moved by a 2x3 `matrix`."""
    return np.asarray(points, float).reshape(-1, 2) @ matrix[:, :2].T + matrix[:, 2]


def warp(
    image: np.ndarray,
    matrix: np.ndarray,
    size: tuple[int, int] | None = None,
    fill: int | tuple[int, int, int] = 0,
    nearest: bool = False,
) -> np.ndarray:
    """Move a picture by a 2x3 `matrix` (source pixel -> result pixel); `nearest` for label masks."""
    height, width = size or image.shape[:2]
    return cv2.warpAffine(
        image,
        matrix,
        (width, height),
        flags=cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=fill if isinstance(fill, tuple) else (fill,) * 4,
    )
