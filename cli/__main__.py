"""`python -m graphmorph.cli`: the same as the console script."""

from __future__ import annotations

from graphmorph.cli.main import main

if __name__ == "__main__":
    main()
