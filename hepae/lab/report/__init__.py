"""Reports and plots of what a compressed file preserves and loses. Needs the extra `lab`."""
