"""Fitting, validation and learning curves."""
