"""Time, energy and memory of models, and of the whole pipeline, on this computer."""
