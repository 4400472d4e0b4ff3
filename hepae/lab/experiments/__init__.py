"""Grids of trainings with honest metrics: the literature, reproduced. Needs the extras `train` and `lab`."""
