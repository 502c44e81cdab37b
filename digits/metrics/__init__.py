"""Metrics of a model's predictions, with their intervals."""
