"""Rules that hold for every module of an env, beyond shapes and dtypes."""
