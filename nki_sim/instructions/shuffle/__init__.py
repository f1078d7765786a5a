"""Moving data between partitions."""
