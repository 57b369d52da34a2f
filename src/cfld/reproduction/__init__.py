"""Tables 3 and 5 of the paper, row by row: train, generate, score, and print beside the paper's figures."""
