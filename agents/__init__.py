"""Encoders, actor-critics, rollouts, losses, update; never touches the disk."""
