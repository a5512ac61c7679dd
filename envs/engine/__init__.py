"""What all environments are played with: the batch, the single view, and numpy's random streams in compiled code."""
