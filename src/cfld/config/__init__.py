"""Configurations: frozen dataclasses, presets that return them, and their JSON."""
