"""The pinhole camera against OpenCV's and against values worked out by hand."""

import math

import cv2
import numpy as np
import pytest

from portraitnet.train.synthetic import camera


def test_intrinsics_by_hand():
    K = camera.camera_intrinsics((100, 200), focal_mm=36)
    assert K.tolist() == [[200, 0, 99.5], [0, 200, 49.5], [0, 0, 1]]
    half_view = math.degrees(math.atan(100 / camera.camera_intrinsics((100, 200), 50)[0, 0]))
    assert 2 * half_view == pytest.approx(39.6, abs=0.05)  # what lens makers state for 50 mm
    with pytest.raises(ValueError, match="positive"):
        camera.camera_intrinsics((100, 200), focal_mm=0)


def test_projection_by_hand():
    K = camera.camera_intrinsics((100, 200), focal_mm=36)
    pixels, depth = camera.project_points(np.array([[0, 0, 2], [1, 0.5, 4], [0, 0, -1], [0, 0, 0]]), K)
    np.testing.assert_allclose(pixels[:2], [[99.5, 49.5], [149.5, 74.5]])
    assert np.isnan(pixels[2:]).all()
    assert depth.tolist() == [2, 4, -1, 0]
    np.testing.assert_allclose(camera.unproject((149.5, 74.5), 4, K), [1, 0.5, 4])


def test_projection_agrees_with_opencv():
    rng = np.random.default_rng(0)
    K = camera.camera_intrinsics((480, 640), focal_mm=28)
    R, t = camera.rotation(0.3, -0.2, 0.5), np.array([0.1, -0.3, 5.0])
    points = rng.uniform(-1, 1, (50, 3))
    expected = cv2.projectPoints(points, cv2.Rodrigues(R)[0], t, K, None)[0][:, 0]
    np.testing.assert_allclose(camera.project_points(points, K, R, t)[0], expected, atol=1e-9)


def test_directions_of_the_angles():
    turn = math.pi / 2
    forward, right = np.array([0, 0, 1]), np.array([1, 0, 0])
    np.testing.assert_allclose(camera.rotation(yaw=turn) @ forward, [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(camera.rotation(pitch=turn) @ forward, [0, -1, 0], atol=1e-12)
    np.testing.assert_allclose(camera.rotation(roll=turn) @ right, [0, 1, 0], atol=1e-12)
    R = camera.rotation(0.4, 1.1, -2)
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(R) == pytest.approx(1)


def test_look_at_puts_the_target_in_the_middle_and_up_upwards():
    K = camera.camera_intrinsics((101, 201), focal_mm=50)
    eye, target = np.array([1.0, -2.0, 3.0]), np.array([-1.0, 0.5, 8.0])
    R, t = camera.look_at(eye, target)
    above = target + (0, -0.1, 0)
    pixels, depth = camera.project_points(np.stack([target, above]), K, R, t)
    np.testing.assert_allclose(pixels[0], [100, 50], atol=1e-9)
    assert depth[0] == pytest.approx(np.linalg.norm(target - eye))
    assert pixels[1, 0] == pytest.approx(100)
    assert pixels[1, 1] < 50
    rolled = camera.project_points(above, K, *camera.look_at(eye, target, roll=0.3))[0][0]
    assert rolled[0] < 100  # the camera turns clockwise, so the picture turns the other way
    with pytest.raises(ValueError, match="straight"):
        camera.look_at(eye, eye + (0, 3, 0))


def test_similarity_by_hand_inverse_and_opencv():
    quarter = camera.similarity(2, math.pi / 2, 10, 20)
    np.testing.assert_allclose(camera.transform_points(quarter, [[1, 0], [0, 1]]), [[10, 22], [8, 20]])
    about = camera.similarity(1.5, 0.4, tx=3, ty=-1, centre=(50, 40))
    np.testing.assert_allclose(camera.transform_points(about, [[50, 40]]), [[53, 39]])
    expected = cv2.getRotationMatrix2D((50, 40), -math.degrees(0.4), 1.5) + [[0, 0, 3], [0, 0, -1]]
    np.testing.assert_allclose(about, expected, atol=1e-9)
    points = np.random.default_rng(1).uniform(-5, 5, (9, 2))
    back = camera.transform_points(camera.invert_affine(about), camera.transform_points(about, points))
    np.testing.assert_allclose(back, points)


def test_warp_moves_pixels_where_the_matrix_says():
    image = np.zeros((20, 30), np.uint8)
    image[4, 6] = 9
    quarter = camera.similarity(1, math.pi / 2, 0, 0, centre=(10, 10))
    x, y = camera.transform_points(quarter, [[6, 4]])[0].round().astype(int)
    moved = camera.warp(image, quarter, size=(25, 25), nearest=True)
    assert moved.shape == (25, 25)
    assert np.argwhere(moved).tolist() == [[y, x]]
    shifted = camera.warp(np.zeros((4, 4, 3), np.uint8), camera.similarity(tx=2), fill=(1, 2, 3))
    assert shifted[0, 0].tolist() == [1, 2, 3]
    assert shifted[0, 3].tolist() == [0, 0, 0]
