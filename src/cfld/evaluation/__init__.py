"""Evaluation: whole sets of generated pictures."""
