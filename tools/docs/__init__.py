"""Documents generated from the code: AsyncAPI, OpenAPI, readable pages, settings. `make docs` writes them, CI compares."""
