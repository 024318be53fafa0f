"""Train and evaluate: recipes, data sets, models, losses, and one readable loop."""
