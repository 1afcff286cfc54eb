"""The front door: one ASGI application that matches, admits, identifies, allows, forwards, records."""
