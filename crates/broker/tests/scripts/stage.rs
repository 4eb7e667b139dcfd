//! Plays lines on a core, as three nodes would: numbered, one entry a line.

use std::collections::BTreeMap;

use bytes::Bytes;
use quartet_broker::{
    Ack, AckKind, Acknowledge, Admission, AdvanceTime, Boot, Broker, Command, Configure, Connect,
    ConnectionId, Disconnect, Effect, FilterRequest, LogIndex, Message, MessageHandle, NodeDown, NodeId,
    NodeUp, Number, Origin, Outgoing, Principal, Publish, SessionSlot, Settings, Subscribe, Timestamp,
    Unsubscribe, Upgrade, Verdict, VoteDigest, invariants,
};
use quartet_packet::{
    PacketId, PublishProperties, QoS, ReasonCode, SubscriptionOptions, Topic, TopicFilter, Utf8String,
    Version,
};

use crate::line::{Line, Outcome, number};
use crate::show;

/// The core, and what nodes and clients outside it would remember.
pub(crate) struct Stage {
    broker: Broker,
    index: u64,
    milliseconds: u64,
    in_entry: bool,
    trace: bool,
    /// Amid a `cycle`, which is looked at only when it is done.
    cycling: bool,
    /// Every connection of a client, in order.
    connections: BTreeMap<String, Vec<ConnectionId>>,
    slots: BTreeMap<ConnectionId, SessionSlot>,
    serials: u64,
    /// What each boot has proposed, in order of its numbers.
    proposed: BTreeMap<Origin, Vec<Command>>,
    store: BTreeMap<MessageHandle, Message>,
}

impl Stage {
    /// Nodes A, B and C have begun their first boots.
    pub(crate) fn new() -> Self {
        let mut stage = Self {
            broker: Broker::new(1, Settings::default()),
            index: 0,
            milliseconds: 0,
            in_entry: false,
            trace: false,
            cycling: false,
            connections: BTreeMap::new(),
            slots: BTreeMap::new(),
            serials: 0,
            proposed: BTreeMap::new(),
            store: BTreeMap::new(),
        };
        for node in ["A", "B", "C"] {
            stage.play(&format!("NODEUP {node} 1")).expect("a first boot");
        }
        stage.finish();
        stage
    }

    /// Plays one line; says what left the core.
    pub(crate) fn play(&mut self, line: &str) -> Outcome<Vec<String>> {
        let mut said = Vec::new();
        let line = match line.strip_prefix("& ") {
            Some(same) => same,
            None => {
                said.extend(self.finish());
                line
            }
        };
        if let Some(lost) = line.strip_prefix("lose ") {
            let command = self.command(&Line::parse(lost)?)?;
            let origin = named(&command).ok_or("only a connection's command is numbered")?;
            self.proposed.entry(origin).or_default().push(command);
            return Ok(said);
        }
        let line = Line::parse(line)?;
        match line.word(0)? {
            "trace" => self.trace = true,
            "show" => {
                self.finish_quietly();
                match self.broker.session(line.word(1)?) {
                    Some(view) => said.extend(show::session(&view)),
                    None => said.push(format!("{}: no session", line.word(1)?)),
                }
            }
            verb @ ("resend" | "replay") => {
                let origin = self.origin(line.word(1)?)?;
                let cursor = match verb {
                    "resend" => self.broker.cursor(origin).map_or(0, |cursor| cursor.0),
                    _ => 0,
                };
                let all = self.proposed.get(&origin).cloned().unwrap_or_default();
                for (command, number) in all.into_iter().zip(1..) {
                    if number > cursor {
                        said.extend(self.numbered(origin, number, command));
                        said.extend(self.finish());
                    }
                }
            }
            "cycle" => self.cycle(&line)?,
            "poison" => {
                let connection = self.connection(line.word(1)?)?;
                self.begin();
                let mut effects = Vec::new();
                self.broker.poisoned(Some(connection), &mut effects);
                said.extend(self.perform(&effects));
            }
            _ => {
                if line.word(0)? == "wait" {
                    self.milliseconds += line.number(1)? * 1000;
                }
                let command = self.command(&line)?;
                said.extend(self.propose(command));
            }
        }
        Ok(said)
    }

    /// Ends the entry, if one is open: says what left-over work did.
    pub(crate) fn finish(&mut self) -> Vec<String> {
        if !self.in_entry {
            return Vec::new();
        }
        self.in_entry = false;
        let mut effects = Vec::new();
        self.broker.end_entry(&mut effects);
        if self.cycling {
            return self.perform(&effects);
        }
        invariants::check_all(&self.broker).unwrap_or_else(|violation| panic!("{violation}"));
        let thawed = Broker::thaw(self.broker.freeze().parts()).expect("what was frozen");
        assert_eq!(thawed, self.broker, "frozen and thawed");
        self.perform(&effects)
    }

    fn finish_quietly(&mut self) {
        let said = self.finish();
        assert!(said.is_empty(), "left-over work is shown before: {said:?}");
    }

    fn begin(&mut self) {
        if !self.in_entry {
            self.in_entry = true;
            self.index += 1;
            let time = Timestamp(self.milliseconds);
            self.broker.begin_entry(LogIndex(self.index), time);
        }
    }

    fn propose(&mut self, command: Command) -> Vec<String> {
        let Some(origin) = named(&command) else {
            self.begin();
            return self.apply(command);
        };
        let proposed = self.proposed.entry(origin).or_default();
        proposed.push(command.clone());
        let number = u64::try_from(proposed.len()).expect("few commands");
        self.numbered(origin, number, command)
    }

    fn numbered(&mut self, origin: Origin, number: u64, command: Command) -> Vec<String> {
        self.begin();
        match self.broker.admit(origin, Number(number)) {
            Admission::Next => self.apply(command),
            Admission::Repeated => vec![format!("number {number}: repeated")],
            Admission::Gap => vec![format!("number {number}: gap")],
            Admission::NotAlive => vec![format!("number {number}: boot not alive")],
        }
    }

    fn apply(&mut self, command: Command) -> Vec<String> {
        let mut effects = Vec::new();
        self.broker.apply(command, &mut effects);
        self.perform(&effects)
    }

    fn perform(&mut self, effects: &[Effect]) -> Vec<String> {
        let mut said = Vec::new();
        for effect in effects {
            if let Effect::Store { handle, message } = effect {
                self.store.insert(*handle, message.clone());
            }
            if let Effect::Send { to, packet: Outgoing::ConnAck { session, .. } } = effect {
                self.slots.insert(*to, *session);
            }
            said.extend(show::effect(effect, |id| self.name(id), &self.store, self.trace));
            if let Effect::Release { handle } = effect {
                self.store.remove(handle);
            }
        }
        said
    }

    /// `cycle 100 alice t qos=1 bob`.
    fn cycle(&mut self, line: &Line) -> Outcome<()> {
        let (publisher, topic, subscriber) = (line.word(2)?, line.word(3)?, line.word(4)?);
        let qos = line.option("qos")?.unwrap_or(1);
        self.cycling = true;
        for _ in 0..line.number(1)? {
            let sent = self.play(&format!("{publisher} PUBLISH {topic} \"\" qos={qos} id=1"))?;
            if qos == 2 {
                self.play(&format!("{publisher} PUBREL 1"))?;
            }
            let id = sent.iter().find_map(|said| said.split_once(" id="));
            let id = id.ok_or("the subscriber gets nothing")?.1.to_owned();
            let steps: &[&str] = if qos == 2 { &["PUBREC", "PUBCOMP"] } else { &["PUBACK"] };
            for step in steps {
                self.play(&format!("{subscriber} {step} {id}"))?;
            }
        }
        self.cycling = false;
        Ok(())
    }

    fn command(&mut self, line: &Line) -> Outcome<Command> {
        match line.word(0)? {
            "NODEUP" => Ok(Command::NodeUp(NodeUp { origin: boot(line)? })),
            "NODEDOWN" => Ok(Command::NodeDown(NodeDown { origin: boot(line)? })),
            "wait" => Ok(Command::AdvanceTime(AdvanceTime)),
            "upgrade" => Ok(Command::Upgrade(Upgrade { behaviour: small(line.number(1)?)? })),
            "vote" => Ok(Command::VoteDigest(VoteDigest {
                node: node(line.word(1)?)?,
                index: LogIndex(line.number(2)?),
                digest: line.option("digest")?.ok_or("digest= is missing")?,
            })),
            "settings" => self.settings(line),
            _ => self.of_connection(line),
        }
    }

    fn settings(&self, line: &Line) -> Outcome<Command> {
        let mut settings = self.broker.settings().clone();
        for (key, value) in line.options() {
            let value = number(value)?;
            match key {
                "maximum_inflight" => settings.maximum_inflight = small(value)?,
                "maximum_queued_messages" => settings.maximum_queued_messages = small(value)?,
                "maximum_queued_bytes" => settings.maximum_queued_bytes = value,
                "maximum_session_expiry" => settings.maximum_session_expiry = small(value)?,
                "maximum_sessions" => settings.maximum_sessions = small(value)?,
                "maximum_subscriptions" => settings.maximum_subscriptions = small(value)?,
                "work_per_entry" => settings.work_per_entry = small(value)?,
                "remembered_ends" => settings.remembered_ends = small(value)?,
                _ => return Err(format!("no setting {key}")),
            }
        }
        Ok(Command::Configure(Configure { settings }))
    }

    fn of_connection(&mut self, line: &Line) -> Outcome<Command> {
        let (client, verb) = (line.word(0)?, line.word(1)?);
        if verb == "CONNECT" {
            return self.connect(client, line);
        }
        let connection = self.connection(client)?;
        let session = self.slots.get(&connection).copied();
        let session = session.ok_or_else(|| format!("{client} has no CONNACK"))?;
        match verb {
            "DISCONNECT" | "LOST" => {
                let session_expiry = line.option("expiry")?.map(small).transpose()?;
                let will_due = verb == "LOST";
                Ok(Command::Disconnect(Disconnect { connection, session, session_expiry, will_due }))
            }
            "PUBLISH" => {
                let payload = line.words.get(3).map_or("", String::as_str);
                let reason = line.option("refuse")?.map(reason).transpose()?;
                Ok(Command::Publish(Publish {
                    connection,
                    session,
                    packet_id: packet_id(line.option("id")?.unwrap_or(1))?,
                    message: Message {
                        topic: Topic::try_from(line.word(2)?).map_err(|error| error.to_string())?,
                        qos: qos(line)?,
                        retain: line.has("retain"),
                        message_expiry: line.option("expiry")?.map(small).transpose()?,
                        properties: PublishProperties::default(),
                        payload: Bytes::copy_from_slice(payload.as_bytes()),
                    },
                    verdict: reason.map_or(Verdict::Admit, Verdict::Refuse),
                }))
            }
            "SUBSCRIBE" => subscribe(connection, session, line),
            "UNSUBSCRIBE" => {
                let filters = line.words[2..].iter();
                let filters = filters.map(|filter| text(filter.trim_end_matches(',')));
                Ok(Command::Unsubscribe(Unsubscribe {
                    connection,
                    session,
                    packet_id: packet_id(line.option("id")?.unwrap_or(1))?,
                    filters: filters.collect::<Outcome<_>>()?,
                }))
            }
            _ => {
                let kind = match verb {
                    "PUBACK" => AckKind::PubAck,
                    "PUBREC" => AckKind::PubRec,
                    "PUBREL" => AckKind::PubRel,
                    "PUBCOMP" => AckKind::PubComp,
                    "DISCARD" => AckKind::Discard,
                    _ => return Err(format!("no packet {verb}")),
                };
                let reason = line.option("reason")?.map_or(Ok(ReasonCode::Success), reason)?;
                let ids = line.words[2..].iter().map(|id| packet_id(number(id)?));
                let acks = ids.map(|id| id.map(|packet_id| Ack { kind, packet_id, reason }));
                let acks = acks.collect::<Outcome<_>>()?;
                Ok(Command::Acknowledge(Acknowledge { connection, session, acks }))
            }
        }
    }

    fn connect(&mut self, client: &str, line: &Line) -> Outcome<Command> {
        let origin = self.origin(line.text("node").unwrap_or("A"))?;
        self.serials += 1;
        let (node, boot, serial) = (origin.node, origin.boot, self.serials);
        let connection = ConnectionId { node, boot, serial };
        self.connections.entry(client.into()).or_default().push(connection);
        let read_before = match line.text("read_at") {
            Some(back) => number(back.trim_start_matches('-'))?,
            None => 0,
        };
        let session_expiry = match line.text("expiry") {
            Some("never") => u32::MAX,
            Some(seconds) => small(number(seconds)?)?,
            None => 300,
        };
        Ok(Command::Connect(Connect {
            connection,
            read_at: LogIndex(self.index.saturating_sub(read_before)),
            client_id: text(client)?,
            principal: Principal(text(line.text("principal").unwrap_or(""))?),
            version: if line.has("v3") { Version::V3_1_1 } else { Version::V5 },
            clean_start: line.has("clean"),
            session_expiry,
            receive_maximum: small(line.option("receive_maximum")?.unwrap_or(65_535))?,
        }))
    }

    /// `A`: its newest boot. `A.1`: its first.
    fn origin(&self, name: &str) -> Outcome<Origin> {
        let (name, boot) = name.split_once('.').map_or((name, None), |(name, boot)| (name, Some(boot)));
        let node = node(name)?;
        let boot = match boot {
            Some(boot) => Boot(number(boot)?),
            None => self.broker.highest_boot(node).ok_or("no such node")?.0,
        };
        Ok(Origin { node, boot })
    }

    fn connection(&self, name: &str) -> Outcome<ConnectionId> {
        let (client, nth) = name.split_once('.').map_or((name, None), |(client, nth)| (client, Some(nth)));
        let all = self.connections.get(client).ok_or_else(|| format!("{client} never connected"))?;
        let found = match nth {
            Some(nth) => all.get(usize::try_from(number(nth)? - 1).expect("few")),
            None => all.last(),
        };
        found.copied().ok_or_else(|| format!("no connection {name}"))
    }

    fn name(&self, id: ConnectionId) -> String {
        for (client, all) in &self.connections {
            if let Some(at) = all.iter().position(|connection| *connection == id) {
                let newest = at + 1 == all.len();
                return if newest { client.clone() } else { format!("{client}.{}", at + 1) };
            }
        }
        format!("{id:?}")
    }
}

fn subscribe(connection: ConnectionId, session: SessionSlot, line: &Line) -> Outcome<Command> {
    // Options apply to the filters they follow; those of a packet stand with any.
    let mut filters = Vec::new();
    let rest = line.words[2..].join(" ");
    let whole = &rest;
    for part in whole.split(',') {
        let part = Line::parse(part)?;
        let filter = part.word(0)?;
        filters.push(match line.option("refuse")? {
            Some(code) => FilterRequest::Refuse(reason(code)?),
            None => {
                let granted = part.words.iter().find_map(|word| word.strip_prefix('@'));
                let level = granted.map_or(Ok(line.option("qos")?.unwrap_or(2)), number)?;
                let options = SubscriptionOptions {
                    qos: QoS::from_u8(small(level)?).ok_or("no such QoS")?,
                    no_local: part.has("no_local"),
                    retain_as_published: part.has("as_published"),
                    ..SubscriptionOptions::default()
                };
                let filter = TopicFilter::try_from(filter).map_err(|error| error.to_string())?;
                FilterRequest::Admit(filter, options)
            }
        });
    }
    let identifier = line.option("identifier")?.map(small::<u32>).transpose()?;
    Ok(Command::Subscribe(Subscribe {
        connection,
        session,
        packet_id: packet_id(line.option("id")?.unwrap_or(1))?,
        subscription_identifier: identifier.and_then(core::num::NonZeroU32::new),
        filters,
    }))
}

/// The boot whose stream a command is numbered in.
fn named(command: &Command) -> Option<Origin> {
    let connection = match command {
        Command::Connect(connect) => connect.connection,
        Command::Disconnect(disconnect) => disconnect.connection,
        Command::Publish(publish) => publish.connection,
        Command::Acknowledge(acknowledge) => acknowledge.connection,
        Command::Subscribe(subscribe) => subscribe.connection,
        Command::Unsubscribe(unsubscribe) => unsubscribe.connection,
        Command::NodeUp(_)
        | Command::NodeDown(_)
        | Command::AdvanceTime(_)
        | Command::Configure(_)
        | Command::Upgrade(_)
        | Command::VoteDigest(_) => return None,
    };
    Some(connection.origin())
}

fn boot(line: &Line) -> Outcome<Origin> {
    Ok(Origin { node: node(line.word(1)?)?, boot: Boot(line.number(2)?) })
}

fn node(name: &str) -> Outcome<NodeId> {
    match name {
        "A" => Ok(NodeId(1)),
        "B" => Ok(NodeId(2)),
        "C" => Ok(NodeId(3)),
        _ => Err(format!("no node {name}")),
    }
}

fn qos(line: &Line) -> Outcome<QoS> {
    let level = line.option("qos")?.unwrap_or(2);
    QoS::from_u8(small(level)?).ok_or_else(|| format!("no QoS {level}"))
}

fn packet_id(id: u64) -> Outcome<PacketId> {
    PacketId::new(small(id)?).ok_or_else(|| "0 is no packet identifier".into())
}

fn reason(code: u64) -> Outcome<ReasonCode> {
    ReasonCode::from_u8(small(code)?).ok_or_else(|| format!("no reason code {code:#x}"))
}

fn text(text: &str) -> Outcome<Utf8String> {
    Utf8String::try_from(text).map_err(|error| error.to_string())
}

fn small<T: TryFrom<u64>>(number: u64) -> Outcome<T> {
    T::try_from(number).map_err(|_| format!("{number} is too large here"))
}
