"""The small network that reads what mannequins wear: a judge of generated images."""
