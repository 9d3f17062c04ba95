"""What a file is and what is served of it, found out in worker processes."""
