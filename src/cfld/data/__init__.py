"""Pairs of images of one person with their poses: the protocol, the data sets on disk, transforms, the registry."""
