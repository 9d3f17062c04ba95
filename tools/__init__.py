"""Development tools: the local stack, chatctl, the benchmark and the documents. No service imports them."""
