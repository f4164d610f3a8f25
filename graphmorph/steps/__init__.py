"""Pipelines of steps from a file: what a step is, how a file is read, and how each step and the whole are proven."""
