"""Inference: images from a pipeline and from people's own files. Everything that generates images goes through it."""
