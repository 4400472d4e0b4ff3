"""ROOT files without their trees: keys, records, other objects, compression, atomic replacement."""
