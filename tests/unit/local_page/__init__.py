"""What the local pages share."""
