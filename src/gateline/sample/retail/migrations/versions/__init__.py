"""Revisions of the schema `retail`."""
