//! Connecting: options → client.
