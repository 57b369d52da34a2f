"""The five components of the paper, one a file: H_S, H_D, H_A, H_P, H_N; the conditioner joins the first four."""
