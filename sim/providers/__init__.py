"""SIM providers that behave as their public APIs do, on loopback."""
