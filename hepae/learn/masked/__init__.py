"""Training of the exact-integer networks that choose coding tables: inputs, mirrors, fit, export."""
