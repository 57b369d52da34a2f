"""Training: the objective (eq. 3, 5, 6), the optimiser's schedule, checkpoints, cached latents, and the loop."""
