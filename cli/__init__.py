"""The command line: one module for each group of commands."""

import time

STARTED = time.perf_counter()  # before anything heavy is imported: what users wait for counts from here
