//! Whole clusters simulated, their invariants, and the model check.
