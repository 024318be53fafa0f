"""Runs inside the emulated ARM Linux: guest.py MODEL INPUT.npy RUNS OUTPUT.npy, one thread, XNNPACK."""

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter

model, given, runs, taken = sys.argv[1:]
interpreter = Interpreter(model, num_threads=1)
interpreter.allocate_tensors()
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.load(given))
for _ in range(int(runs)):
    interpreter.invoke()
np.save(taken, interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
