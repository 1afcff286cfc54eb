"""Revisions of the schema `clinic`."""
