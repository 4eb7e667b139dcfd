//! Where clients connect.

pub(crate) mod tcp;
