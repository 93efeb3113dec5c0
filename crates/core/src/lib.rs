//! Names, states, plans and events of Pilothouse: data and pure functions.
