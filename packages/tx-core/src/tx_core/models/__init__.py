"""What models are made of, for both frameworks."""
