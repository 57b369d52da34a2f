"""What finds people and their joints in a picture, one detector a file."""
