"""HTTP: smart Git, the JSON API, and the plumbing that pages share."""
