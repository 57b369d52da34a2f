"""Reproduction of the paper's tables 3 and 5, and of the kinds of figures 3, 5, 6 and 7."""
