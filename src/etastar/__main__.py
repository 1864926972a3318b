"""`python -m etastar` is the `etastar` command."""

from etastar.cli.main import main

if __name__ == "__main__":
    main()
