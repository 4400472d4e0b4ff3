"""Choose entries of a tree, which stays stored as it is: plainly, by collections, or as a whole."""
