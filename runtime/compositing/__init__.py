"""From an alpha to a picture: levels, edge refinement, smoothing over time, colour decontamination, backgrounds."""
