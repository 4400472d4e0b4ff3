"""The laboratory's commands: bench, experiments, report, plot, images, score, judge."""
