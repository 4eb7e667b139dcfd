//! What the running node is told, in its own types: numbers, never this configuration.

use std::num::NonZeroU16;

use super::Config;
use super::units::Span;
use crate::server;

impl Config {
    /// The node's part of the configuration.
    pub(crate) fn server(&self) -> server::Config {
        let limits = &self.limits;
        server::Config {
            listeners: self.listeners.iter().map(|listener| listener.address).collect(),
            insecure: self.node.insecure,
            cluster: self.cluster.address,
            connection: quartet_connection::Config {
                connect_timeout: limits.connect_timeout.0,
                // Checked to be at most what MQTT can say, which fits.
                maximum_packet_size: u32::try_from(limits.maximum_packet_size.0).unwrap_or(u32::MAX),
                receive_maximum: NonZeroU16::new(limits.receive_maximum).unwrap_or(NonZeroU16::MIN),
                topic_alias_maximum: limits.topic_alias_maximum,
                maximum_keep_alive: whole_seconds(limits.maximum_keep_alive),
            },
            limits: server::Limits {
                maximum_connections: count(limits.maximum_connections.into()),
                connects_per_second: limits.connects_per_second,
                connect_burst: limits.connect_burst,
                write_timeout: limits.write_timeout.0,
                shutdown_timeout: limits.shutdown_timeout.0,
            },
            replica: self.replica(),
        }
    }

    fn replica(&self) -> quartet_replica::Config {
        let cluster = &self.cluster;
        let own_client_address = self.listeners.first().map(|listener| listener.address.to_string());
        let seeds = cluster
            .seeds
            .iter()
            .map(|seed| quartet_replica::Seed {
                name: seed.name.clone(),
                peer_address: seed.address.clone(),
                client_address: match seed.name == self.node.name {
                    true => own_client_address.clone().unwrap_or_default(),
                    false => String::new(),
                },
            })
            .collect();
        let mut replica = quartet_replica::Config::new(&self.node.name, &self.node.data_dir, seeds);
        replica.settings = self.settings.clone();
        replica.limits.maximum_packet = count(self.limits.maximum_packet_size.0);
        replica.limits.batch_bytes = count(cluster.maximum_batch_size.0);
        replica.limits.grpc_message = count(cluster.maximum_message_size.0);
        replica.limits.window = count(cluster.proposal_window.0);
        replica.timing.heartbeat = cluster.heartbeat_interval.0;
        replica.timing.election_min = cluster.election_timeout_minimum.0;
        replica.timing.election_max = cluster.election_timeout_maximum.0;
        replica.timing.leaderless = cluster.no_leader_after.0;
        replica.timing.silence = cluster.node_down_after.0;
        replica
    }
}

/// A number that fits every machine we run on; on smaller ones the most they have.
fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn whole_seconds(span: Span) -> u16 {
    u16::try_from(span.0.as_secs()).unwrap_or(u16::MAX)
}
