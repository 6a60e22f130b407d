"""Who is here, and how news and data reach them: SWIM, push and reconcile, as plain state machines."""
