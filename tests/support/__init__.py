"""What several tests need: small trees of data, studies, networks; real processes and browsers."""
