"""A modem and the networks around it, on a pseudo-terminal that real firmware talks to. See README.md."""
