"""What things cost, each as a ratio against something run in the same call."""
