"""Proves what a job made of a model; where the proof fails, rewrites are rolled back, or certified instead."""

from __future__ import annotations

from collections.abc import Iterable

from graphmorph.manager import RunResult, SiteKey
from graphmorph.model_job import ModelJob, Outcome
from graphmorph.onnx_door import stage
from graphmorph.onnx_door.writer import StagedModel
from graphmorph.proof import Proof, ProofSession
from graphmorph.rollback import find_guilty, taken_back

MEANT_TO_CHANGE = "the rewrites are approximate: outputs are meant to change, and the proof measures by how much"


def prove(job: ModelJob, result: RunResult, session: ProofSession) -> Outcome:
    """Run the staged result against the original, and decide what of it stands."""
    staged = job.stage(result)
    checked = job.submit_check(staged) if result.journal.modified else None
    proof = session.judge(staged.path, localise=not result.approximate)
    if checked is not None and proof.verdict == "equal":
        checked.result()
    if proof.verdict == "equal":
        return Outcome(result, staged, proof)
    if proof.verdict == "different" and result.approximate:
        if checked is not None:
            checked.result()
        return Outcome(result, staged, proof, note=MEANT_TO_CHANGE)
    if proof.verdict == "different":
        return _rolled_back(job, result, session, staged, proof)
    if proof.unsupported:
        return _certified(job, proof)
    return Outcome(result, staged, proof, exit_code=2)


def _rolled_back(job: ModelJob, result: RunResult, session: ProofSession, staged: StagedModel, proof: Proof) -> Outcome:
    """Take back the rewrites that the proof fails with, one by one, and keep the rest."""
    staged.discard()

    def attempt(without: Iterable[SiteKey], limit: int | None) -> tuple[RunResult, Proof]:
        tried = job.run(without=without, limit=limit)
        with stage(tried.graph, job.folder() / "attempt.onnx") as attempted:
            return tried, session.judge(attempted.path, localise=False)

    found = find_guilty(result.applied, proof.first_difference, attempt)
    if found is None:
        return Outcome(result, None, proof, exit_code=1)
    guilty = taken_back(found, result)
    return Outcome(found.result, job.stage(found.result), found.proof, exit_code=1, rolled_back=guilty)


def _certified(job: ModelJob, proof: Proof) -> Outcome:
    """onnxruntime cannot run the model at all: what was rewritten is certified region by region instead."""
    result = job.run(certify=True)
    certificates = [r.certificate for one in result.passes if not one.cleanup for r in one.rewrites]
    proven = all(c is not None and c.verdict == "equal" for c in certificates)
    note = (
        f"{proof.reason}; the {len(certificates)} rewritten regions were certified instead"
        if proven
        else f"{proof.reason}; not every rewritten region could be certified instead"
    )
    return Outcome(result, job.stage(result), proof, exit_code=0 if proven else 2, note=note)
