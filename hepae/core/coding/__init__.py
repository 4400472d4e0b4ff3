"""Integers to bytes: pcodec blocks, tANS streams, short numbers, and the frame around them with its checksums."""
