"""The library of the pipeline: rooms for data, features, models, metrics and what is done with them."""
