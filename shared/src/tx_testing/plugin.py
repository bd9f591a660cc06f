"""pytest plugin of the tx repository."""
