"""Arithmetic that recommenders share: exact top-N, neighbours, signals of histories, threads."""
