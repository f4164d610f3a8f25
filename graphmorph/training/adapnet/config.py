"""The hyper-parameters of AdapNet, each with its source."""

from __future__ import annotations

from dataclasses import dataclass

from graphmorph.errors import UsageError
from graphmorph.option_values import require_finite, require_share, require_whole


@dataclass(frozen=True)
class AdapNetConfig:
    """Defaults are the paper's where it has any. "[65]" is Ji et al., Deep subspace clustering networks, NIPS 2017, by
    its published code for COIL100, which the paper says that it uses; "ours" is what neither states.

    Raises:
        UsageError: a number that makes no sense.
    """

    # Phases (sections 3 and 4).
    startup_epochs: int = 50  # section 3, figure 1; section 4: 20 for Net2
    finetune_epochs: int = 10  # section 3, figure 1
    lsep: int = 150  # section 4: batches between two evaluations, α
    quiet_lseps: int = 2  # section 3: n
    quiet_pruned: int = 3  # section 3: k

    # Uniformity: β (Table 2).
    beta: float = 0.9  # Table 2
    beta_step: float = 0.06  # Table 2
    beta_epochs: int = 5  # Table 2
    least_beta: float = 0.18  # Table 2

    # Decisions.
    kse_threshold: float = 0.6  # Table 2, Γ1
    chebyshev_threshold: float = 0.8  # Table 2, Γ3
    similarity_factor: float = 2.0  # algorithm 3, Γ2
    active_share: float = 0.3  # algorithm 4, P1
    focus: float = 0.7  # algorithm 4, P2
    protected_lseps: int = 2  # section 3.3, the end
    least_filters: int = 1  # ours: a layer without filters is none
    merging: bool = True  # section 5: off for Table 10
    soft_pruning: bool = True  # section 3.2; off for Table 11
    insertion: bool = True  # section 3.3; off for Table 12

    # Concepts (section 3.1).
    border_share: float = 0.2  # algorithm 1
    margin: float = 0.75  # algorithm 1
    fewest_clusters: int = 2  # ours: of one cluster, nothing could be told of any filter
    most_clusters: int = 64  # ours: as far as the eigengap is looked for, and dimensions of the eigenspace
    anchors: int = 8  # ours: feature maps of a cluster that are kept, to recognise it in the next eigenspace

    # DSC-Net (equation 2).
    dsc_epochs: int = 2  # section 3.1
    dsc_channels: int = 50  # [65]
    dsc_kernel: int = 5  # [65]
    dsc_learning_rate: float = 1e-3  # [65], Adam
    lambda1: float = 1.0  # [65]
    lambda2: float = 30.0  # [65]
    dsc_batch: int = 128  # section 4: the batch size; [65] takes all points at once
    most_points: int = 4096  # ours: C has a row and a column for every point; more are refused

    # Subsampling, off: the paper has none.
    points: int | None = None  # feature maps that a layer keeps of an LSEP, as many of each filter
    samples: int | None = None  # the first samples of a batch, to which alone the layers are watched
    map_side: int | None = None  # larger feature maps are averaged down to this height and width when they are kept
    evidence: int | None = None  # chi-square tests count no more than this for each of their terms (uniformity.py)

    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("startup_epochs", "finetune_epochs", "quiet_pruned", "protected_lseps", "seed"):
            require_whole(name, getattr(self, name), least=0)
        for name in _AT_LEAST_ONE:
            require_whole(name, getattr(self, name), least=1)
        for name in ("points", "samples", "map_side", "evidence"):
            if getattr(self, name) is not None:
                require_whole(name, getattr(self, name), least=1)
        for name in ("beta", "least_beta", "border_share", "margin", "active_share", "focus"):
            require_share(name, getattr(self, name))
        for name in _FINITE:
            require_finite(name, getattr(self, name))
        self._fits()

    def _fits(self) -> None:
        if self.least_beta > self.beta:
            raise UsageError(f"least_beta {self.least_beta} is above beta {self.beta}: β only decreases")
        if self.fewest_clusters > self.most_clusters:
            raise UsageError(f"fewest_clusters {self.fewest_clusters} exceeds most_clusters {self.most_clusters}")
        if not 0.0 < self.active_share < 1.0 or not 0.0 < self.focus < 1.0:
            raise UsageError("active_share and focus: between 0 and 1, without these; P1 and P2 are divided by them")
        if self.lambda1 <= 0.0 or self.lambda2 <= 0.0 or self.dsc_learning_rate <= 0.0:
            raise UsageError("lambda1, lambda2 and dsc_learning_rate must be above 0")
        if self.dsc_kernel % 2 == 0:
            raise UsageError(f"dsc_kernel {self.dsc_kernel}: an odd number is needed, to be centred")
        if self.border_share == 0.0:
            raise UsageError("border_share 0: a cluster needs border points")


_AT_LEAST_ONE = (
    "lsep",
    "quiet_lseps",
    "beta_epochs",
    "least_filters",
    "fewest_clusters",
    "most_clusters",
    "anchors",
    "dsc_epochs",
    "dsc_channels",
    "dsc_kernel",
    "dsc_batch",
    "most_points",
)
_FINITE = (
    "beta_step",
    "kse_threshold",
    "chebyshev_threshold",
    "similarity_factor",
    "dsc_learning_rate",
    "lambda1",
    "lambda2",
)
