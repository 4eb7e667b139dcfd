//! Effects and sessions in words.

use std::collections::BTreeMap;
use std::fmt::Write;

use quartet_broker::{
    CloseReason, Effect, Inflight, Message, MessageHandle, Outgoing, RouteChange, SessionView,
};
use quartet_packet::ReasonCode;

/// `None` for what only a trace shows.
pub(crate) fn effect(
    effect: &Effect,
    name: impl Fn(quartet_broker::ConnectionId) -> String,
    store: &BTreeMap<MessageHandle, Message>,
    trace: bool,
) -> Option<String> {
    Some(match effect {
        Effect::Send { to, packet } => format!("{} ← {}", name(*to), outgoing(packet, store)),
        Effect::Close { connection, reason } => format!("{} ✕ {}", name(*connection), close(*reason)),
        Effect::BootEnded(origin) => format!("boot {} of {} is over", origin.boot.0, node(origin.node.0)),
        _ if !trace => return None,
        Effect::Store { handle, message } => {
            format!("store {}: {} {:?}", handle.0, message.topic, text(&message.payload))
        }
        Effect::Release { handle } => format!("release {}", handle.0),
        Effect::Route(change) => match change {
            RouteChange::Subscribed { session, filter, .. } => {
                format!("route {filter} → session {}", session.0)
            }
            RouteChange::Unsubscribed { session, filter } => {
                format!("no route {filter} → session {}", session.0)
            }
            RouteChange::Attached { session, connection } => {
                format!("session {} → {}", session.0, name(*connection))
            }
            RouteChange::Detached { session } => format!("session {} → nobody", session.0),
        },
    })
}

fn outgoing(packet: &Outgoing, store: &BTreeMap<MessageHandle, Message>) -> String {
    match packet {
        Outgoing::ConnAck { session_present, session_expiry, unreleased, .. } => {
            let mut said = format!("CONNACK present={}", u8::from(*session_present));
            match *session_expiry {
                u32::MAX => said.push_str(" expiry=never"),
                seconds => write!(said, " expiry={seconds}").expect("a string"),
            }
            if *unreleased > 0 {
                write!(said, " unreleased={unreleased}").expect("a string");
            }
            said
        }
        Outgoing::Publish {
            handle,
            packet_id,
            qos,
            dup,
            retain,
            message_expiry,
            subscription_identifiers,
        } => {
            let message = store.get(handle).expect("a message is stored before it is sent");
            let mut said =
                format!("PUBLISH {} {:?} qos={}", message.topic, text(&message.payload), qos.value());
            if let Some(id) = packet_id {
                write!(said, " id={id}").expect("a string");
            }
            said.push_str(if *dup { " dup" } else { "" });
            said.push_str(if *retain { " retain" } else { "" });
            if let Some(seconds) = message_expiry {
                write!(said, " expiry={seconds}").expect("a string");
            }
            if !subscription_identifiers.is_empty() {
                write!(said, " identifiers={subscription_identifiers:?}").expect("a string");
            }
            said
        }
        Outgoing::PubAck(id, reason) => format!("PUBACK {id}{}", code(*reason)),
        Outgoing::PubRec(id, reason) => format!("PUBREC {id}{}", code(*reason)),
        Outgoing::PubRel(id, reason) => format!("PUBREL {id}{}", code(*reason)),
        Outgoing::PubComp(id, reason) => format!("PUBCOMP {id}{}", code(*reason)),
        Outgoing::SubAck(id, codes) => format!("SUBACK {id}:{}", all(codes)),
        Outgoing::UnsubAck(id, codes) => format!("UNSUBACK {id}:{}", all(codes)),
    }
}

/// A session as `show` says it.
pub(crate) fn session(view: &SessionView) -> Vec<String> {
    let mut said = vec![format!(
        "{}: {}, window {}, {} queued ({} bytes), {} overflowed",
        view.client_id,
        if view.connection.is_some() { "attached" } else { "detached" },
        view.window,
        view.queued_messages,
        view.queued_bytes,
        view.overflowed
    )];
    for id in &view.unreleased {
        said.push(format!("  from the client: {id} awaits PUBREL"));
    }
    for (id, message) in &view.inflight {
        let awaits = match message.step {
            Inflight::AwaitingPubAck(_) => "PUBACK",
            Inflight::AwaitingPubRec(_) => "PUBREC",
            Inflight::AwaitingPubComp => "PUBCOMP",
        };
        let owed = if message.owed { ", owed" } else { "" };
        said.push(format!("  to the client: {id} awaits {awaits}{owed}"));
    }
    for (filter, subscription) in &view.subscriptions {
        said.push(format!("  subscribed: {filter} qos={}", subscription.options.qos.value()));
    }
    said
}

fn close(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::SessionTakenOver => "session taken over",
        CloseReason::Superseded => "superseded",
        CloseReason::NotAuthorized => "not authorized",
        CloseReason::QuotaExceeded => "quota exceeded",
        CloseReason::Poisoned => "poisoned",
        CloseReason::ProtocolError => "protocol error",
    }
}

fn code(reason: ReasonCode) -> String {
    match reason {
        ReasonCode::Success => String::new(),
        other => format!(" 0x{:02X}", other.value()),
    }
}

fn all(codes: &[ReasonCode]) -> String {
    codes.iter().map(|code| format!(" 0x{:02X}", code.value())).collect()
}

pub(crate) fn node(id: u64) -> char {
    char::from(b'A' + u8::try_from(id - 1).expect("few nodes"))
}

fn text(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).into_owned()
}
