//! The helm binary as a typed client, release records and chart archives.
