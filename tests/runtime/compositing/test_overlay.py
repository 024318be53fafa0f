import numpy as np
import pytest

from portraitnet.runtime.compositing.overlay import write_line


@pytest.mark.parametrize("size", [(200, 200), (10, 30), (1, 1)])
def test_a_line_is_readable_on_any_ground_and_never_too_long(size):
    for ground in (0, 255):
        picture = np.full((*size, 3), ground, np.uint8)
        write_line(picture, "Grüße " * 30, 0.4)
        if size[0] > 100:
            assert picture[:30, :150].max() > 200
            assert picture[:30, :150].min() < 70
        assert (picture[40:] == ground).all()
