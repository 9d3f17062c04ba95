"""What the server API asks of messaging: `requests` takes the questions, the other modules carry them out."""
