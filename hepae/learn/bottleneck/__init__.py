"""Training of the float autoencoder: presets of the literature, networks, fit, calibration of bounds, export."""
