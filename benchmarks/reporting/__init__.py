"""Tables, plots and pages from results, and the comparison of two runs."""
