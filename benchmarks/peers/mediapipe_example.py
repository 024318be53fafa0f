"""Pipelines on MediaPipe's Python package, timed. Runs in a Python that has mediapipe 0.10.21:

    python3 -m venv peer && peer/bin/pip install mediapipe==0.10.21
    portraitnet benchmark live --mediapipe-python peer/bin/python

`published` composes as MediaPipe's own example does. `hard` and `soft` are the same with the fastest calls we know: the
mask thresholded, or as alpha. Started by benchmarks/latency/live.py: reads a .npy of BGR frames, prints "ready", and
for each line that names a pipeline the seconds and the processor's seconds that all frames took.
"""

import os
import sys
import time

CORE = int(sys.argv[2])
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {CORE})  # before the libraries start their threads: all of them share one core

import cv2  # noqa: E402
import mediapipe  # noqa: E402
import numpy as np  # noqa: E402

THRESHOLD = 0.1  # the example's


def published(segmentation, frame, background):
    """The example, line by line."""
    image = cv2.cvtColor(cv2.flip(frame, 1), cv2.COLOR_BGR2RGB)
    mask = segmentation.process(image).segmentation_mask
    image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return np.where(np.stack((mask,) * 3, axis=-1) > THRESHOLD, image, background)


def hard(segmentation, frame, background):
    """The same picture by calls of OpenCV, without a second change of colour order."""
    image = cv2.flip(frame, 1)
    mask = segmentation.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).segmentation_mask
    return cv2.copyTo(image, np.greater(mask, THRESHOLD).view(np.uint8), background.copy())


def soft(segmentation, frame, background):
    """The mask as alpha."""
    image = cv2.flip(frame, 1)
    mask = segmentation.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).segmentation_mask
    return cv2.blendLinear(image, background, mask, 1 - mask)


PIPELINES = {"published": published, "hard": hard, "soft": soft}


def main() -> None:
    """Serve turns until standard input ends."""
    cv2.setNumThreads(1)
    frames = np.load(sys.argv[1])
    background = np.full(frames.shape[1:], 192, np.uint8)
    with mediapipe.solutions.selfie_segmentation.SelfieSegmentation(model_selection=1) as segmentation:
        for compose in PIPELINES.values():
            compose(segmentation, frames[0], background)
        print("ready", flush=True)
        for line in sys.stdin:
            compose = PIPELINES[line.strip()]
            start, used = time.perf_counter(), time.process_time()
            for frame in frames:
                compose(segmentation, frame, background)
            print(time.perf_counter() - start, time.process_time() - used, flush=True)


if __name__ == "__main__":
    main()
