"""Damaged files of every kind that the product reads: each is read, or refused by one InputError.

`make test` reads 300 of each kind (test_fuzz.py). For longer: `python -m tests.fuzz --hours 1`, which ends with the
first files that made a traceback, a crash, a hang or took too much memory, kept in the folder it names.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

MEMORY = 2 << 30  # bytes that reading may take beyond what the program takes anyway
SECONDS = 60  # after which a file counts as a hang
_NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


def damaged(data: bytes, rng: random.Random) -> bytes:
    """`data` with one to eight of the accidents that happen to files."""
    result = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        at, size = rng.randrange(len(result)), rng.choice([1, 2, 4, 16, 200])
        accident = rng.randrange(6)
        if accident == 0:
            result[at] ^= 1 << rng.randrange(8)
        elif accident == 1:
            result[at : at + size] = rng.randbytes(size)
        elif accident == 2:
            result[at : at + 4] = rng.choice(_NUMBERS).to_bytes(4, rng.choice(["big", "little"]))
        elif accident == 3:
            del result[at : at + size]
        elif accident == 4:
            result[at:at] = result[at : at + size]
        elif rng.random() < 0.3:
            del result[at:]
        if not result:
            return b""
    return bytes(result)


def seeds(kind: str, folder: Path) -> list[Path]:
    """Whole, small files of a kind."""
    folder.mkdir(parents=True, exist_ok=True)
    return _MAKERS[kind](folder)


def _pictures(folder: Path) -> list[Path]:
    import numpy as np
    from PIL import Image
    from pillow_heif import register_heif_opener

    register_heif_opener()
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 56, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    names = ["a.jpg", "a.png", "a.webp", "a.tif", "a.bmp", "a.gif", "a.avif", "a.heic"]
    for name in names:
        image.save(folder / name, exif=exif) if name in ("a.jpg", "a.png") else image.save(folder / name)
    image.save(folder / "b.jpg", progressive=True)
    image.convert("P").save(folder / "b.png", transparency=3)
    moved = [Image.fromarray(np.roll(np.asarray(image), shift, 1)) for shift in (1, 2)]
    animations = ["c.gif", "c.png", "c.webp"]
    for name in animations:
        image.save(folder / name, save_all=True, append_images=moved, duration=[50, 80, 20])
    return [folder / name for name in (*names, "b.jpg", "b.png", *animations)]


def _videos(folder: Path) -> list[Path]:
    import av
    import numpy as np

    kinds = {"a.mp4": "libx264", "a.mkv": "libx264", "a.webm": "libvpx-vp9", "a.mov": "prores_ks", "a.avi": "mpeg4"}
    for name, codec in kinds.items():
        with av.open(str(folder / name), "w") as output:
            stream = output.add_stream(codec, rate=10)
            stream.width, stream.height = 48, 32
            stream.pix_fmt = "yuva444p10le" if codec == "prores_ks" else "yuv420p"
            for index in range(6):
                picture = np.random.default_rng(index).integers(0, 255, (32, 48, 3), np.uint8)
                frame = av.VideoFrame.from_ndarray(picture)
                frame.pts = index
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    return [folder / name for name in kinds]


def _shipped(suffix: str) -> Callable[[Path], list[Path]]:
    return lambda folder: [Path(__file__).parent.parent / "runtime" / "weights" / f"portraitnet-nano{suffix}"]


def _recipes(folder: Path) -> list[Path]:
    return sorted((Path(__file__).parent.parent / "train" / "recipes").glob("*.yaml"))


def _tables(folder: Path) -> list[Path]:
    return sorted((Path(__file__).parent.parent / "benchmarks" / "results").glob("latency*.csv"))[:3]


def _contracts(folder: Path) -> list[Path]:
    from portraitnet.runtime.segmenter import Segmenter

    path = folder / "model.json"
    path.write_text(Segmenter.load(_shipped(".tflite")(folder)[0]).contract.to_json())
    return [path]


def _read_picture(path: Path) -> None:
    from portraitnet.runtime.errors import InputError
    from portraitnet.runtime.media.animation import AnimationReader, is_animation
    from portraitnet.runtime.media.images import load_rgba
    from portraitnet.runtime.media.masks import load_alpha_channel, load_person_mask

    with suppress(InputError):  # most seeds are no masks
        load_person_mask(path)
    with suppress(InputError):
        load_alpha_channel(path)
    if is_animation(path):
        for _ in AnimationReader(path):
            pass
    load_rgba(path)


def _read_video(path: Path) -> None:
    from portraitnet.runtime.media.video import VideoReader, VideoWriter

    reader = VideoReader(path)
    with VideoWriter.open(path.with_name("out.mp4"), like=reader) as writer:
        for frame in reader:
            writer.write(frame, frame.image)


def _read_model(path: Path) -> None:
    import numpy as np

    from portraitnet.runtime.segmenter import Segmenter

    Segmenter.load(path, threads=1)(np.zeros((24, 32, 3), np.uint8))


def _read_checkpoint(path: Path) -> None:
    from portraitnet.train.engine.checkpoint import load_checkpoint

    load_checkpoint(path)


def _read_recipe(path: Path) -> None:
    from portraitnet.train.recipe import load_recipe

    load_recipe(str(path), [])


def _read_table(path: Path) -> None:
    from portraitnet.benchmarks.reporting.table import read_csv

    read_csv(path)


def _read_contract(path: Path) -> None:
    from portraitnet.runtime.contract import Contract

    Contract.read(path.parent)


_MAKERS: dict[str, Callable[[Path], list[Path]]] = {
    "pictures": _pictures,
    "videos": _videos,
    "tflite": _shipped(".tflite"),
    "onnx": _shipped(".onnx"),
    "checkpoints": _shipped(".safetensors"),
    "recipes": _recipes,
    "tables": _tables,
    "model.json": _contracts,
}
_READERS: dict[str, Callable[[Path], None]] = {
    "pictures": _read_picture,
    "videos": _read_video,
    "tflite": _read_model,
    "onnx": _read_model,
    "checkpoints": _read_checkpoint,
    "recipes": _read_recipe,
    "tables": _read_table,
    "model.json": _read_contract,
}
KINDS = tuple(_MAKERS)


def work(kind: str, folder: Path, first: int, count: int) -> None:
    """Read `count` damaged files; prints the number of each before it, and a line of JSON for each bad one."""
    import resource

    from portraitnet.runtime.errors import InputError

    whole = seeds(kind, folder / "seeds")
    for path in whole:
        _READERS[kind](path)  # loads what is needed, and shows that the seeds are good
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    for number in range(first, first + count):
        rng = random.Random(f"{kind} {number}")
        source = rng.choice(whole)
        path = folder / source.name
        path.write_bytes(damaged(source.read_bytes(), rng))
        print(number, flush=True)
        signal.alarm(SECONDS)
        try:
            _READERS[kind](path)
        except InputError as error:
            if "\n" in str(error):
                print(json.dumps({"number": number, "what": f"a message of several lines: {error}"}), flush=True)
        except Exception as error:  # noqa: BLE001
            told = f"{type(error).__name__}: {error}"[:300]
            print(json.dumps({"number": number, "what": told}), flush=True)
        signal.alarm(0)


def fuzz(kind: str, first: int, count: int) -> list[str]:
    """What went wrong with damaged files `first` to `first + count` of a kind, a line each."""
    bad: list[str] = []
    end = first + count
    while first < end:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "--work", kind, folder, str(first), str(end - first)]
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        lines = done.stdout.splitlines()
        entries = [json.loads(line) for line in lines if line.startswith('{"number"')]  # libraries print there too
        bad += [f"{kind} {entry['number']}: {entry['what']}" for entry in entries]
        if done.returncode == 0:
            break
        numbers = [int(line) for line in lines if line.isdigit()]
        if not numbers:
            return [*bad, f"{kind}: cannot start: {done.stderr[-500:]}"]
        how = "hangs" if done.returncode == -signal.SIGALRM else f"ends the program ({done.returncode})"
        bad.append(f"{kind} {numbers[-1]}: {how}")
        first = numbers[-1] + 1
    return bad


def main() -> None:
    parser = argparse.ArgumentParser(description="Read damaged files for a while.")
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--kinds", nargs="*", default=KINDS, choices=KINDS)
    parser.add_argument("--first", type=int, default=1_000_000, help="number of the first file; others, other files")
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        kind, folder, first, count = options.work
        work(kind, Path(folder), int(first), int(count))
        return
    end, first, bad = time.monotonic() + options.hours * 3600, options.first, []
    while time.monotonic() < end:
        for kind in options.kinds:
            bad += fuzz(kind, first, 200)
        first += 200
        print(f"{first - options.first} files of each kind, {len(bad)} bad", flush=True)
    print("\n".join(bad))
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
