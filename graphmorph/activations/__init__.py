"""Activations, never held: tensors of a running model are folded, batch by batch, into float64 sums."""
