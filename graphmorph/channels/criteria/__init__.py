"""How much each unit of a group matters: scores by weights, by normalisation scales, by activations."""

from graphmorph.channels.criteria.criterion import Criterion, Reconstruction, Statistics
from graphmorph.channels.criteria.scoring import Scores, score

__all__ = ["Criterion", "Reconstruction", "Scores", "Statistics", "score"]
