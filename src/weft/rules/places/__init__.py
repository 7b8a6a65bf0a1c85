"""Places on Earth: fences, planned routes and trips, and the geometry beneath them."""
