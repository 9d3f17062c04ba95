"""One hostile account beside honest pairs: what they notice of it, what it is told, and how much memory it takes."""
