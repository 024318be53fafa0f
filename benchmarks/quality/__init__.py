"""Accuracy, edges, flicker and fairness of models and of their published peers."""
