"""Running recurrences along the free dimension."""
