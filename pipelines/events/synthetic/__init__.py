"""A generated log of any size with planted tastes, for benchmarks and tests."""
