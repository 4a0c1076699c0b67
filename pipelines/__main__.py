"""`python -m pipelines` and the `recsys` script."""

from pipelines.base.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
