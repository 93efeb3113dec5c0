//! The cluster side of Pilothouse: discovery, apply, delete, readiness, evidence.
