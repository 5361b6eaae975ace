"""Is a policy fit for a robot that is not as drawn? Wrong worlds, a sweep of each parameter, and pushes."""
