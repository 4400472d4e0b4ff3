"""What is compressed: events of ROOT and CSV files, through the same words."""
