"""`python -m cfld`, the same as `cfld`."""

from cfld.cli import main

if __name__ == "__main__":
    main()
