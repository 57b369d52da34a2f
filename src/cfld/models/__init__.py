"""The components of the paper, one per file: H_S, H_D, H_A, H_P, H_N; `conditioner` joins the first four."""
