"""Fitting that needs NumPy only: predictors of the lifting codec."""
