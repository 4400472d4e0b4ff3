"""Commands of the repository that are not part of the package: `python -m scripts.NAME`."""
