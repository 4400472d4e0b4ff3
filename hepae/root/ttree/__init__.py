"""TTrees: reading, headers, raw copy of baskets, writing."""
