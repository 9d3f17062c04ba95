"""The REST interface of messaging: `endpoints` answers the paths, `schemas` declares the bodies."""
