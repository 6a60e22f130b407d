"""Foreign configurations, read into records: bytes in, plain values out, nothing silently mended."""
