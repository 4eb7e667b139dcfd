//! Names that no other test uses, so that tests can share a broker and its sessions.

/// `stem` and a random end, legal as a Client Identifier and as one level of a topic.
pub fn unique(stem: &str) -> String {
    format!("{stem}-{:08x}", rand::random::<u32>())
}
