"""What `make docs` needs besides mkdocs.yml."""
