"""Diffusion without weights: timesteps, guidance, schedulers, and the one sampling loop."""
