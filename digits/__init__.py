"""The library: rooms for data, features, models, metrics and for what is done with results."""
