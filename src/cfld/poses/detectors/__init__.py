"""What finds people and their joints in an image, one detector a file."""
