"""All tables of a tree, chunk by chunk: which columns belong together, and which stream each is stored in."""
