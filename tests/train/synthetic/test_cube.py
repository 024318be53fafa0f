import cv2
import numpy as np
import pytest
from PIL import Image

from portraitnet.train.synthetic.camera import camera_intrinsics, look_at, project_points, warp
from portraitnet.train.synthetic.cube import cube, cube_edges, draw_camera, draw_cube, reported_similarity


def test_the_reports_similarity_is_opencvs_to_the_pixel():
    """s 0.5, 45 degrees, t (50, -50), by getRotationMatrix2D and warpAffine."""
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 255, (120, 160, 3)).astype(np.uint8), (0, 0), 3)
    matrix = cv2.getRotationMatrix2D((79.5, 59.5), 45, 0.5)
    matrix[:, 2] += (50, -50)
    np.testing.assert_allclose(reported_similarity((120, 160)), matrix, atol=1e-9)
    np.testing.assert_array_equal(
        warp(image, reported_similarity((120, 160))), cv2.warpAffine(image, matrix, (160, 120))
    )


def test_a_cube_has_twelve_edges_of_one_length():
    corners, edges = cube((1, 2, 3), 0.5), cube_edges()
    assert len(edges) == len(set(edges)) == 12
    assert [np.linalg.norm(corners[a] - corners[b]) for a, b in edges] == pytest.approx([0.5] * 12)
    np.testing.assert_allclose(corners.mean(0), (1, 2, 3))


def test_edges_are_drawn_where_the_corners_project():
    K = camera_intrinsics((200, 200), focal_mm=35)
    R, t = look_at(np.array([0.5, -0.5, -1.5]), np.zeros(3))
    corners = cube((0, 0, 0), 0.3)
    drawn = draw_cube(np.zeros((200, 200, 3), np.uint8), corners, K, R, t)
    pixels, _ = project_points(corners, K, R, t)
    for a, b in cube_edges():
        for share in (0, 0.5, 1):  # perspective keeps lines straight
            x, y = np.rint(pixels[a] + share * (pixels[b] - pixels[a])).astype(int)
            assert drawn[y - 1 : y + 2, x - 1 : x + 2].max() > 100
    assert (drawn.max(2) > 0).mean() < 0.2
    behind = draw_cube(np.zeros((200, 200, 3), np.uint8), corners - [0, 0, 9], K, np.eye(3), np.zeros(3))
    assert not behind.any()


def test_the_drawing_is_written(tmp_path):
    assert np.asarray(Image.open(draw_camera(tmp_path / "camera.png", 96))).shape == (96, 288, 3)
