"""Settings that must stand before torch is imported."""

import os

# Threads that spin while they wait slow the tests tenfold on a machine that does anything else.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
