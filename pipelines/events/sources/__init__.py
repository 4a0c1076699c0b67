"""Adapters: one file per source, from its own files to events and items."""
