"""What several methods answer alike of their fits."""
