"""All that AdapNet keeps of one layer, through batches, LSEPs and epochs (section 3, figure 3).

Maps are watched; at the end of an LSEP: DSC-Net, eigenspace, clusters, RFMDist, concepts; then filters may change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from graphmorph.activations.channel_similarity import ChannelSimilarity
from graphmorph.training.adapnet.activity import Activity
from graphmorph.training.adapnet.clusters import IncrementalClusters
from graphmorph.training.adapnet.concepts import ConceptVerdict, detect_concepts
from graphmorph.training.adapnet.config import AdapNetConfig
from graphmorph.training.adapnet.dsc_net import DscNet
from graphmorph.training.adapnet.eigenspace import Anchors
from graphmorph.training.adapnet.evidence import LayerEvidence
from graphmorph.training.adapnet.feature_buffer import FeatureBuffer
from graphmorph.training.adapnet.spectral import affinity, eigengap, embedding, spectrum
from graphmorph.training.adapnet.state import State, joined, part


class LayerStatistics:
    """Args:
    filters: how many the layer has.
    config: hyper-parameters.
    place: of the layer among all of them; it has random numbers of its own by it.
    """

    def __init__(self, filters: int, config: AdapNetConfig, place: int = 0) -> None:
        seed = int(np.random.SeedSequence([config.seed, place]).generate_state(1)[0])
        self._config = config
        self.activity = Activity(filters)
        self._buffer = FeatureBuffer(filters, points=config.points, side=config.map_side, seed=seed)
        self._similarity = ChannelSimilarity(filters)
        self._dsc = DscNet(config, seed)
        self._anchors = Anchors()
        self._clusters = IncrementalClusters(config.most_clusters, seed)

    @property
    def filters(self) -> int:
        """How many the layer has."""
        return len(self.activity.raw)

    def watch(self, maps: NDArray[Any], first_sample: int) -> None:
        """A batch of the evaluation phase has gone through the layer.

        maps: (samples, filters, height, width). first_sample: the number of the first sample in the run; no two are
        alike, also not of two workers.

        Raises:
            UsageError: maps that do not fit the layer, or are not finite.
        """
        watched = maps[: self._config.samples]
        self._buffer.add(watched, first_sample)
        self._similarity.update(watched)

    def merge(self, other: LayerStatistics) -> None:
        """Add what another worker has watched in this LSEP. Workers that add up in the same order go on alike.

        Raises:
            UsageError: the other is of another layer.
        """
        self._buffer.merge(other._buffer)
        self._similarity.merge(other._similarity)

    def evaluate(self, beta: float) -> tuple[LayerEvidence, list[ConceptVerdict]]:
        """End an LSEP: what decisions are taken by, and which clusters have, or have not, become concepts.

        Raises:
            UsageError: nothing was watched, or more maps are kept than DSC-Net takes.
        """
        cosines = self._similarity.mean
        owners, maps = self._buffer.content()
        verdicts = self._cluster(owners, maps, beta) if len(maps) > self._config.fewest_clusters else []
        self._begin_lsep()
        uniform = self.activity.filter_uniformity(self._config.evidence)
        return LayerEvidence(uniform, self.activity.distributions, cosines), verdicts

    def end_epoch(self, beta: float) -> list[int]:
        """Concepts that became useless, which are no concepts any more."""
        return self.activity.drop_useless(beta, self._config.evidence)

    def merge_filters(self, first: int, second: int) -> None:
        """Filter `first` is now the mean of both; `second` is to be left out by `follow`."""
        self.activity.merge(first, second)

    def follow(self, taken: Sequence[int]) -> None:
        """Filter i is now what filter taken[i] was, or NEW (journal.Slice). Between `evaluate` and the next batch.

        Raises:
            UsageError: there is no such filter.
        """
        self.activity.follow(taken)
        self._begin_lsep()

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything but the configuration; `from_state` makes the same again."""
        return joined(
            {
                "activity": self.activity.state(),
                "buffer": self._buffer.state(),
                "similarity": self._similarity.arrays(),
                "dsc": self._dsc.state(),
                "anchors": self._anchors.state(),
                "clusters": self._clusters.state(),
            }
        )

    @classmethod
    def from_state(cls, state: State, config: AdapNetConfig, place: int = 0) -> Self:
        """The statistics that a state was taken of, with the same configuration and place."""
        activity = Activity.from_state(part(state, "activity"))
        made = cls(len(activity.raw), config, place)
        made.activity = activity
        made._buffer.restore(part(state, "buffer"))
        made._similarity = ChannelSimilarity.from_arrays(part(state, "similarity"))
        made._dsc.restore(part(state, "dsc"))
        made._anchors = Anchors.from_state(part(state, "anchors"))
        made._clusters.restore(part(state, "clusters"))
        return made

    def _begin_lsep(self) -> None:
        self._buffer.clear(self.filters)
        self._similarity = ChannelSimilarity(self.filters)

    def _cluster(self, owners: NDArray[np.int64], maps: NDArray[np.float32], beta: float) -> list[ConceptVerdict]:
        config, fresh = self._config, len(maps)
        every = self._anchors.with_maps(maps)
        values, vectors = spectrum(affinity(self._dsc.train(every)), config.most_clusters + 1)
        found = eigengap(values, config.fewest_clusters)
        points = embedding(vectors, found, config.most_clusters)
        points = self._anchors.turned(points, self._clusters.centres)
        self._clusters.discover(points, found)
        self._clusters.learn(points[:fresh])
        centres, labels = self._clusters.centres, self._clusters.labels(points)
        self.activity.add_clusters(len(centres))
        self.activity.count(owners, labels[:fresh])
        self._anchors.choose(every, points, labels, centres, config.anchors)
        uniform = self.activity.cluster_uniformity(config.evidence)
        verdicts = detect_concepts(
            centres,
            self.activity.is_concept,
            uniform,
            points,
            labels,
            beta=beta,
            border_share=config.border_share,
            margin=config.margin,
        )
        self.activity.is_concept[[one.cluster for one in verdicts if one.accepted]] = True
        return verdicts
