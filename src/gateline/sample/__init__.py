"""Reference upstreams with sample data, as a team's own services would be."""
