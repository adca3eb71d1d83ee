"""SIM cards, their providers, the paths of units, and policies for them."""
