"""What must be forgotten or never told: keys of personal data, verifiers of secrets, who holds a login or a phone."""
