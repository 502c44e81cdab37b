"""A fitted model put to work on pictures."""
