"""Decisions as pure functions: no I/O, no clock, no framework, no environment."""
