"""`portraitnet api`: an HTTP service that takes a picture and returns its mask, cut-out or composite."""
