"""Values to integers and back: bounds, the lattices that they allow, dither, and objects in memory."""
