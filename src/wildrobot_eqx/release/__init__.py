"""Release: the bundle of a run, and its verification."""
