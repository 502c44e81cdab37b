"""A page to draw digits on: they are read as one draws, and kept with their labels."""
