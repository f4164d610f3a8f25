"""What tests of every folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from graphmorph.certification import certificate_for
from graphmorph.editor import Editor
from graphmorph.manager import PassManager
from graphmorph.report import RewriteReport
from graphmorph.rewrite import Rewrite, Site
from graphmorph.runtime import Runtime

# The same examples in every run: a change is judged by what it changes. More are tried with --hypothesis-profile=wide.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("wide", deadline=None)
settings.load_profile("steady")

AFFINE_PASSES = tuple(f"graphmorph.passes.{name}" for name in ("expand_branches", "fold_batchnorm", "fuse_branches"))


@pytest.fixture(scope="session")
def runtime() -> Iterator[Runtime]:
    """One child process for all tests that need onnx's and onnxruntime's opinion."""
    with Runtime() as one:
        yield one


@pytest.fixture(autouse=True)
def certified(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Certificates are always on: every rewrite that a shipped affine pass makes in a test is certified on the way."""
    if "regions" in request.node.nodeid:
        return  # these compare every region with an evaluator of their own
    commit = PassManager._commit

    def checked(manager: PassManager, rewrite: Rewrite, site: Site, editor: Editor) -> RewriteReport:
        if type(rewrite).__module__ in AFFINE_PASSES and rewrite.kind == "exact":
            certificate = certificate_for(editor.edit, editor.facts)
            assert certificate.verdict != "different", certificate.reason
        return commit(manager, rewrite, site, editor)

    monkeypatch.setattr(PassManager, "_commit", checked)
