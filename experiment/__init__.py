"""Run folders, checkpoints, metrics, evaluation, plots; never computes a loss."""
