"""Episodic memory: store, write rules, read, codec, recalculation. Knows nothing of environments or agents."""
