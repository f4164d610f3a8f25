"""The command line. `graphmorph.cli.main:main` is the entry point; one module a command."""
