"""Who may do what: API keys, tenants with quotas and carbon budgets, node tokens, TLS, and no secret in any log."""
