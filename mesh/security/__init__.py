"""The shapes of trust: certificates and what a core may ask of keys. Signing itself is handed in."""
