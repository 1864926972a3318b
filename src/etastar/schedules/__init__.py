"""Learning-rate schedules: pure, frozen functions of the step, without torch."""
