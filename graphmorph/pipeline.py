"""The main job: load, rewrite, prove, write. The reference runs in a child process while the graph is rewritten."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from graphmorph import registry
from graphmorph.destination import target_of
from graphmorph.errors import ModelRunError, UsageError
from graphmorph.graph import Graph
from graphmorph.manager import PassManager, Progress, RunResult, SiteKey
from graphmorph.module_pipeline import ModuleOptions, is_module, only_for_files, refuse_training, rewrite_module
from graphmorph.onnx_door import load, model_bytes, save, stage
from graphmorph.onnx_door.writer import StagedModel
from graphmorph.proof import Proof, ProofOptions, ProofSession
from graphmorph.report import Report, RewriteReport
from graphmorph.rewrite import Rewrite
from graphmorph.rollback import find_guilty
from graphmorph.runtime import Runtime, Ticket

if TYPE_CHECKING:
    import onnx
    from torch import nn

    from graphmorph.torch_door.examples import ExampleInputs
    from graphmorph.torch_door.morphed_module import MorphedModule
    from graphmorph.torch_door.tracer import LeafModules

    Model = str | os.PathLike[str] | Graph | onnx.ModelProto

#: Branches first, so that a BN on a branch is folded and merged in one step and its weights are rounded once.
FUSE_PIPELINE = ("fold-constants", "fuse-branches", "fold-batchnorm")
DEFAULT_PROVIDERS = ("CPUExecutionProvider",)
EXPAND_PASS = "expand-branches"

MEANT_TO_CHANGE = "the rewrites are approximate: outputs are meant to change, and the proof measures by how much"


@dataclass
class FuseResult:
    """The rewritten graph and the report; `exit_code` is 0 where the result is proven, or was not asked to be."""

    graph: Graph
    report: Report
    exit_code: int

    @property
    def ok(self) -> bool:
        return self.exit_code == 0


def passes_for(
    only: Iterable[str] = (), skip: Iterable[str] = (), options: Mapping[str, Mapping[str, Any]] | None = None
) -> list[Rewrite]:
    """The fuse pipeline, or the passes named in `only` (installed ones outside the pipeline too), less `skip`.

    Raises:
        UsageError: a name that no installed pass has.
    """
    only, skip, options = tuple(only), tuple(skip), options or {}
    for name in (*only, *skip, *options):
        registry.load(name)
    chosen = [name for name in FUSE_PIPELINE if not only or name in only]
    chosen += [name for name in only if name not in chosen]
    return [registry.create(name, options.get(name)) for name in chosen if name not in skip]


@overload
def fuse(
    model: nn.Module,
    output: ExampleInputs | None = None,
    *,
    example_inputs: ExampleInputs | None = None,
    leaf_modules: LeafModules = (),
    **options: Any,
) -> MorphedModule: ...


@overload
def fuse(model: Model, output: str | os.PathLike[str] | None = None, **options: Any) -> FuseResult: ...


def fuse(  # type: ignore[misc] # the overloads take any option, which this one then checks
    model: Any,
    output: Any = None,
    *,
    example_inputs: ExampleInputs | None = None,
    leaf_modules: LeafModules = (),
    only: Iterable[str] = (),
    skip: Iterable[str] = (),
    keep: Iterable[str] = (),
    verify: bool = True,
    certify: bool = False,
    inputs: Any = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    samples: int = 1,
    seed: int = 0,
    rtol: float | None = None,
    atol: float | None = None,
    providers: Sequence[str] = ("CPUExecutionProvider",),
    custom_ops: Sequence[str] = (),
    labels: Any = None,
    freeze_initializers: bool = False,
    in_place: bool = False,
    max_rewrites: int | None = None,
    pass_options: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Progress | None = None,
) -> FuseResult | MorphedModule:
    """Bring a model into its deploy form, prove that it computes the same, and write it.

    A torch module gives its deploy form back as a torch module, whose `.report` tells what was done; the original is
    untouched unless in_place is asked for. It must be in evaluation mode. Its second argument is example_inputs, as for
    `trace`; without them the usual sizes are tried. leaf_modules are kept whole.

    model: a file, a Graph, or a ModelProto; it is not changed. output: where to write; None writes nothing (the graph
    of the result has the edits). in_place: write to the model's own file. keep: globs of node names to leave alone.
    certify: also certify every rewrite of an affine region for all inputs. The other options are those of `verify`.

    Nothing is written where the proof fails, unless rolling back single rewrites makes it pass; the exit code says so.

    Raises:
        ModelFileError: the model cannot be read, or the output cannot be written.
        UsageError: options that contradict each other, or name what is not there.
        TraceError: a torch module that cannot be traced.
        RefusedError: a torch module in training mode.
        VerificationError: a torch module whose rewrite could not be proven.
    """
    passes = passes_for(only, skip, pass_options)
    if is_module(model):
        refuse_training(model)
    return rewrite_model(
        model,
        output,
        passes,
        ProofOptions(
            inputs=inputs,
            shapes=shapes,
            samples=samples,
            seed=seed,
            rtol=rtol,
            atol=atol,
            providers=providers,
            custom_ops=custom_ops,
            labels=labels,
        ),
        example_inputs=example_inputs,
        leaf_modules=leaf_modules,
        keep=keep,
        verify=verify,
        certify=certify,
        freeze_initializers=freeze_initializers,
        in_place=in_place,
        max_rewrites=max_rewrites,
        progress=progress,
    )


@overload
def expand(
    model: nn.Module,
    output: ExampleInputs | None = None,
    *,
    example_inputs: ExampleInputs | None = None,
    leaf_modules: LeafModules = (),
    **options: Any,
) -> MorphedModule: ...


@overload
def expand(model: Model, output: str | os.PathLike[str] | None = None, **options: Any) -> FuseResult: ...


def expand(  # type: ignore[misc]
    model: Any,
    output: Any = None,
    *,
    example_inputs: ExampleInputs | None = None,
    leaf_modules: LeafModules = (),
    block: str = "acb",
    layers: Iterable[str] = (),
    kernel_sizes: Iterable[int] = (),
    horizontal: bool = True,
    vertical: bool = True,
    normalise: str = "branch",
    shifted: bool = False,
    asymmetric_size: int = 0,
    branches: int = 3,
    init: str = "preserve",
    share: float = 0.5,
    seed: int = 0,
    keep: Iterable[str] = (),
    verify: bool = True,
    certify: bool = False,
    inputs: Any = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    samples: int = 1,
    proof_seed: int = 0,
    rtol: float | None = None,
    atol: float | None = None,
    providers: Sequence[str] = ("CPUExecutionProvider",),
    custom_ops: Sequence[str] = (),
    labels: Any = None,
    freeze_initializers: bool = False,
    in_place: bool = False,
    max_rewrites: int | None = None,
    progress: Progress | None = None,
) -> FuseResult | MorphedModule:
    """Replace square convolutions by blocks of parallel branches, for training; `fuse` takes them back.

    A torch module, in training mode or not, gives a torch module back, with `.report`; its second argument is
    example_inputs, as for `fuse`. "Preserve" means in evaluation mode: in training every branch is normalised by the
    statistics of its own batch.

    block to seed: the options of the pass expand-branches. proof_seed: of the random inputs of the proof. The rest is
    as in `fuse`. With init="preserve" the proof has to say equal; with init="fresh" the outputs are meant to change,
    and the proof in the report says by how much.

    Raises:
        ModelFileError: the model cannot be read, or the output cannot be written.
        UsageError: options that contradict each other, or name what is not there.
        TraceError: a torch module that cannot be traced.
        VerificationError: a torch module whose rewrite could not be proven.
    """
    chosen = {
        "block": block,
        "layers": tuple(layers),
        "kernel_sizes": tuple(kernel_sizes),
        "horizontal": horizontal,
        "vertical": vertical,
        "normalise": normalise,
        "shifted": shifted,
        "asymmetric_size": asymmetric_size,
        "branches": branches,
        "init": init,
        "share": share,
        "seed": seed,
    }
    passes = [registry.create(EXPAND_PASS, chosen)]
    return rewrite_model(
        model,
        output,
        passes,
        ProofOptions(
            inputs=inputs,
            shapes=shapes,
            samples=samples,
            seed=proof_seed,
            rtol=rtol,
            atol=atol,
            providers=providers,
            custom_ops=custom_ops,
            labels=labels,
        ),
        example_inputs=example_inputs,
        leaf_modules=leaf_modules,
        keep=keep,
        verify=verify,
        certify=certify,
        freeze_initializers=freeze_initializers,
        in_place=in_place,
        max_rewrites=max_rewrites,
        progress=progress,
    )


def _example_inputs(second: Any, by_name: ExampleInputs | None) -> ExampleInputs | None:
    """Example inputs, from whichever argument they came in.

    Raises:
        UsageError: a path, which is for files.
    """
    if isinstance(second, str | os.PathLike):
        raise UsageError(
            f"{second}: a torch module is rewritten in memory; to write an ONNX file use graphmorph.export"
        )
    return by_name if by_name is not None else second


def rewrite_model(
    model: Any,
    output: Any,
    passes: Sequence[Rewrite],
    options: ProofOptions,
    *,
    example_inputs: ExampleInputs | None,
    leaf_modules: LeafModules,
    keep: Iterable[str],
    verify: bool,
    certify: bool,
    freeze_initializers: bool,
    in_place: bool,
    max_rewrites: int | None,
    progress: Progress | None,
) -> FuseResult | MorphedModule:
    """Run passes on a model, prove what they made of it, and write it."""
    if is_module(model):
        only_for_files(
            inputs=options.inputs,
            shapes=options.shapes,
            labels=options.labels,
            custom_ops=options.custom_ops or None,
            providers=None if tuple(options.providers) == DEFAULT_PROVIDERS else options.providers,
            freeze_initializers=freeze_initializers or None,
        )
        return rewrite_module(
            model,
            passes,
            ModuleOptions(
                example_inputs=_example_inputs(output, example_inputs),
                leaf_modules=leaf_modules,
                keep=keep,
                verify=verify,
                certify=certify,
                samples=options.samples,
                seed=options.seed,
                limits=options.limits,
                in_place=in_place,
                max_rewrites=max_rewrites,
                progress=progress,
            ),
        )
    if example_inputs is not None or leaf_modules:
        raise UsageError("example_inputs and leaf_modules are for torch modules; an ONNX file is proven on inputs=")
    started = time.perf_counter()
    with ExitStack() as stack:
        job = _Job(model, target_of(model, output, in_place=in_place), freeze_initializers, stack)
        job.manager = lambda certify, without, limit: PassManager(
            passes,
            keep=keep,
            certify=certify,
            without=without,
            max_rewrites=min((n for n in (limit, max_rewrites) if n is not None), default=None),
            runtime=job.runtime,
            progress=progress,
        )
        session = None
        if verify:
            session = stack.enter_context(ProofSession(job.reference(), options, progress=progress))
            session.start()
        result = job.run(certify=certify)
        outcome = _prove(job, result, session) if session is not None else _Outcome(result, job.stage(result))
        if session is None:
            job.check(outcome, options.custom_ops)
        report = _report(job, outcome, time.perf_counter() - started)
        proven = outcome.exit_code == 0 or outcome.rolled_back
        if proven and outcome.staged is not None and job.target is not None:
            report.files = [str(path) for path in outcome.staged.commit()]
        report.seconds = time.perf_counter() - started
        return FuseResult(outcome.result.graph, report, outcome.exit_code)


@dataclass
class _Outcome:
    """A run, its staged file, and what was proven of it."""

    result: RunResult
    staged: StagedModel | None
    proof: Proof | None = None
    exit_code: int = 0
    rolled_back: tuple[RewriteReport, ...] = ()
    note: str | None = None


class _Job:
    """One model and where it goes: reads it afresh as often as a bisection needs."""

    manager: Callable[[bool, Iterable[SiteKey], int | None], PassManager]

    def __init__(self, model: Model, target: Path | None, freeze: bool, stack: ExitStack) -> None:
        self.model, self.target, self.freeze, self.stack = model, target, freeze, stack
        self.runtime = stack.enter_context(Runtime(role="facts"))
        self._folder: Path | None = None
        self._first: Graph | None = self.graph()
        self.name = str(model) if isinstance(model, str | os.PathLike) else "model"

    def graph(self) -> Graph:
        if isinstance(self.model, Graph):
            return self.model.copy()
        return load(self.model, freeze_initializers=self.freeze)

    def folder(self) -> Path:
        """A temporary folder for what has no place of its own."""
        if self._folder is None:
            self._folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="graphmorph-")))
        return self._folder

    def reference(self) -> str | os.PathLike[str]:
        """The file of the original, written for models that came as objects."""
        if isinstance(self.model, str | os.PathLike):
            return self.model
        path = self.folder() / "reference.onnx"
        save(self.graph(), path)
        return path

    def run(self, *, certify: bool = False, without: Iterable[SiteKey] = (), limit: int | None = None) -> RunResult:
        graph, self._first = self._first or self.graph(), None
        return self.manager(certify, without, limit).run(graph)

    def stage(self, result: RunResult) -> StagedModel:
        target = self.target or self.folder() / "candidate.onnx"
        return self.stack.enter_context(stage(result.graph, target))

    def submit_check(self, staged: StagedModel) -> Ticket:
        """Have onnx's checker look at what the written file says, without its weights."""
        return self.runtime.submit_check(model_bytes(load(staged.path)))

    def check(self, outcome: _Outcome, custom_ops: Sequence[str]) -> None:
        """Without a proof: the file must at least pass onnx's checker, and load.

        Raises:
            ModelFileError, ModelRunError: it does not, and no missing operator explains that.
        """
        if outcome.staged is None:
            return
        if outcome.result.journal.modified:
            self.submit_check(outcome.staged).result()
        try:
            session = self.runtime.open_session(str(outcome.staged.path), optimized=False, custom_ops=custom_ops)
            self.runtime.close(session)
        except ModelRunError as error:
            if not error.unsupported:
                raise
            outcome.note = f"onnxruntime cannot load the model, so it was checked by onnx.checker only: {error}"


def _prove(job: _Job, result: RunResult, session: ProofSession) -> _Outcome:
    staged = job.stage(result)
    checked = job.submit_check(staged) if result.journal.modified else None
    proof = session.judge(staged.path, localise=not result.approximate)
    if checked is not None and proof.verdict == "equal":
        checked.result()
    if proof.verdict == "equal":
        return _Outcome(result, staged, proof)
    if proof.verdict == "different" and result.approximate:
        if checked is not None:
            checked.result()
        return _Outcome(result, staged, proof, note=MEANT_TO_CHANGE)
    if proof.verdict == "different":
        return _rolled_back(job, result, session, staged, proof)
    if proof.unsupported:
        return _certified(job, proof)
    return _Outcome(result, staged, proof, exit_code=2)


def _rolled_back(job: _Job, result: RunResult, session: ProofSession, staged: StagedModel, proof: Proof) -> _Outcome:
    """Take back the rewrites that the proof fails with, one by one, and keep the rest."""
    staged.discard()

    def attempt(without: Iterable[SiteKey], limit: int | None) -> tuple[RunResult, Proof]:
        tried = job.run(without=without, limit=limit)
        with stage(tried.graph, job.folder() / "attempt.onnx") as attempted:
            return tried, session.judge(attempted.path, localise=False)

    found = find_guilty(result.applied, proof.first_difference, attempt)
    if found is None:
        return _Outcome(result, None, proof, exit_code=1)
    made = {(r.pass_name, r.root): r for one in result.passes for r in one.rewrites}
    guilty = tuple(made[key] for key in found.guilty if key in made)
    return _Outcome(found.result, job.stage(found.result), found.proof, exit_code=1, rolled_back=guilty)


def _certified(job: _Job, proof: Proof) -> _Outcome:
    """onnxruntime cannot run the model at all: what was rewritten is certified region by region instead."""
    result = job.run(certify=True)
    certificates = [r.certificate for one in result.passes if not one.cleanup for r in one.rewrites]
    proven = all(c is not None and c.verdict == "equal" for c in certificates)
    note = (
        f"{proof.reason}; the {len(certificates)} rewritten regions were certified instead"
        if proven
        else f"{proof.reason}; not every rewritten region could be certified instead"
    )
    return _Outcome(result, job.stage(result), proof, exit_code=0 if proven else 2, note=note)


def _report(job: _Job, outcome: _Outcome, seconds: float) -> Report:
    result = outcome.result
    return Report(
        model=job.name,
        before=result.before,
        after=result.after,
        passes=result.passes,
        rolled_back=list(outcome.rolled_back),
        proof=outcome.proof,
        notes=[*result.notes, *([outcome.note] if outcome.note else [])],
        seconds=seconds,
    )
