import pytest
import torch

from portraitnet.train.data import augment
from portraitnet.train.data.draws import draw
from portraitnet.train.recipe import AugmentSpec, SourceSpec

ONES = (1.0, 1.0)
NOISE_ALONE = {"colour": ONES, "brightness": ONES, "contrast": ONES, "sharpness": ONES, "blur": ()}


@pytest.mark.parametrize("thickness", [2, 4])
def test_the_boundary_of_a_straight_outline_is_exactly_as_thick(thickness):
    labels = torch.zeros(1, 32, 32, dtype=torch.uint8)
    labels[:, :, 16:] = 1
    edge = augment.edge_of(labels, thickness)[0]
    columns = edge.nonzero()[:, 1].unique().tolist()
    assert columns == list(range(16 - thickness // 2, 16 + thickness // 2))
    assert edge.sum() == 32 * thickness


def test_the_boundary_label_of_a_batch_is_the_papers_four_pixels():
    labels = torch.zeros(1, 32, 32, dtype=torch.uint8)
    labels[:, 16:] = 1
    assert augment.edge_of(labels).sum() == 32 * 4


def test_noise_has_the_drawn_deviation():
    spec = AugmentSpec(noise=10, **NOISE_ALONE)
    _, draws = draw(0, 0, 4, [5], [SourceSpec("folder")], spec)
    grey = torch.full((4, 3, 96, 96), 128.0)
    noisy = augment.random_texture(grey, draws)
    assert draws.noise.max() > 5  # of at most 10
    torch.testing.assert_close((noisy - grey).flatten(1).std(1), draws.noise, rtol=0.03, atol=0.01)
    assert (noisy - grey).mean().abs() < 0.2


def test_noise_is_drawn_between_none_and_the_most():
    draws = [
        draw(seed, 0, 64, [5], [SourceSpec("folder")], AugmentSpec(noise=10, **NOISE_ALONE))[1].noise for seed in (0, 1)
    ]
    noise = torch.cat(draws)
    assert noise.min() < 1
    assert 9 < noise.max() < 10
    assert noise.mean() == pytest.approx(5, abs=0.8)
