"""Regression on sums: least squares and independently interpretable Lasso from Gram matrices, arrays only."""
