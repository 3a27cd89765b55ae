"""Named sources and a target: reading, checking, aligning, stacking."""
