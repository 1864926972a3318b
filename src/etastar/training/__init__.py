"""Training: schedules on optimizers, state preserved, one update at a time. Torch starts here."""
