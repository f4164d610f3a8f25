"""The affine algebra: linear parts of a network as maps of taps, composed, merged, priced and written back."""
