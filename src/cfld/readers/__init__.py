"""Files of unknown content, read within limits: every failure is a ValueError of one line that names the file."""
