"""Moving data between memories by DMA."""
