"""The diffusion process without weights: timesteps, guidance, schedulers, sampling, masking, interpolation."""
