//! `[[listener]]`: a socket where clients connect.

use std::net::SocketAddr;

use super::reader::Reader;

/// Settings of one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Where it listens; plain TCP.
    pub(crate) address: SocketAddr,
}

/// Most listeners of one node: each costs a socket and a task; more than a few is a mistake.
const MOST: usize = 16;

/// Reads all listeners; at least one is required.
pub(super) fn read(reader: &mut Reader) -> Vec<Config> {
    let count = reader.count("listener");
    if count == 0 {
        let text = "there is no listener, so no client could connect; write [[listener]] and \
                    address = \"127.0.0.1:1883\"";
        reader.problem("listener", text);
    }
    if count > MOST {
        reader.problem(
            "listener.0",
            format!("{count} listeners are more than the {MOST} a node has; remove some"),
        );
    }
    (0..count.min(MOST))
        .filter_map(|index| {
            let mut section = reader.section(format!("listener.{index}"));
            let address = section.required::<SocketAddr>("address", "address = \"127.0.0.1:1883\"")?;
            Some(Config { address })
        })
        .collect()
}
