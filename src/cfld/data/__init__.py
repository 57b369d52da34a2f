"""Data sets of image pairs of one person with their poses: protocol, folders on disk, image transforms, registry."""
