"""Pruning single weights by magnitude while the user's own loop trains, and what the sparse network becomes.

Esfandiarpoor, Hajabdollahi, Karimi: Simplified Neural Network Based on Auxiliary Layer and Adaptive Pruning Rate.
"""
