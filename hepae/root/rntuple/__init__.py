"""RNTuples, read and written."""
