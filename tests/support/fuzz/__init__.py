"""What the fuzz suite is made of: inputs and their mutations, a sandbox, a budget of time."""
