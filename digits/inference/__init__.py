"""From a photograph to the digit on it."""
