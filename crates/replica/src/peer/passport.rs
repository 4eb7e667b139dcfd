//! Who speaks: shown in the metadata of every call and of every answer, checked before anything else is read.
//!
//! ```text
//!   quartet-protocol     version of proto/peer.proto and the codecs below it
//!   quartet-cluster      cluster id, hexadecimal
//!   quartet-node         Raft id
//!   quartet-boot         the boot it lives under
//!   quartet-incarnation  drawn at random by each process: tells two processes of one boot apart
//! ```
//!
//! A node that shows a boot below one that is known of it, or a known boot from another process than the one that showed
//! it before, runs on a disk that was restored from an old copy. It has forgotten votes and entries: it must neither
//! vote nor count for a commit. It is refused, and told so; the same holds for a node that answers.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quartet_broker::{Boot, NodeId};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Request, Response, Status};

use crate::Error;

/// Version of what peers say; raised with any change that an older release would misread.
const PROTOCOL: u64 = 1;

const PROTOCOL_KEY: &str = "quartet-protocol";
const CLUSTER_KEY: &str = "quartet-cluster";
const NODE_KEY: &str = "quartet-node";
const BOOT_KEY: &str = "quartet-boot";
const INCARNATION_KEY: &str = "quartet-incarnation";
/// In a refusal: the boot that is known of the refused node.
const KNOWN_BOOT_KEY: &str = "quartet-known-boot";
/// In a refusal: the cluster that the refusing node belongs to.
const OTHER_CLUSTER_KEY: &str = "quartet-other-cluster";

/// So long after its start a node waits for one of its own cluster before it believes that all peers are of another: an
/// address may be somebody else's for a while.
const ALONE: Duration = Duration::from_secs(3);

/// Who a node says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passport {
    pub(crate) cluster_id: u128,
    pub(crate) node: NodeId,
    pub(crate) boot: Boot,
    pub(crate) incarnation: u64,
}

/// Why a passport was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Some part is missing or unreadable.
    Unreadable,
    /// Another version of the protocol.
    Protocol(u64),
    /// Another cluster than ours.
    Cluster { theirs: u128, ours: u128 },
    /// It claims to be this node.
    Self_,
    /// Its disk has gone back in time.
    StaleBoot { node: NodeId, shown: Boot, known: Boot },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => write!(f, "the call does not say who calls"),
            Self::Protocol(theirs) => write!(f, "peer protocol {theirs}, this release speaks {PROTOCOL}"),
            Self::Cluster { theirs, .. } => write!(f, "the peer is of another cluster, {theirs:032x}"),
            Self::Self_ => write!(f, "the peer claims this node's own id"),
            Self::StaleBoot { node, shown, known } => write!(
                f,
                "node {} shows boot {} but boot {} is known of it: its disk was restored from an old copy",
                node.0, shown.0, known.0
            ),
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let mut status = Self::new(Code::PermissionDenied, refusal.to_string());
        if let Refusal::StaleBoot { known, .. } = refusal {
            status.metadata_mut().insert(KNOWN_BOOT_KEY, MetadataValue::from(known.0));
        }
        if let Refusal::Cluster { ours, .. } = refusal
            && let Ok(ours) = MetadataValue::try_from(format!("{ours:032x}"))
        {
            status.metadata_mut().insert(OTHER_CLUSTER_KEY, ours);
        }
        status
    }
}

/// Reads out of a refusal that this node itself is the one with the old disk.
pub(crate) fn stale_boot(status: &Status, own: Boot) -> Option<Error> {
    let known = status.metadata().get(KNOWN_BOOT_KEY)?.to_str().ok()?.parse().ok()?;
    (known >= own.0).then_some(Error::StaleBoot { own, known: Boot(known) })
}

/// Shows this node's passport and checks others'.
pub(crate) struct PassportControl {
    cluster_id: u128,
    node: NodeId,
    boot: AtomicU64,
    incarnation: u64,
    /// The last passport accepted of each node. As many as members.
    known: Mutex<HashMap<NodeId, (Boot, u64)>>,
    began: Instant,
}

impl PassportControl {
    pub(crate) fn new(cluster_id: u128, node: NodeId, boot: Boot, incarnation: u64) -> Self {
        Self {
            cluster_id,
            node,
            boot: AtomicU64::new(boot.0),
            incarnation,
            known: Mutex::default(),
            began: Instant::now(),
        }
    }

    /// This node's boot.
    pub(crate) fn boot(&self) -> Boot {
        Boot(self.boot.load(Ordering::Acquire))
    }

    /// This node goes on under `boot`, which is durable.
    pub(crate) fn set_boot(&self, boot: Boot) {
        self.boot.store(boot.0, Ordering::Release);
    }

    /// Reads out of a peer's refusal that this node's disk belongs to another cluster than its peers.
    pub(crate) fn refused_by_other_cluster(&self, status: &Status) -> Option<Error> {
        let theirs = status.metadata().get(OTHER_CLUSTER_KEY)?.to_str().ok()?;
        self.other_cluster(u128::from_str_radix(theirs, 16).ok()?)
    }

    /// The same from whom this node refuses: those who call it are its peers, if nobody else is.
    pub(crate) fn called_by_other_cluster(&self, refusal: Refusal) -> Option<Error> {
        match refusal {
            Refusal::Cluster { theirs, .. } => self.other_cluster(theirs),
            Refusal::Unreadable | Refusal::Protocol(_) | Refusal::Self_ | Refusal::StaleBoot { .. } => None,
        }
    }

    /// Believed only while no peer of the own cluster was met.
    fn other_cluster(&self, theirs: u128) -> Option<Error> {
        let alone = self.began.elapsed() >= ALONE && self.known.lock().is_empty();
        alone.then_some(Error::OtherCluster { own: self.cluster_id, theirs })
    }

    /// A request that shows this node's passport.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        self.show(request.metadata_mut());
        request
    }

    /// An answer that shows this node's passport.
    pub(crate) fn answer<T>(&self, message: T) -> Response<T> {
        let mut response = Response::new(message);
        self.show(response.metadata_mut());
        response
    }

    fn show(&self, metadata: &mut MetadataMap) {
        metadata.insert(PROTOCOL_KEY, MetadataValue::from(PROTOCOL));
        if let Ok(cluster) = MetadataValue::try_from(format!("{:032x}", self.cluster_id)) {
            metadata.insert(CLUSTER_KEY, cluster);
        }
        metadata.insert(NODE_KEY, MetadataValue::from(self.node.0));
        metadata.insert(BOOT_KEY, MetadataValue::from(self.boot().0));
        metadata.insert(INCARNATION_KEY, MetadataValue::from(self.incarnation));
    }

    /// Reads and checks a passport. `replicated` gives the highest boot that the log knows of a node.
    pub(crate) fn check(
        &self,
        metadata: &MetadataMap,
        replicated: impl Fn(NodeId) -> Option<Boot>,
    ) -> Result<Passport, Refusal> {
        let shown = read(metadata)?;
        if shown.cluster_id != self.cluster_id {
            return Err(Refusal::Cluster { theirs: shown.cluster_id, ours: self.cluster_id });
        }
        if shown.node == self.node {
            return Err(Refusal::Self_);
        }
        let replicated = replicated(shown.node).unwrap_or(Boot(0));
        let mut known = self.known.lock();
        let (boot, incarnation) = known.get(&shown.node).copied().unwrap_or((Boot(0), shown.incarnation));
        if shown.incarnation == incarnation && boot != Boot(0) {
            // The same process as before: it may have gone on to a later boot, and calls may overtake each other.
            known.insert(shown.node, (boot.max(shown.boot), incarnation));
            return Ok(shown);
        }
        let highest = boot.max(replicated);
        // A boot that the log knows and that was never shown here may be the speaker's: followers hear of each other
        // through the log first, and speak when the leader is gone.
        let fresh = shown.boot > highest || (boot < replicated && shown.boot == replicated);
        if !fresh {
            return Err(Refusal::StaleBoot { node: shown.node, shown: shown.boot, known: highest });
        }
        known.insert(shown.node, (shown.boot, shown.incarnation));
        Ok(shown)
    }
}

fn read(metadata: &MetadataMap) -> Result<Passport, Refusal> {
    let text = |key| metadata.get(key).and_then(|value| value.to_str().ok()).ok_or(Refusal::Unreadable);
    let number = |key| text(key)?.parse::<u64>().map_err(|_| Refusal::Unreadable);
    let protocol = number(PROTOCOL_KEY)?;
    if protocol != PROTOCOL {
        return Err(Refusal::Protocol(protocol));
    }
    Ok(Passport {
        cluster_id: u128::from_str_radix(text(CLUSTER_KEY)?, 16).map_err(|_| Refusal::Unreadable)?,
        node: NodeId(number(NODE_KEY)?),
        boot: Boot(number(BOOT_KEY)?),
        incarnation: number(INCARNATION_KEY)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(cluster: u128, node: u64, boot: u64, incarnation: u64) -> MetadataMap {
        PassportControl::new(cluster, NodeId(node), Boot(boot), incarnation).request(()).metadata().clone()
    }

    fn stale(shown: u64, known: u64) -> Refusal {
        Refusal::StaleBoot { node: NodeId(2), shown: Boot(shown), known: Boot(known) }
    }

    #[test]
    fn strangers_are_refused() {
        let control = PassportControl::new(7, NodeId(1), Boot(1), 1);
        let none = |_| None;
        assert_eq!(control.check(&shown(8, 2, 1, 5), none), Err(Refusal::Cluster { theirs: 8, ours: 7 }));
        assert_eq!(control.check(&shown(7, 1, 1, 5), none), Err(Refusal::Self_));
        assert_eq!(control.check(&MetadataMap::new(), none), Err(Refusal::Unreadable));
        let mut other = shown(7, 2, 1, 5);
        other.insert(PROTOCOL_KEY, MetadataValue::from(99));
        assert_eq!(control.check(&other, none), Err(Refusal::Protocol(99)));
    }

    #[test]
    fn a_disk_from_yesterday_is_refused() {
        let control = PassportControl::new(7, NodeId(1), Boot(1), 1);
        let none = |_| None;
        assert!(control.check(&shown(7, 2, 5, 50), none).is_ok());
        assert!(control.check(&shown(7, 2, 6, 50), none).is_ok(), "the process goes on under its next boot");
        assert!(control.check(&shown(7, 2, 5, 50), none).is_ok(), "its calls may overtake each other");
        assert_eq!(
            control.check(&shown(7, 2, 6, 51), none),
            Err(stale(6, 6)),
            "another process under a used boot"
        );
        assert_eq!(control.check(&shown(7, 2, 3, 52), none), Err(stale(3, 6)));
        assert!(control.check(&shown(7, 2, 7, 53), none).is_ok());
        assert_eq!(control.check(&shown(7, 2, 6, 50), none), Err(stale(6, 7)), "the process before");
    }

    #[test]
    fn a_restarted_node_may_be_known_through_the_log_before_it_speaks() {
        let control = PassportControl::new(7, NodeId(1), Boot(1), 1);
        assert!(control.check(&shown(7, 2, 1, 50), |_| Some(Boot(1))).is_ok());
        let log = |_| Some(Boot(2));
        assert!(control.check(&shown(7, 2, 2, 51), log).is_ok(), "the log knew its boot before it called");
        assert_eq!(control.check(&shown(7, 2, 2, 52), log), Err(stale(2, 2)), "that boot has its process");
    }

    #[test]
    fn the_log_remembers_boots_for_a_node_that_restarted() {
        let control = PassportControl::new(7, NodeId(1), Boot(1), 1);
        let log = |_| Some(Boot(9));
        assert_eq!(control.check(&shown(7, 2, 8, 50), log), Err(stale(8, 9)));
        assert!(control.check(&shown(7, 2, 9, 51), log).is_ok());
        let status = Status::from(stale(8, 9));
        assert!(matches!(stale_boot(&status, Boot(8)), Some(Error::StaleBoot { known: Boot(9), .. })));
    }
}
