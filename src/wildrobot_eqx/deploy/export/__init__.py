"""From a training env and a policy to a bundle."""
