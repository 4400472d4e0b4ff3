"""hepae beside the alternatives, at the same bounds, in one run."""
