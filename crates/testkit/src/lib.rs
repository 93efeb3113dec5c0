//! Fakes that can fail the Nth call, fixture charts and a shared plane for tests.
