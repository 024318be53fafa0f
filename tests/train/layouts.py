"""Small trees in the layouts of the public data sets, with the real ones' pitfalls."""

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 30, 40
DAYS = ("1803151818", "1803201916", "1803241125", "1804031620")


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def picture(path, shade=100, size=(HEIGHT, WIDTH)):
    save(path, np.full((*size, 3), shade, np.uint8))


def mask(path, *values, size=(HEIGHT, WIDTH)):
    """Rows of a mask hold `values` from the top, the rest is 0."""
    array = np.zeros(size, np.uint8)
    for row, value in enumerate(values):
        array[row] = value
    save(path, array)


def supervise(root):
    for part in ("1", "12"):
        for name in ("a.png", "b.jpg"):
            folder = root / "Supervisely_face" / f"SuperviselyPerson_ds{part}"
            picture(folder / "img" / name, shade=int(part) * 10 + len(name))
            soft = np.zeros((HEIGHT, WIDTH), np.uint8)
            soft[:16] = 255
            save(folder / "ann" / name, soft)
    return root


def aisegment(root):
    for day in DAYS:
        for name in ("00003", "00017"):
            picture(root / "clip_img" / day / "clip_00000000" / f"{day}-{name}.jpg")
            alpha = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
            alpha[0, :, 3], alpha[1, :, 3], alpha[2, :, 3] = 255, 128, 127
            alpha[..., :3] = 77  # colours that say nothing
            save(root / "matting" / day / "matting_00000000" / f"{day}-{name}.png", alpha)
        (root / "matting" / day / "matting_00000000" / f"._{day}-00003.png").write_bytes(b"\0\5\26\7Mac OS X")
        (root / "clip_img" / day / "clip_00000000" / f"._{day}-00003.jpg").write_bytes(b"\0\5\26\7Mac OS X")
    return root


def easyportrait(root):
    for part, count in (("train", 3), ("val", 1), ("test", 2)):
        for index in range(count):
            picture(root / "images" / part / f"{part}{index}.jpg")
            mask(root / "annotations" / part / f"{part}{index}.png", 1, 2, 8, 0)
    return root


def celebamask(root):
    for number in (0, 1, 2000):
        picture(root / "CelebA-HQ-img" / f"{number}.jpg", size=(64, 64))
        parts = root / "CelebAMask-HQ-mask-anno" / str(number // 2000)
        for part, values in (("skin", (255, 255, 255)), ("hair", (0, 255)), ("ear_r", (0, 0, 255))):
            array = np.zeros((32, 32, 3), np.uint8)  # the parts' files are grey pictures saved as RGB
            array[: len(values)] = np.array(values)[:, None, None]
            save(parts / f"{number:05d}_{part}.png", array)
    return root


def pp_humanseg(root):
    for part in ("train", "val", "test"):
        picture(root / part / "images" / "a.jpg")
        mask(root / part / "masks" / "a.png", 1, 255, 0)
        (root / f"{part}.txt").write_text(f"{part}/images/a.jpg {part}/masks/a.png\n")
    return root


def p3m10k(root, validation=("validation/P3M-500-P", "validation/P3M-500-NP")):
    picture(root / "train" / "blurred_image" / "p_1.jpg")
    mask(root / "train" / "mask" / "p_1.png", 255, 128, 127)
    for folder, images in zip(validation, ("blurred_image", "original_image"), strict=True):
        picture(root / folder / images / "p_2.jpg")
        mask(root / folder / "mask" / "p_2.png", 255)
    return root


def cityscapes(root):
    for part, city in (("train", "aachen"), ("val", "ulm")):
        name = f"{city}_000000_000019"
        picture(root / "leftImg8bit" / part / city / f"{name}_leftImg8bit.png")
        mask(root / "gtFine" / part / city / f"{name}_gtFine_labelIds.png", 7, 33, 4, 24)
        mask(root / "gtFine" / part / city / f"{name}_gtFine_instanceIds.png", 1)
    return root


def fasseg(root):
    for part in ("train", "test"):
        picture(root / part / "images" / f"{part}_1.jpg", shade=len(part))
        mask(root / part / "labels" / f"{part}_1.png", 1, 2, 5, 0)
    return root


WRITERS = {
    "supervise_portrait": supervise,
    "aisegment": aisegment,
    "easyportrait": easyportrait,
    "celebamask": celebamask,
    "pp_humanseg": pp_humanseg,
    "p3m10k": p3m10k,
    "cityscapes": cityscapes,
    "fasseg": fasseg,
}
