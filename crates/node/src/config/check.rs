//! Rules that look at more than one section.

use std::net::{IpAddr, SocketAddr};

use super::reader::Reader;
use super::units::ByteSize;
use super::{cluster, limits, listener, node};

/// Checks everything; problems go to the reader.
pub(super) fn all(
    reader: &mut Reader,
    node: &node::Config,
    listeners: &[listener::Config],
    cluster: &cluster::Config,
    limits: &limits::Config,
) {
    exposure(reader, node, listeners, cluster);
    ports(reader, listeners, cluster);
    membership(reader, node, cluster);
    sizes(reader, cluster, limits);
}

/// Nothing is encrypted or authenticated yet, so only this machine may reach a node, unless told otherwise.
fn exposure(
    reader: &mut Reader,
    node: &node::Config,
    listeners: &[listener::Config],
    cluster: &cluster::Config,
) {
    if node.insecure {
        return;
    }
    let listeners = listeners.iter().enumerate().map(|(i, l)| (format!("listener.{i}.address"), l.address));
    for (path, address) in listeners.chain([("cluster.address".to_owned(), cluster.address)]) {
        if !address.ip().is_loopback() {
            let text = format!(
                "{path} = \"{address}\" listens beyond this machine, without encryption or passwords; use \
                 {}:{}, or allow it with --insecure or insecure = true under [node]",
                if address.is_ipv6() { "[::1]" } else { "127.0.0.1" },
                address.port()
            );
            reader.problem(&path, text);
        }
    }
}

/// Two sockets of one process on one port: the second could not listen.
fn ports(reader: &mut Reader, listeners: &[listener::Config], cluster: &cluster::Config) {
    let mut taken = vec![("cluster.address".to_owned(), cluster.address)];
    for (index, listener) in listeners.iter().enumerate() {
        let path = format!("listener.{index}.address");
        if let Some((other, _)) = taken.iter().find(|(_, address)| collide(*address, listener.address)) {
            let text =
                format!("{path} = \"{}\" is the port of {other} too; give each its own", listener.address);
            reader.problem(&path, text);
        }
        taken.push((path, listener.address));
    }
}

fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port() && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

/// The seeds name this node, at the address where it listens.
fn membership(reader: &mut Reader, node: &node::Config, cluster: &cluster::Config) {
    if cluster.seeds.is_empty() {
        return; // reported already, or refused below by its absence
    }
    let Some(own) = cluster.seeds.iter().find(|seed| seed.name == node.name) else {
        let names: Vec<&str> = cluster.seeds.iter().map(|seed| seed.name.as_str()).collect();
        let text = format!(
            "cluster.seeds does not name this node, {:?} (it names {}); every node's list holds all first members: \
             add \"{}={}\" or mend node.name",
            node.name,
            names.join(", "),
            node.name,
            cluster.address
        );
        reader.problem("cluster.seeds", text);
        return;
    };
    // Host names, port mappings and wildcard addresses may well differ; two plain addresses may not.
    if let Ok(seed) = own.address.parse::<SocketAddr>()
        && same_machine(seed.ip(), cluster.address.ip())
        && seed != cluster.address
    {
        let text = format!(
            "cluster.seeds says that {} listens at {seed}, but cluster.address is \"{}\"; make them the same",
            node.name, cluster.address
        );
        reader.problem("cluster.seeds", text);
    }
}

fn same_machine(seed: IpAddr, own: IpAddr) -> bool {
    seed == own || (seed.is_loopback() && own.is_loopback())
}

/// A packet fits a batch and a batch fits a message, or the largest packet would stop the cluster.
fn sizes(reader: &mut Reader, cluster: &cluster::Config, limits: &limits::Config) {
    let (packet, batch, message) =
        (limits.maximum_packet_size, cluster.maximum_batch_size, cluster.maximum_message_size);
    if packet.0.saturating_add(PACKET_MARGIN.0) > batch.0 {
        let text = format!(
            "limits.maximum_packet_size = \"{packet}\" and {PACKET_MARGIN} around it do not fit a batch \
             (cluster.maximum_batch_size, {batch}); lower it or raise the batch"
        );
        reader.problem("limits.maximum_packet_size", text);
    }
    if batch.0.saturating_add(BATCH_MARGIN.0) > message.0 {
        let text = format!(
            "cluster.maximum_batch_size = \"{batch}\" and {BATCH_MARGIN} around it do not fit a message between nodes \
             (cluster.maximum_message_size, {message}); lower it or raise the message"
        );
        reader.problem("cluster.maximum_batch_size", text);
    }
    if cluster.proposal_window.0 < batch.0.saturating_mul(2) {
        let text = format!(
            "cluster.proposal_window = \"{}\" holds less than two batches ({batch} each); raise it",
            cluster.proposal_window
        );
        reader.problem("cluster.proposal_window", text);
    }
}

/// What a command's own fields and the topic behind an alias add to a packet.
const PACKET_MARGIN: ByteSize = ByteSize::kib(128);

/// What the heads of segments, entries and messages add to a batch.
const BATCH_MARGIN: ByteSize = ByteSize::kib(64);
