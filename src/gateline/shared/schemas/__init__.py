"""Payload schemas that services share."""
