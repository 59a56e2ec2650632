"""What every fit is."""
