"""One machine: embedded engines and the process supervisor."""
