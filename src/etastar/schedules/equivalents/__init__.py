"""For each library, which of its schedules comes nearest to one of ours."""
