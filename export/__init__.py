"""From a checkpoint to phone-ready artefacts, each proven equal to its torch model before it is handed out."""
