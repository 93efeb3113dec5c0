//! The stack file: YAML text to a validated stack, with every problem at its line.
