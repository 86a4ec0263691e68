"""How a moment is remembered: codecs, each a value."""
