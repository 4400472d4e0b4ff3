"""Give a compressed file its original layout back."""
