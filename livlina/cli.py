def main():
    """Entry point."""
