"""Run the `gateline` command as `python -m gateline`."""

from gateline.cli import main

if __name__ == "__main__":
    main()
