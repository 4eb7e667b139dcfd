//! `[settings]`: proposals for the replicated settings.
//!
//! They count once, when the cluster is formed: from then on the settings in force are those in the log, the same
//! on every node, and this section is only what somebody once wished for.

use quartet_broker::Settings;

use super::field::Field;
use super::reader::{Reader, Section};
use super::units::{ByteSize, Span};

/// Reads the section into the core's own type.
pub(super) fn read(reader: &mut Reader) -> Settings {
    let defaults = Settings::default();
    let mut section = reader.section("settings");
    Settings {
        maximum_inflight: above_zero(&mut section, "maximum_inflight", defaults.maximum_inflight),
        maximum_queued_messages: above_zero(
            &mut section,
            "maximum_queued_messages",
            defaults.maximum_queued_messages,
        ),
        maximum_queued_bytes: section
            .get_if("maximum_queued_bytes", ByteSize(defaults.maximum_queued_bytes), |size| match size.0 {
                0 => Err("zero would refuse every message; write at least \"1 KiB\"".to_owned()),
                _ => Ok(()),
            })
            .0,
        maximum_session_expiry: session_expiry(&mut section, defaults.maximum_session_expiry),
        maximum_sessions: above_zero(&mut section, "maximum_sessions", defaults.maximum_sessions),
        maximum_subscriptions: above_zero(
            &mut section,
            "maximum_subscriptions",
            defaults.maximum_subscriptions,
        ),
        work_per_entry: above_zero(&mut section, "work_per_entry", defaults.work_per_entry),
        remembered_ends: above_zero(&mut section, "remembered_ends", defaults.remembered_ends),
    }
}

fn above_zero<T: Field + Copy + PartialEq + Default>(section: &mut Section<'_>, key: &str, default: T) -> T {
    section.get_if(key, default, |value| match *value == T::default() {
        true => Err("zero would stop the core; write at least 1".to_owned()),
        false => Ok(()),
    })
}

/// Whole seconds; the largest number of them means for ever, which is the default and is not written.
fn session_expiry(section: &mut Section<'_>, default: u32) -> u32 {
    let seconds = |span: &Span| u32::try_from(span.0.as_secs()).ok();
    section
        .optional::<Span>("maximum_session_expiry", |span| match seconds(span) {
            Some(1..) => Ok(()),
            Some(0) => Err("less than a second would end every session; write at least \"1s\"".to_owned()),
            None => Err("longer than 136 years; leave the key out for sessions that never expire".to_owned()),
        })
        .and_then(|span| seconds(&span))
        .unwrap_or(default)
}
