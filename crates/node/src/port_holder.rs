//! Who listens on a port, as far as Linux lets us know.
//!
//! `/proc/net/tcp` and `tcp6` name the socket's inode, `/proc/PID/fd` shows whose it is; other users' processes keep
//! their descriptors to themselves.

use std::fs;

/// "by mosquitto (pid 812)", or as much of that as can be known.
pub(crate) fn who(port: u16) -> String {
    let by_other = "by a process of another user (another broker, mosquitto perhaps?)".to_owned();
    let Some(inode) = listening_inode(port) else { return by_other };
    match process_with(&format!("socket:[{inode}]")) {
        Some((pid, name)) => format!("by {name} (pid {pid})"),
        None => by_other,
    }
}

/// The inode of the socket that listens on this port.
fn listening_inode(port: u16) -> Option<String> {
    ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().find_map(|path| {
        let sockets = fs::read_to_string(path).ok()?;
        sockets.lines().skip(1).find_map(|line| inode(line, port))
    })
}

/// State number of a listening socket in those files.
const LISTEN: &str = "0A";

/// The inode in a line of those files, if it is of a socket that listens on this port.
fn inode(line: &str, port: u16) -> Option<String> {
    let mut fields = line.split_whitespace();
    let local = fields.nth(1)?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?;
    let (_, local_port) = local.rsplit_once(':')?;
    let same = u16::from_str_radix(local_port, 16).is_ok_and(|local| local == port);
    (same && state == LISTEN).then(|| inode.to_owned())
}

/// The process that has this descriptor open, and its name.
fn process_with(descriptor: &str) -> Option<(u32, String)> {
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(entry.path().join("fd")) else { continue };
        let holds = descriptors
            .flatten()
            .any(|link| fs::read_link(link.path()).is_ok_and(|target| target.as_os_str() == descriptor));
        if holds {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            return Some((pid, name.trim().to_owned()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc_net_tcp() {
        let line = "   0: 0100007F:075B 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 424242 1";
        assert_eq!(inode(line, 1883), Some("424242".into()));
        assert_eq!(inode(line, 1884), None);
        assert_eq!(inode(&line.replace(" 0A ", " 01 "), 1883), None, "not listening");
        assert_eq!(inode("", 1883), None);
    }
}
