"""The small network that finds the joints of mannequins: architecture, training, and its use as a pose detector."""
