"""Evaluation: whole sets of generated images."""
