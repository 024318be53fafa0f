"""Teachers: labels for photographs that have none, and logits to distil from."""
