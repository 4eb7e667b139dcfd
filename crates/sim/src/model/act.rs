//! What can happen next, and what it comes to.

use std::sync::Arc;

use quartet_broker::invariants::{boots_and_cursors_never_go_back, check_all};
use quartet_broker::{
    Admission, Boot, Command, Effect, LogIndex, NodeDown, NodeUp, Number, Origin, Outgoing, Timestamp,
};
use quartet_packet::QoS;

use crate::model::Handshakes;
use crate::model::node::{Connection, End, Stage};
use crate::model::state::{Entry, Item, State};
use crate::sin::Sin;

/// One step. Nodes are named by their place, connections by their serial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The publisher connects, with packets behind CONNECT or without.
    PublisherConnects(usize, bool),
    /// The subscriber connects.
    SubscriberConnects(usize),
    /// A node reads a packet or notices a close.
    Read(usize, u64),
    /// The log takes the proposal at this place.
    Append(usize),
    /// The log takes a node's NodeUp of a boot.
    AppendUp(usize, u64),
    /// A node applies its next entry.
    Apply(usize),
    /// The publisher gives its connection up; the node is told, or not.
    PublisherCuts(bool),
    /// The subscriber gives its connection up.
    SubscriberCuts(bool),
    /// A node starts again.
    Restart(usize),
    /// A node is declared down, alive or not: the boot of this number.
    Down(usize, u64),
    /// A node jumps to the log's end.
    Snapshot(usize),
}

impl State {
    /// What happens by itself, sooner or later.
    pub(crate) fn steps(&self, model: &Handshakes, actions: &mut Vec<Action>) {
        for node in 0..self.nodes.len() {
            if self.publisher.link.is_none() {
                actions.push(Action::PublisherConnects(node, false));
                if model.bounds.eager {
                    actions.push(Action::PublisherConnects(node, true));
                }
            }
            if self.subscriber.link.is_none() {
                actions.push(Action::SubscriberConnects(node));
            }
            if self.nodes[node].applied < self.entries.len() {
                actions.push(Action::Apply(node));
            }
            for connection in &self.nodes[node].connections {
                if self.can_read(node, connection) {
                    actions.push(Action::Read(node, connection.serial));
                }
            }
            let Origin { node: id, boot } = self.nodes[node].origin;
            let highest = self.tip().highest_boot(id).map_or(0, |(boot, _)| boot.0);
            if highest < boot.0 {
                actions.push(Action::AppendUp(node, boot.0));
            }
        }
        actions.extend(
            (0..self.proposed.len()).filter(|at| self.is_due(*at) && self.is_held(*at)).map(Action::Append),
        );
    }

    /// Whether a proposal is the next of its stream.
    fn is_due(&self, at: usize) -> bool {
        let next = |cursor: Number, number: u64| cursor.0 + 1 == number;
        let proposed = self.proposed.get(at);
        proposed.is_some_and(|it| self.tip().cursor(it.origin).is_some_and(|cursor| next(cursor, it.number)))
    }

    /// Whether its node still has it in its window, and so sends it until it is applied.
    fn is_held(&self, at: usize) -> bool {
        let Some(proposed) = self.proposed.get(at) else { return false };
        (0..self.nodes.len()).any(|node| {
            self.nodes[node].origin == proposed.origin
                && self
                    .broker_of(node)
                    .cursor(proposed.origin)
                    .is_none_or(|cursor| cursor.0 < proposed.number)
        })
    }

    /// What happens only within bounds.
    pub(crate) fn faults(&self, model: &Handshakes, actions: &mut Vec<Action>) {
        for silent in [false, true] {
            if let Some((node, serial)) = self.publisher.link
                && self.left.publisher_cuts > 0
                && (!silent || self.may_be_silent(node, serial))
            {
                actions.push(Action::PublisherCuts(silent));
            }
            if self.subscriber.link.is_some() && self.left.subscriber_cuts > 0 {
                actions.push(Action::SubscriberCuts(silent));
            }
        }
        for node in 0..self.nodes.len() {
            if self.left.restarts > 0 {
                actions.push(Action::Restart(node));
            }
            if self.left.snapshots > 0 && self.nodes[node].applied < self.entries.len() {
                actions.push(Action::Snapshot(node));
            }
            let id = self.nodes[node].origin.node;
            if let Some((boot, true)) = self.tip().highest_boot(id)
                && self.left.downs > 0
            {
                actions.push(Action::Down(node, boot.0));
            }
        }
        // What a boot that is gone has sent may still arrive.
        actions.extend(
            (0..self.proposed.len()).filter(|at| self.is_due(*at) && !self.is_held(*at)).map(Action::Append),
        );
        // What the guards make harmless, and what is left out without a sin for that reason.
        if self.left.repeats == 0 {
            return;
        }
        match model.sin {
            Some(
                Sin::GapsAccepted
                | Sin::RepeatsAccepted
                | Sin::RetriedWithoutNumber
                | Sin::BootsIgnored
                | Sin::BootsForgotten,
            ) => {
                actions.extend((0..self.proposed.len()).map(Action::Append));
            }
            Some(Sin::BootsReopened) => {
                for node in 0..self.nodes.len() {
                    actions.extend(
                        (1..=self.nodes[node].origin.boot.0).map(|boot| Action::AppendUp(node, boot)),
                    );
                }
            }
            Some(_) | None => {}
        }
    }

    /// What an eager client has written and the node has not begun to read must be followed by its close.
    fn may_be_silent(&self, node: usize, serial: u64) -> bool {
        let found = self.nodes[node].connections.iter().find(|connection| connection.serial == serial);
        !(self.publisher.eager && found.is_some_and(|connection| connection.stage == Stage::Unread))
    }

    /// The state after an action; `None` if it changes nothing.
    pub(crate) fn after(&self, model: &Handshakes, action: Action) -> Option<Self> {
        let mut next = self.clone();
        match action {
            Action::PublisherConnects(node, eager) => next.publisher_connects(node, eager, model),
            Action::SubscriberConnects(node) => {
                let serial = next.accept(node, false);
                next.subscriber.link = Some((node, serial));
            }
            Action::Read(node, serial) => next.read(node, serial, model)?,
            Action::Append(at) => next.append_proposed(at, model)?,
            Action::AppendUp(node, boot) => {
                let origin = Origin { node: next.nodes[node].origin.node, boot: Boot(boot) };
                next.append_plain(Command::NodeUp(NodeUp { origin }), model)?;
            }
            Action::Apply(node) => next.apply(node, model)?,
            Action::PublisherCuts(silent) => {
                next.left.publisher_cuts -= 1;
                let link = next.publisher.link.take()?;
                next.cut(link, silent, model);
            }
            Action::SubscriberCuts(silent) => {
                next.left.subscriber_cuts -= 1;
                let link = next.subscriber.link.take()?;
                next.cut(link, silent, model);
            }
            Action::Restart(node) => {
                next.left.restarts -= 1;
                next.close_all(node, model);
                next.nodes[node].next_boot(model.sin);
            }
            Action::Down(node, boot) => {
                next.left.downs -= 1;
                let origin = Origin { node: next.nodes[node].origin.node, boot: Boot(boot) };
                next.append_plain(Command::NodeDown(NodeDown { origin }), model)?;
            }
            Action::Snapshot(node) => next.install(node, model),
        }
        next.settle();
        Some(next)
    }

    fn accept(&mut self, node: usize, publisher: bool) -> u64 {
        let node = &mut self.nodes[node];
        node.serials += 1;
        node.connections.push(Connection::new(node.serials, publisher));
        node.serials
    }

    fn publisher_connects(&mut self, node: usize, eager: bool, model: &Handshakes) {
        let serial = self.accept(node, true);
        self.publisher.link = Some((node, serial));
        self.publisher.eager = eager;
        if eager {
            let packets = self.publisher.begin(&model.bounds);
            self.write_up(node, serial, packets, model);
        }
    }

    fn cut(&mut self, (node, serial): (usize, u64), silent: bool, model: &Handshakes) {
        let id = self.nodes[node].connection_id(serial);
        let Some(connection) = self.nodes[node].connection(serial) else { return };
        connection.end = if silent { End::Silent } else { End::Arrived };
        let ignored = matches!(model.sin, Some(Sin::PeerCloseIgnored | Sin::ProposedBeforeConnAck));
        match connection.stage {
            // Nothing of what it sent is proposed, and its CONNACK will find nobody.
            Stage::Opening if !silent && !ignored => {
                self.forget(node, serial, model.sin);
            }
            Stage::Unread if !silent && !ignored => self.forget(node, serial, model.sin),
            Stage::Open(session) if !silent && connection.up.is_empty() => {
                self.forget(node, serial, model.sin);
                self.propose(node, crate::model::state::disconnect(id, session));
            }
            Stage::Unread | Stage::Opening | Stage::Open(_) => self.forget_if_done(node, serial, model),
        }
    }

    fn close_all(&mut self, node: usize, model: &Handshakes) {
        let serials: Vec<u64> =
            self.nodes[node].connections.iter().map(|connection| connection.serial).collect();
        for serial in serials {
            self.forget(node, serial, model.sin);
        }
    }

    fn append_proposed(&mut self, at: usize, model: &Handshakes) -> Option<()> {
        let proposed = self.proposed.get(at)?.clone();
        let mut after = (**self.tip()).clone();
        after.begin_entry(LogIndex(after.index().0 + 1), Timestamp(0));
        let due = self.is_due(at);
        match after.admit(proposed.origin, Number(proposed.number)) {
            Admission::Next => {}
            Admission::Repeated | Admission::Gap | Admission::NotAlive
                if model.sin == Some(Sin::RetriedWithoutNumber) => {}
            Admission::Repeated | Admission::Gap | Admission::NotAlive => return None,
        }
        if !due {
            self.left.repeats = self.left.repeats.checked_sub(1)?;
        }
        let mut effects = Vec::new();
        after.apply((*proposed.command).clone(), &mut effects);
        after.end_entry(&mut effects);
        let (origin, number, command) = (proposed.origin, proposed.number, proposed.command);
        self.push(Item::Numbered { origin, number, command }, after, effects, model);
        Some(())
    }

    fn append_plain(&mut self, command: Command, model: &Handshakes) -> Option<()> {
        let node = match &command {
            Command::NodeUp(NodeUp { origin }) | Command::NodeDown(NodeDown { origin }) => origin.node,
            Command::Connect(_)
            | Command::Disconnect(_)
            | Command::Publish(_)
            | Command::Acknowledge(_)
            | Command::Subscribe(_)
            | Command::Unsubscribe(_)
            | Command::AdvanceTime(_)
            | Command::Configure(_)
            | Command::Upgrade(_)
            | Command::VoteDigest(_) => return None,
        };
        let mut after = (**self.tip()).clone();
        let before = after.highest_boot(node);
        let mut effects = Vec::new();
        after.begin_entry(LogIndex(after.index().0 + 1), Timestamp(0));
        after.apply(command.clone(), &mut effects);
        after.end_entry(&mut effects);
        if after.highest_boot(node) == before && effects.is_empty() {
            return None;
        }
        if matches!((&command, before), (Command::NodeUp(up), Some((boot, _))) if up.origin.boot <= boot) {
            self.left.repeats = self.left.repeats.checked_sub(1)?;
        }
        self.push(Item::Plain(command), after, effects, model);
        Some(())
    }

    fn push(&mut self, item: Item, after: quartet_broker::Broker, effects: Vec<Effect>, model: &Handshakes) {
        for effect in &effects {
            if let Effect::Store { message, .. } = effect {
                self.stored.extend(message.payload.first().copied());
            }
        }
        if model.sin.is_none_or(|sin| !sin.inside_apply() || sin == Sin::BootsReopened) {
            let kept =
                boots_and_cursors_never_go_back::check(self.tip(), &after).and_then(|()| check_all(&after));
            self.sound &= kept.is_ok();
        }
        self.entries.push(Entry { item, after: Arc::new(after), effects: effects.into() });
        if model.sin.is_none_or(|sin| !sin.inside_apply() && sin != Sin::RetriedWithoutNumber) {
            // Of these the cursor and the boots say now, and so for ever, that they change nothing.
            let mut tip = (**self.tip()).clone();
            self.proposed.retain(|proposed| {
                match tip.cursor(proposed.origin) {
                    // A boot whose NodeUp is still to come.
                    None => tip
                        .highest_boot(proposed.origin.node)
                        .is_none_or(|(boot, _)| boot < proposed.origin.boot),
                    Some(_) => tip.admit(proposed.origin, Number(proposed.number)) != Admission::Repeated,
                }
            });
        }
    }

    fn apply(&mut self, node: usize, model: &Handshakes) -> Option<()> {
        let entry = self.entries.get(self.nodes[node].applied)?.clone();
        self.nodes[node].applied += 1;
        let origin = self.nodes[node].origin;
        for effect in entry.effects.iter() {
            match effect {
                Effect::Send { to, packet } if to.origin() == origin => {
                    self.perform(node, to.serial, packet, model)
                }
                Effect::Close { connection, .. } if connection.origin() == origin => {
                    self.forget(node, connection.serial, model.sin);
                }
                Effect::Send { .. }
                | Effect::Close { .. }
                | Effect::Store { .. }
                | Effect::Release { .. }
                | Effect::Route(_)
                | Effect::BootEnded(_) => {}
            }
        }
        self.follow_own_boot(node, model);
        Some(())
    }

    /// At the end of its own boot a node closes everything and goes on under the next.
    fn follow_own_boot(&mut self, node: usize, model: &Handshakes) {
        let origin = self.nodes[node].origin;
        let over = |(boot, alive): (Boot, bool)| boot > origin.boot || (boot == origin.boot && !alive);
        if self.broker_of(node).highest_boot(origin.node).is_some_and(over)
            && model.sin != Some(Sin::OwnEndIgnored)
        {
            self.close_all(node, model);
            self.nodes[node].next_boot(model.sin);
        }
    }

    fn install(&mut self, node: usize, model: &Handshakes) {
        self.left.snapshots -= 1;
        self.nodes[node].applied = self.entries.len();
        if model.sin != Some(Sin::SnapshotKeepsConnections) {
            let open: Vec<_> = self.nodes[node]
                .connections
                .iter()
                .map(|connection| (connection.serial, connection.stage))
                .collect();
            self.close_all(node, model);
            let serving = self.broker_of(node).cursor(self.nodes[node].origin).is_some();
            for (serial, stage) in open {
                if let (Stage::Open(session), true) = (stage, serving) {
                    let id = self.nodes[node].connection_id(serial);
                    self.propose(node, crate::model::state::disconnect(id, session));
                }
            }
        }
        self.follow_own_boot(node, model);
    }

    fn perform(&mut self, node: usize, serial: u64, packet: &Outgoing, model: &Handshakes) {
        let sin = model.sin;
        let publishers = self.publisher.link == Some((node, serial));
        let subscribers = self.subscriber.link == Some((node, serial));
        let Some(connection) = self.nodes[node].connection(serial) else {
            if let Outgoing::ConnAck { session, .. } = packet {
                let id = self.nodes[node].connection_id(serial);
                self.propose(node, crate::model::state::disconnect(id, *session));
            }
            return;
        };
        match packet {
            Outgoing::ConnAck { session, .. } => {
                connection.stage = Stage::Open(*session);
                if publishers && !self.publisher.eager {
                    let packets = self.publisher.begin(&model.bounds);
                    self.write_up(node, serial, packets, model);
                }
                self.read_waiting(node, serial, model);
                self.forget_if_done(node, serial, model);
            }
            Outgoing::Publish { handle, packet_id, qos, .. } => {
                let id = connection.rename(packet_id.map_or(0, |id| id.get()), sin);
                let Some(message) = self.message(*handle).filter(|_| subscribers) else { return };
                let answer = match qos {
                    QoS::AtMostOnce | QoS::AtLeastOnce => self.subscriber.publish_at_least_once(id, message),
                    QoS::ExactlyOnce => self.subscriber.publish(id, message),
                };
                self.write_up(node, serial, [answer], model);
            }
            Outgoing::PubAck(..) if sin == Some(Sin::PubAckBeforeCommit) => {}
            Outgoing::PubRec(..) if sin == Some(Sin::PubRecBeforeCommit) => {}
            Outgoing::PubAck(id, _) | Outgoing::PubRec(id, _) => {
                self.acknowledge_publish(node, serial, id.get(), model);
            }
            Outgoing::PubComp(..) if sin == Some(Sin::PubCompBeforeCommit) => {}
            Outgoing::PubComp(id, _) if publishers => {
                let packets = self.publisher.pub_comp(id.get(), &model.bounds);
                self.write_up(node, serial, packets, model);
            }
            Outgoing::PubRel(id, _) => {
                let early = connection.released_early.iter().position(|early| *early == id.get());
                if let Some(at) = early {
                    connection.released_early.remove(at);
                    return;
                }
                let id = connection.rename(id.get(), sin);
                if subscribers {
                    let answer = self.subscriber.pub_rel(id);
                    self.write_up(node, serial, [answer], model);
                }
            }
            Outgoing::PubComp(..) | Outgoing::SubAck(..) | Outgoing::UnsubAck(..) => {}
        }
    }

    /// Entries that a node could not show to anybody are applied at once, and what every node has applied is history.
    fn settle(&mut self) {
        for node in 0..self.nodes.len() {
            while self.entries.get(self.nodes[node].applied).is_some_and(|entry| !self.shows(node, entry)) {
                self.nodes[node].applied += 1;
            }
        }
        let applied = self.nodes.iter().map(|node| node.applied).min().unwrap_or_default();
        if let Some(last) = applied.checked_sub(1) {
            self.base = Arc::clone(&self.entries[last].after);
            self.entries.drain(..applied);
            for node in &mut self.nodes {
                node.applied -= applied;
            }
        }
    }

    /// Whether it matters when a node applies an entry: what it writes to its own clients, its own boot, and a CONNECT,
    /// which decides what index its next CONNECT carries.
    fn shows(&self, node: usize, entry: &Entry) -> bool {
        let origin = self.nodes[node].origin;
        match &entry.item {
            Item::Plain(
                Command::NodeUp(NodeUp { origin: of }) | Command::NodeDown(NodeDown { origin: of }),
            ) if of.node == origin.node => {
                return true;
            }
            Item::Numbered { command, .. } if matches!(**command, Command::Connect(_)) => return true,
            Item::Plain(_) | Item::Numbered { .. } => {}
        }
        entry.effects.iter().any(|effect| match effect {
            Effect::Send { to: connection, .. } | Effect::Close { connection, .. } => {
                connection.origin() == origin
            }
            Effect::BootEnded(of) => of.node == origin.node,
            Effect::Store { .. } | Effect::Release { .. } | Effect::Route(_) => false,
        })
    }
}
