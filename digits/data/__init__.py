"""Data sets, splits and derived images."""
