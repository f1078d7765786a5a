"""Many elements to few: sums, maxima, statistics."""
