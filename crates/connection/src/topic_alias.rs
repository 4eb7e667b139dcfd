//! Topic aliases of a client: small numbers that stand for topic names, on this connection only [MQTT-3.3.2-7].
//!
//! They are resolved before anything is proposed or routed; the log, sessions and other nodes know topics only.

use alloc::vec::Vec;
use core::num::NonZeroU16;

use quartet_packet::Topic;

use crate::Error;

/// What each alias stands for.
#[derive(Debug)]
pub(crate) struct TopicAliases {
    /// What CONNACK said; 0 allows none.
    maximum: u16,
    /// By alias less one; grows to the highest alias set. At most `maximum` names, each up to 64 KiB.
    topics: Vec<Option<Topic>>,
}

impl TopicAliases {
    pub(crate) fn new(maximum: u16) -> Self {
        Self { maximum, topics: Vec::new() }
    }

    /// The topic of a PUBLISH. A topic with an alias sets the alias, whatever becomes of the message.
    pub(crate) fn resolve(
        &mut self,
        topic: Option<Topic>,
        alias: Option<NonZeroU16>,
    ) -> Result<Topic, Error> {
        let Some(alias) = alias.map(NonZeroU16::get) else {
            // The decoder lets no PUBLISH through that has neither.
            return topic.ok_or(Error::Internal);
        };
        if alias > self.maximum {
            return Err(Error::TopicAliasTooHigh { alias, maximum: self.maximum });
        }
        let place = usize::from(alias) - 1;
        match topic {
            Some(topic) => {
                if self.topics.len() <= place {
                    self.topics.resize(place + 1, None);
                }
                // Kept longer than the packet: a slice would pin the whole read buffer.
                self.topics.splice(place..=place, [Some(topic.detach())]);
                Ok(topic)
            }
            None => self.topics.get(place).cloned().flatten().ok_or(Error::TopicAliasUnknown(alias)),
        }
    }
}
