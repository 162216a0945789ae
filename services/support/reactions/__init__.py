"""What support does when something happens anywhere."""
