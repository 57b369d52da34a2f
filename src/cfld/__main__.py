"""`python -m cfld` is `cfld`."""

from cfld.cli import main

if __name__ == "__main__":
    main()
