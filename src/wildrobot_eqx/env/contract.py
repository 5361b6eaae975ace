"""The contract of an env, proved without a compile."""
