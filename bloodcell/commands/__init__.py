"""Commands that come in groups of their own; what they do is elsewhere."""
