"""Groups of boards: membership, what their boards share, and how they look together."""
