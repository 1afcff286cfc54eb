"""What runs around every view: request context, errors, validation, limits, sessions, CSRF."""
