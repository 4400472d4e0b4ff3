"""How results look where a person sees them: a line in Python, a table in a notebook."""
