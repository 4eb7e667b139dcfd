//! One network connection as a value.
