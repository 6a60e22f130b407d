"""What people and programs ask of a peer: websocket JSON-RPC, REST, watches, metrics, and a page (DESIGN §11)."""
