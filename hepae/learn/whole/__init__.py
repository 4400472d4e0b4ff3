"""From a sample of a tree to how all of its columns are stored."""
