"""From data sets to training batches: cache, random draws, augmentation, class balance, and the check of a set."""
