"""What computes the UNet of a sampling run: PyTorch, compiled PyTorch, OpenVINO."""
