"""Compress a whole file: every tree, every table, every column that comes out smaller."""
