"""What a real robot does differently: logs are replayed in simulation, and the model is fitted to them."""
