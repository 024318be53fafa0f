"""Honest measurements on this computer, their results files, and the demo that shows them."""
