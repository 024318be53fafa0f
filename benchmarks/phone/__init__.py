"""Latency on phones: through their browser, through adb, or from what the Android app and other machines wrote."""
