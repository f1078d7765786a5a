"""Index patterns and selection by predicates."""
