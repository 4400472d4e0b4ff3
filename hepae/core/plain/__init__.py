"""Exact values without a model: what every column falls back to, and what small columns are best with."""
