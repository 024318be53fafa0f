"""The page that runs a model in the visitor's browser, and the small server that hands it out."""
