import numpy as np

from portraitnet.runtime.compositing.levels import BLACK, WHITE, levels


def test_levels_make_the_extremes_nothing_and_all_and_leave_one_half():
    alpha = np.array([[-0.2, 0.0, BLACK, 0.5, WHITE, 1.0, 1.3]], np.float32)
    found = levels(alpha)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found[0, [0, 1, 2, 4, 5, 6]], [0, 0, 0, 255, 255, 255])
    assert abs(int(found[0, 3]) - 127.5) <= 1
    assert (np.diff(levels(np.linspace(0, 1, 1001, dtype=np.float32)[None]).astype(int)) >= 0).all()
