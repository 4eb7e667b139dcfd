//! Session Present is true, and a session has one owner: a small model of its own, fed with the log's effects, says
//! what each CONNACK must carry ([MQTT-3.2.2-2], [MQTT-3.2.2-3]).

use std::collections::BTreeMap;

use quartet_broker::{
    Boot, Command, Connect, ConnectionId, Effect, NodeDown, NodeId, NodeUp, Outgoing, RouteChange,
    SessionSlot, Timestamp,
};

use crate::log::{Flight, Log};
use crate::violation::Violation;

/// The Session Expiry Interval that means never.
const NEVER: u32 = u32::MAX;

/// What is known of one client's session.
#[derive(Clone, Debug)]
struct Known {
    slot: SessionSlot,
    owner: Option<ConnectionId>,
    expiry: u32,
    detached: Option<Timestamp>,
}

impl Known {
    fn detach(&mut self, at: Timestamp) {
        self.owner = None;
        self.detached = self.detached.or(Some(at));
    }

    fn exists(&self, now: Timestamp) -> bool {
        match self.detached {
            None => true,
            Some(at) => self.expiry == NEVER || at.plus_seconds(self.expiry) > now,
        }
    }
}

/// The model: what happened to each client's session, by the log's effects alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Oracle {
    connects: BTreeMap<ConnectionId, Connect>,
    sessions: BTreeMap<Vec<u8>, Known>,
    /// Each node's highest boot and whether it lives, by the commands alone.
    boots: BTreeMap<NodeId, (Boot, bool)>,
}

impl Oracle {
    /// Follows the last entry.
    pub(crate) fn entry(&mut self, log: &Log, effects: &[Effect]) -> Result<(), Violation> {
        let now = log.tip().time();
        let flights = log.entries().last().map_or(&[][..], |entry| &entry.flights);
        for flight in flights {
            let commands = match flight {
                Flight::Segment { commands, .. } => commands.as_slice(),
                Flight::Plain(command) => {
                    self.boot(command);
                    &[]
                }
            };
            for command in commands {
                if let Command::Connect(connect) = command {
                    self.connects.insert(connect.connection, connect.clone());
                }
            }
        }
        for effect in effects {
            match effect {
                Effect::Send {
                    to,
                    packet: Outgoing::ConnAck { session, session_present, session_expiry, .. },
                } => {
                    self.conn_ack(*to, *session, *session_present, *session_expiry, now)?;
                }
                Effect::Route(RouteChange::Detached { session }) => {
                    let owned = |known: &&mut Known| known.slot == *session && known.owner.is_some();
                    self.sessions.values_mut().filter(owned).for_each(|known| known.detach(now));
                }
                Effect::BootEnded(origin) => {
                    let owned =
                        |known: &&mut Known| known.owner.is_some_and(|owner| owner.origin() == *origin);
                    self.sessions.values_mut().filter(owned).for_each(|known| known.detach(now));
                }
                Effect::Send { .. }
                | Effect::Close { .. }
                | Effect::Store { .. }
                | Effect::Release { .. }
                | Effect::Route(_) => {}
            }
        }
        // A boot's end detaches at once, whether the log says so by an effect or not.
        let boots = &self.boots;
        let dead = |known: &&mut Known| {
            known.owner.is_some_and(|owner| boots.get(&owner.node) != Some(&(owner.boot, true)))
        };
        self.sessions.values_mut().filter(dead).for_each(|known| known.detach(now));
        Ok(())
    }

    fn boot(&mut self, command: &Command) {
        match command {
            Command::NodeUp(NodeUp { origin }) => {
                let known = self.boots.entry(origin.node).or_insert((origin.boot, true));
                if known.0 < origin.boot {
                    *known = (origin.boot, true);
                }
            }
            Command::NodeDown(NodeDown { origin }) => {
                if let Some(known) = self.boots.get_mut(&origin.node).filter(|known| known.0 == origin.boot) {
                    known.1 = false;
                }
            }
            Command::Connect(_)
            | Command::Disconnect(_)
            | Command::Publish(_)
            | Command::Acknowledge(_)
            | Command::Subscribe(_)
            | Command::Unsubscribe(_)
            | Command::AdvanceTime(_)
            | Command::Configure(_)
            | Command::Upgrade(_)
            | Command::VoteDigest(_) => {}
        }
    }

    fn conn_ack(
        &mut self,
        to: ConnectionId,
        slot: SessionSlot,
        present: bool,
        expiry: u32,
        now: Timestamp,
    ) -> Result<(), Violation> {
        let broken = |detail: String| Err(Violation::new("session present is true", detail));
        let Some(connect) = self.connects.get(&to) else {
            return broken(format!("{to:?} gets CONNACK and never sent CONNECT"));
        };
        let client = connect.client_id.as_bytes().to_vec();
        let existed = self.sessions.get(&client).is_some_and(|known| known.exists(now));
        if present != (existed && !connect.clean_start) {
            return broken(format!("{to:?} is told {present}; a session existed: {existed}; {connect:?}"));
        }
        self.sessions.insert(client, Known { slot, owner: Some(to), expiry, detached: None });
        Ok(())
    }
}
