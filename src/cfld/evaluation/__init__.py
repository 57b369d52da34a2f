"""Scoring: folders of images in, tables and reports out."""
