//! How many files and sockets this process may have open.
//!
//! Systems start processes with a small soft limit (often 1024) below a much larger hard one, for the sake of old
//! programs that use `select`. We do not, so the soft limit is raised to the hard one at the start.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the soft limit to the hard one; returns the limit in force. A system that refuses leaves it as it was.
pub(crate) fn raise_limit() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 0 };
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    }
}
