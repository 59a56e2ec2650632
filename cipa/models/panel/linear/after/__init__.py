"""What follows a linear panel fit."""
