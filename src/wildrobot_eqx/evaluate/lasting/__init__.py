"""Minutes on its feet, with errors that last: what a policy of 10 s episodes has never met."""
