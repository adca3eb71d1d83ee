"""Messages to technicians and fleet owners: see README.md."""
