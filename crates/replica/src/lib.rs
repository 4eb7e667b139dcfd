//! This node's Raft member: propose, replicate, apply, read.
