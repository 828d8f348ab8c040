"""What passes and what fails: gates, and two releases or many beside each other."""
