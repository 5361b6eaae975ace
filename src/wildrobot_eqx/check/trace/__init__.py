"""Functions traced abstractly, and what their leaves and errors say."""
