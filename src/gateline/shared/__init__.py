"""What every service stands on: configuration, storage, tokens, middleware, clients, sight."""
