"""Who may use the proxy, and from where: decisions, and the little that they must remember."""
