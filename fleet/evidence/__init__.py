"""Evidence: the record of actions, its chain and signed heads, reports. See README.md."""
