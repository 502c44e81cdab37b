"""Charts and galleries of images."""
