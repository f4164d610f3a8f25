"""What the positions inside square kernels weigh, and pruning by position (ACNet section 4.4): arrays, whole models."""
