"""What the loop stands on: optimizer and schedule, averaged weights, checkpoints, history, several processes."""
