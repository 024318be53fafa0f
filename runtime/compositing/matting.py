"""Alpha of stills by closed-form matting (Levin, Lischinski and Weiss, 2008), by PyMatting (Germer et al., 2020).

The network's alpha, refined, makes a trimap: surely the person, surely not, unknown between. It stays a prior for the
unknown pixels as well, the weaker the less sure it is: without one, alpha runs along hair into a background of its
colour. PyMatting is an extra, and takes seconds for a picture.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np

from ..errors import InputError
from ..geometry import resize
from ..notices import notice

# Chosen on a quarter of the rendered portraits, measured on all (docs/benchmarks/accuracy.md).
_LONGEST = 1024  # side, in pixels, of the picture on which the equations are solved
_SURE = 0.95  # alpha from which a pixel may surely be the person's; below 1 less that, surely the background's
_INSIDE, _OUTSIDE = 0.010, 0.020  # shares of the diagonal that the unknown band reaches into those pixels
_PRIOR, _LEAST_PRIOR = 0.01, 1e-6  # weight of a network's alpha that is sure, and of one that is not
_FLAT = 1e-6  # colour variance (of 1) below which a window counts as flat
_TOLERANCE, _MOST_STEPS = 1e-4, 2000  # of the solver
_SHIFTS = (1e-3, 1e-2, 0.1)  # of the preconditioner's diagonal, tried in turn; PyMatting complains of smaller ones


def check_matting() -> None:
    """Raise InputError where PyMatting is not installed."""
    _pymatting()


def trimap_of(alpha: np.ndarray) -> np.ndarray:
    """uint8 height x width: 0 background, 255 person, 128 unknown; from a network's alpha (uint8, as levelled)."""
    diagonal = math.hypot(*alpha.shape)
    person = cv2.erode((alpha >= _SURE * 255).view(np.uint8), _ellipse(_INSIDE * diagonal))
    behind = cv2.erode((alpha <= (1 - _SURE) * 255).view(np.uint8), _ellipse(_OUTSIDE * diagonal))
    trimap = np.full(alpha.shape, 128, np.uint8)
    trimap[person > 0], trimap[behind > 0] = 255, 0
    return trimap


def matted_alpha(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """uint8 alpha height x width of `image` (uint8 height x width x 3), from a refined alpha (uint8) of that size.

    The equations are solved on at most 1024 pixels; a larger picture's alpha grows from there. Where the trimap is
    all person or all background, or they have no solution, alpha stays as it is; a notice tells of the latter.
    """
    size = image.shape[:2]
    scale = min(1.0, _LONGEST / max(size))
    working = max(1, round(scale * size[0])), max(1, round(scale * size[1]))
    small, prior = resize(image, working), resize(alpha, working)
    trimap = trimap_of(prior)
    if not {0, 128, 255} <= set(np.unique(trimap).tolist()):
        return alpha
    try:
        found = _solve(small, trimap, prior)
    except ValueError as error:
        notice(f"matting found no solution ({error}); the network's alpha is used")
        return alpha
    return resize(found, size)


def own_colours(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """`image` (uint8 height x width x 3) with the person's own colours wherever `alpha` (uint8) is above 0.

    Estimated over all scales at once (Germer, Uelwer, Conrad and Harmeling, 2020).
    """
    colours = _pymatting().estimate_foreground_ml(image / np.float32(255), alpha / np.float32(255))
    return np.where((alpha > 0)[..., None], np.rint(255 * colours).astype(np.uint8), image)


def _solve(image: np.ndarray, trimap: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """uint8 alpha: of known pixels the trimap's, of the others what the matting Laplacian and the prior agree on."""
    from scipy.sparse import diags

    pymatting = _pymatting()
    known = (trimap != 128).ravel()
    alpha = (trimap == 255).ravel().astype(np.float64)
    guess = prior.ravel()[~known] / 255
    weight = _PRIOR * (2 * guess - 1) ** 2 + _LEAST_PRIOR
    rows = pymatting.cf_laplacian(image / 255, epsilon=_FLAT, is_known=known)[~known]
    system = (rows[:, ~known] + diags(weight)).tocsr()
    wanted = weight * guess - rows[:, known] @ alpha[known]
    alpha[~known] = pymatting.cg(
        system,
        wanted,
        x0=guess,
        M=pymatting.ichol(system, shifts=_SHIFTS),
        rtol=_TOLERANCE,
        maxiter=_MOST_STEPS,
    )
    return np.rint(255 * np.clip(alpha, 0, 1)).astype(np.uint8).reshape(trimap.shape)


def _pymatting() -> Any:
    try:
        import pymatting
    except ImportError as error:
        raise InputError("--matting needs pymatting; install it with: pip install 'portraitnet[matting]'") from error
    return pymatting


def _ellipse(radius: float) -> np.ndarray:
    side = 2 * max(1, round(radius)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
