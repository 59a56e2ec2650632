"""What the data say: samples, moments, their conditions."""
