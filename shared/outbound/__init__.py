"""HTTP to the outside, to URLs that somebody gives us: `addresses` says where a connection may go, `sessions` makes them."""
