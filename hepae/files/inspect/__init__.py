"""What is in a file, by table and by column: bytes, bounds, and what compressing it would do."""
