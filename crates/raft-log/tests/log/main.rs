//! The log from outside: what it promises to Raft, across restarts, kills, torn and damaged disks.
#![allow(clippy::unwrap_used, reason = "a test that unwraps says where it stopped")]

mod boots;
mod damage;
mod disk_full;
mod group_commit;
mod kill;
mod read;
mod refuse;
mod reopen;
mod setup;
mod suite;
mod torn_tail;
