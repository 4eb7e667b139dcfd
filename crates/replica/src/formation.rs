//! How a cluster begins, exactly once.
//!
//! ```text
//!   pristine ── Format ──► formatted ── first entry ──► initialised
//!                (identity durable)      (membership)
//!
//!   first seed:  Hello to all ─► all pristine, or formatted for one cluster and not initialised?
//!                └─ no, or somebody is silent: ask again        └─ yes: format itself, Format to all, initialise Raft
//!   others:      wait for Format, then follow
//! ```
//!
//! An empty disk never begins a cluster where one lives: the first seed needs the word of every seed. It may stop at any
//! step and go on after a restart: the cluster id that it gave first is found on the disks that have it. A restart never
//! changes the membership.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quartet_raft_log::{Identity, Member};
use tokio::sync::watch;
use tonic::Request;

use crate::Error;
use crate::config::{Config, Seed};
use crate::disk;
use crate::peer::link::client;
use crate::peer::proto;
use crate::shared::Shared;

/// Between two rounds of asking.
const AGAIN: Duration = Duration::from_millis(250);

/// A seed that does not answer in this time counts as silent.
const ANSWER: Duration = Duration::from_secs(2);

/// What is waited for is said so often.
const SAY: Duration = Duration::from_secs(5);

/// This node's part in forming a cluster.
pub(crate) struct Formation {
    shared: Arc<Shared>,
    identity: watch::Sender<Option<Identity>>,
    /// One Format at a time.
    formatting: tokio::sync::Mutex<()>,
    said: Mutex<Option<tokio::time::Instant>>,
}

/// What the seeds say together.
#[derive(Debug, PartialEq, Eq)]
enum Word {
    /// All are ready for this cluster id; `None`: nobody has one yet.
    Ready(Option<u128>),
    /// A cluster lives already.
    Living(u128),
    /// They were formatted for several clusters.
    Mixed,
}

impl Formation {
    pub(crate) fn new(shared: Arc<Shared>, identity: Option<Identity>) -> Self {
        let identity = watch::Sender::new(identity);
        Self { shared, identity, formatting: tokio::sync::Mutex::default(), said: Mutex::default() }
    }

    /// The answer to Hello.
    pub(crate) fn hello(&self) -> proto::HelloResponse {
        use proto::hello_response::State;
        let identity = self.identity.borrow().clone();
        let initialised = self.shared.formed().is_some_and(|formed| !formed.log.is_pristine());
        let state = match &identity {
            None => State::Pristine,
            Some(_) if initialised => State::Initialised,
            Some(_) => State::Formatted,
        };
        proto::HelloResponse {
            state: state.into(),
            name: self.shared.config.name.clone(),
            cluster_id: identity
                .as_ref()
                .map(|identity| cluster_bytes(identity.cluster_id))
                .unwrap_or_default(),
            node_id: identity.map(|identity| identity.node_id).unwrap_or_default(),
        }
    }

    /// Takes an identity, if this node has none or just that one. Durable when this returns.
    pub(crate) async fn format(&self, identity: Identity) -> Result<(), String> {
        let _alone = self.formatting.lock().await;
        if identity.name != self.shared.config.name {
            return Err(format!(
                "this node is {:?}, not {:?}: give all nodes the same seeds",
                self.shared.config.name, identity.name
            ));
        }
        let known = self.identity.borrow().clone();
        if let Some(known) = known {
            let same = (known.cluster_id, known.node_id) == (identity.cluster_id, identity.node_id);
            return if same { Ok(()) } else { Err(format!("this disk belongs to {known}")) };
        }
        let dir = disk::log_dir(&self.shared.config);
        let written = identity.clone();
        let formatted = tokio::task::spawn_blocking(move || quartet_raft_log::format(&dir, &written)).await;
        formatted.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        tracing::info!("formatted as {identity}");
        self.identity.send_replace(Some(identity));
        Ok(())
    }

    /// Waits until this node has an identity; the first seed sees to it that all have.
    pub(crate) async fn formatted(&self) -> Identity {
        let mut identity = self.identity.subscribe();
        let lead = async {
            if is_first(&self.shared.config) {
                self.make_ready().await;
                std::future::pending().await
            } else {
                self.wait_and_say().await
            }
        };
        let told = async {
            loop {
                let known = identity.borrow_and_update().clone();
                if let Some(known) = known {
                    return known;
                }
                // Never an error: the sender is in `self`.
                identity.changed().await.ok();
            }
        };
        tokio::select! {
            known = told => known,
            never = lead => never,
        }
    }

    /// The first seed, formatted, with an empty log: makes all others ready and gives the members to begin with. `None`
    /// if a cluster lives already.
    pub(crate) async fn members(&self) -> Option<BTreeMap<u64, Member>> {
        if !is_first(&self.shared.config) || !self.make_ready().await {
            return None;
        }
        let members = self.shared.config.seeds.iter().zip(1_u64..).map(|(seed, node)| {
            let Seed { name, peer_address, client_address } = seed.clone();
            (node, Member { name, peer_address, client_address })
        });
        Some(members.collect())
    }

    /// Asks until all seeds have this cluster's identity, this node too. False if a cluster lives already, and this
    /// node has its identity.
    async fn make_ready(&self) -> bool {
        loop {
            let own = self.identity.borrow().as_ref().map(|own| own.cluster_id);
            match self.ask_all().await {
                Ok(answers) => match word(&answers, own) {
                    Word::Ready(cluster_id) => match self.format_all(cluster_id).await {
                        Ok(()) => return true,
                        Err(why) => self.say(&why),
                    },
                    Word::Living(cluster_id) => {
                        if own == Some(cluster_id) {
                            return false;
                        }
                        self.say(&format!(
                            "cluster {cluster_id:032x} lives and this node's disk is empty: it is not formed again; give \
                             this node its disk back, or add it to the cluster under a new node id"
                        ));
                    }
                    Word::Mixed => {
                        self.say("the seeds were formatted for different clusters: empty the wrong ones")
                    }
                },
                Err(silent) => {
                    self.say(&format!("waiting for seeds that do not answer: {}", silent.join(", ")))
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// A pristine node that is not the first seed says what it waits for.
    async fn wait_and_say(&self) -> Identity {
        let listed = self.shared.config.seeds.iter().any(|seed| seed.name == self.shared.config.name);
        loop {
            tokio::time::sleep(SAY).await;
            if listed {
                let first =
                    self.shared.config.seeds.first().map(|seed| seed.name.as_str()).unwrap_or_default();
                self.say(&format!("this node's disk is empty: waiting for {first} to form the cluster"));
            } else {
                self.say("this node's disk is empty and it is none of the seeds: it waits to be formatted");
            }
        }
    }

    /// Hello to all other seeds, or the names of those that are silent.
    async fn ask_all(&self) -> Result<Vec<proto::HelloResponse>, Vec<String>> {
        let asked = self.others().map(|(_, seed)| async move {
            let ask = async {
                let request = Request::new(proto::HelloRequest { name: self.shared.config.name.clone() });
                client(&seed.peer_address, self.shared.config.limits.grpc_message)?.hello(request).await
            };
            match tokio::time::timeout(ANSWER, ask).await {
                Ok(Ok(answer)) => Ok(answer.into_inner()),
                Ok(Err(_)) | Err(_) => Err(format!("{} at {}", seed.name, seed.peer_address)),
            }
        });
        let (mut answers, mut silent) = (Vec::new(), Vec::new());
        for answer in futures::future::join_all(asked).await {
            match answer {
                Ok(answer) => answers.push(answer),
                Err(name) => silent.push(name),
            }
        }
        if silent.is_empty() { Ok(answers) } else { Err(silent) }
    }

    /// Gives every seed its identity, this node first: so that after a restart here the id is found again.
    async fn format_all(&self, cluster_id: Option<u128>) -> Result<(), String> {
        let cluster_id = cluster_id.unwrap_or_else(rand::random);
        let own = Identity { cluster_id, node_id: 1, name: self.shared.config.name.clone() };
        self.format(own).await?;
        for (node_id, seed) in self.others() {
            let request = proto::FormatRequest {
                cluster_id: cluster_bytes(cluster_id),
                node_id,
                name: seed.name.clone(),
            };
            let format = async {
                let mut client = client(&seed.peer_address, self.shared.config.limits.grpc_message)?;
                client.format(Request::new(request)).await
            };
            let formatted = tokio::time::timeout(ANSWER, format).await;
            let told = formatted.map_err(|_| format!("{} does not answer", seed.name))?;
            told.map_err(|status| format!("{} refuses its identity: {}", seed.name, status.message()))?;
        }
        Ok(())
    }

    /// All seeds but this node, with their Raft ids.
    fn others(&self) -> impl Iterator<Item = (u64, &Seed)> {
        let config = &self.shared.config;
        (1..).zip(&config.seeds).filter(move |(_, seed)| seed.name != config.name)
    }

    fn say(&self, what: &str) {
        let now = tokio::time::Instant::now();
        let mut said = self.said.lock();
        if said.is_none_or(|said| now.duration_since(said) >= SAY) {
            *said = Some(now);
            tracing::warn!("{what}");
        }
    }
}

fn is_first(config: &Config) -> bool {
    config.seeds.first().is_some_and(|seed| seed.name == config.name)
}

fn cluster_bytes(cluster_id: u128) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(&cluster_id.to_be_bytes())
}

/// What all other seeds' answers and this node's own cluster id say together.
fn word(answers: &[proto::HelloResponse], own: Option<u128>) -> Word {
    use proto::hello_response::State;
    let cluster_of = |answer: &proto::HelloResponse| {
        <[u8; 16]>::try_from(&answer.cluster_id[..]).map(u128::from_be_bytes).unwrap_or_default()
    };
    if let Some(living) = answers.iter().find(|answer| answer.state() == State::Initialised) {
        return Word::Living(cluster_of(living));
    }
    let formatted = answers.iter().filter(|answer| answer.state() == State::Formatted);
    let clusters: BTreeSet<u128> = formatted.map(cluster_of).chain(own).collect();
    match clusters.len() {
        0 => Word::Ready(None),
        1 => Word::Ready(clusters.first().copied()),
        _ => Word::Mixed,
    }
}

/// Proposes the first settings once, right after the cluster was formed, until they are applied.
pub(crate) async fn propose_settings(shared: Arc<Shared>) -> Result<(), Error> {
    let settings = shared.config.settings.clone();
    while *shared.applier.lock().broker.settings() != settings {
        let settings = settings.clone();
        shared.proposals.cluster(&quartet_broker::Command::Configure(quartet_broker::Configure { settings }));
        tokio::select! {
            () = tokio::time::sleep(AGAIN * 2) => {}
            () = shared.stopping.cancelled() => return Err(Error::Stopped),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proto::hello_response::State;

    use super::*;

    fn answer(state: State, cluster_id: u128) -> proto::HelloResponse {
        proto::HelloResponse {
            state: state.into(),
            cluster_id: cluster_bytes(cluster_id),
            ..Default::default()
        }
    }

    #[test]
    fn only_unanimous_seeds_form_a_cluster() {
        let pristine = || answer(State::Pristine, 0);
        assert_eq!(word(&[pristine(), pristine()], None), Word::Ready(None));
        assert_eq!(word(&[], None), Word::Ready(None), "a cluster of one");
        assert_eq!(
            word(&[pristine(), answer(State::Formatted, 7)], None),
            Word::Ready(Some(7)),
            "goes on half-way"
        );
        assert_eq!(word(&[pristine()], Some(7)), Word::Ready(Some(7)));
        assert_eq!(word(&[answer(State::Formatted, 7)], Some(8)), Word::Mixed);
        assert_eq!(word(&[pristine(), answer(State::Initialised, 7)], None), Word::Living(7));
    }
}
