"""What MediaPipe's own Python example does with each frame, timed. Runs in a Python that has mediapipe 0.10.21:

    python3 -m venv peer && peer/bin/pip install mediapipe==0.10.21
    portraitnet benchmark --what live --mediapipe-python peer/bin/python

Started by benchmarks/latency/live.py: reads a .npy of BGR frames, prints "ready", and for each line "go" prints the
seconds that all frames took.
"""

import sys
import time

import cv2
import mediapipe
import numpy as np


def main() -> None:
    """Serve turns until standard input ends."""
    frames = np.load(sys.argv[1])
    background = np.full(frames.shape[1:], 192, np.uint8)
    with mediapipe.solutions.selfie_segmentation.SelfieSegmentation(model_selection=1) as segmentation:
        segmentation.process(frames[0])
        print("ready", flush=True)
        for _ in sys.stdin:
            start = time.perf_counter()
            for frame in frames:
                image = cv2.cvtColor(cv2.flip(frame, 1), cv2.COLOR_BGR2RGB)
                mask = segmentation.process(image).segmentation_mask
                image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
                np.where(np.stack((mask,) * 3, axis=-1) > 0.1, image, background)
            print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
