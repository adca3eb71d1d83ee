"""SOS Access v4 in both roles: documents, status codes, and one machine for each end of a connection."""
