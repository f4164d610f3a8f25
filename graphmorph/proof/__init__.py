"""Prove that a rewritten model computes what the original computes, by running both in onnxruntime."""

from graphmorph.proof.options import ProofOptions
from graphmorph.proof.report import CaseReport, Metrics, OutputReport, Proof
from graphmorph.proof.session import ProofSession, verify

__all__ = ["CaseReport", "Metrics", "OutputReport", "Proof", "ProofOptions", "ProofSession", "verify"]
