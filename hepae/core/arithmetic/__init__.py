"""Arithmetic that gives the same bits on every machine: elementary functions, four-vectors, tables of both."""
