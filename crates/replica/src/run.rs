//! From an opened disk to a running member: the order in which the parts come to life.
//!
//! ```text
//!   formatted? ─ no ─► formation
//!        │ yes            │
//!        ▼                ▼
//!   next boot durable ─► Raft (replays the log's tail) ─► tasks ─► first seed, log empty? ─► initialise
//! ```

use std::sync::Arc;

use openraft::SnapshotPolicy;
use quartet_broker::{Boot, NodeId};
use tokio::sync::watch;

use crate::applier::Applier;
use crate::config::Timing;
use crate::disk::{self, Disk};
use crate::formation::{Formation, propose_settings};
use crate::leadership::{self, Leadership};
use crate::peer::client::Network;
use crate::peer::link::Peers;
use crate::peer::passport::PassportControl;
use crate::peer::qos0::QoS0Links;
use crate::shared::{Formed, Shared};
use crate::state_machine::StateMachine;
use crate::{Error, Raft, boot, leader_duties, proposal_stream, purge, watch_serving};

/// Entries in one message to a follower; the log bounds them in bytes too.
const ENTRIES_PER_MESSAGE: u64 = 1024;

/// Entries purged at once: one range deletion each.
const PURGE_ENTRIES: u64 = 10_000;

/// A snapshot may take as long as it takes; the connection's probes find a peer that is gone.
const SNAPSHOT_TIMEOUT: u64 = 3_600_000;

/// Brings the replica up; whatever fails gives it up.
pub(crate) async fn run(shared: Arc<Shared>, formation: Arc<Formation>, disk: Option<Disk>) {
    let up = async {
        let disk = match disk {
            Some(disk) => disk,
            None => {
                formation.formatted().await;
                let (config, counters) = (shared.config.clone(), Arc::clone(&shared.counters));
                let opened = tokio::task::spawn_blocking(move || disk::open(&config, &counters)).await;
                let opened = opened.map_err(|error| Error::Raft { why: error.to_string() })??;
                opened.ok_or_else(|| Error::Raft { why: "the formatted disk is empty again".to_owned() })?
            }
        };
        let pristine = disk.log.is_pristine();
        let formed = start(&shared, disk).await?;
        if pristine && let Some(members) = formation.members().await {
            tracing::info!(
                "forming cluster {:032x} with {} members",
                formed.identity.cluster_id,
                members.len()
            );
            formed.raft.initialize(members).await.map_err(|error| Error::Raft { why: error.to_string() })?;
            propose_settings(Arc::clone(&shared)).await?;
        }
        Ok(())
    };
    tokio::select! {
        ended = up => if let Err(error) = ended && !shared.stopping.is_cancelled() { shared.fail(error) },
        () = shared.stopping.cancelled() => {}
    }
}

/// Starts Raft and all tasks on a formatted disk.
async fn start(shared: &Arc<Shared>, mut disk: Disk) -> Result<Arc<Formed>, Error> {
    disk.check_reach().await?;
    let Disk { identity, log, checkpoints, applier } = disk;
    let node = NodeId(identity.node_id);
    let boot = Boot(log.next_boot().await?);
    tracing::info!("boot {} of {identity}", boot.0);
    let passport = Arc::new(PassportControl::new(identity.cluster_id, node, boot, rand::random()));
    take_state(shared, applier);
    let limit = shared.config.limits.grpc_message;
    let peers = {
        let (failing, counters) = (Arc::clone(shared), Arc::clone(&shared.counters));
        // While this node serves, a caller of another cluster has a wrong address: this disk is right.
        let on_stale = Box::new(move |error| {
            let stray = matches!(error, Error::OtherCluster { .. }) && failing.serving.borrow().is_yes();
            if !stray {
                failing.fail(error);
            }
        });
        Arc::new(Peers::new(Arc::clone(&passport), Arc::clone(&shared.applier), counters, limit, on_stale))
    };
    let checkpoints = Arc::new(checkpoints);
    let machine = StateMachine {
        shared: Arc::clone(shared),
        node,
        cluster_id: identity.cluster_id,
        passport,
        log: log.clone(),
        applier: Arc::clone(&shared.applier),
        checkpoints: Arc::clone(&checkpoints),
        judged: None,
    };
    let config = raft_config(&shared.config.timing)?;
    let network = Network { peers: Arc::clone(&peers) };
    let raft = Raft::new(identity.node_id, config, network, log.clone(), machine).await;
    let raft = raft.map_err(|fatal| Error::Raft { why: fatal.to_string() })?;
    let (told, leadership) = watch::channel(Leadership::default());
    let (own, own_terms) = watch::channel(None);
    let runtime = tokio::runtime::Handle::current();
    let qos0_queue = shared.config.limits.qos0_queue;
    let formed = Arc::new(Formed {
        qos0: QoS0Links::new(Arc::clone(&peers), qos0_queue, shared.stopping.clone(), runtime),
        identity,
        log,
        raft: raft.clone(),
        checkpoints,
        peers,
        leadership: leadership.clone(),
    });
    tokio::spawn(leadership::follow(raft.clone(), told, shared.stopping.clone()));
    tokio::spawn(leadership::own_terms(leadership, own));
    let proposing = Arc::clone(shared);
    tokio::spawn(async move {
        let state_time = || proposing.applier.lock().broker.time();
        tokio::select! {
            () = proposing.batcher.run(raft, own_terms, state_time) => {}
            () = proposing.stopping.cancelled() => {}
        }
    });
    let tasks = (Arc::clone(shared), Arc::clone(&formed));
    tokio::spawn(proposal_stream::run(tasks.0.clone(), tasks.1.clone()));
    tokio::spawn(boot::run(tasks.0.clone(), tasks.1.clone()));
    tokio::spawn(leader_duties::run(tasks.0.clone(), tasks.1.clone()));
    tokio::spawn(watch_serving::run(tasks.0.clone(), tasks.1.clone()));
    tokio::spawn(purge::run(tasks.0, tasks.1));
    shared.formed.send_replace(Some(Arc::clone(&formed)));
    Ok(formed)
}

/// Makes a checkpoint's state the current one.
fn take_state(shared: &Shared, applier: Applier) {
    *shared.routes.write() = applier.broker.routes();
    shared.set_applied(applier.last_applied.map_or(0, |last| last.index));
    *shared.applier.lock() = applier;
}

fn raft_config(timing: &Timing) -> Result<Arc<openraft::Config>, Error> {
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let config = openraft::Config {
        cluster_name: "quartet".to_owned(),
        heartbeat_interval: millis(timing.heartbeat),
        election_timeout_min: millis(timing.election_min),
        election_timeout_max: millis(timing.election_max),
        enable_pre_vote: Some(true),
        // A killed leader's log may lack entries that it had sent and not yet written. Leading again in the same
        // term it would put others under the same (term, index), which no follower can tell (Raft §5.3).
        enable_leader_restore: Some(false),
        max_payload_entries: ENTRIES_PER_MESSAGE,
        // Checkpoints are due by bytes, and purging goes up to the older one: both are asked for by `purge`.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        purge_batch_size: PURGE_ENTRIES,
        install_snapshot_timeout: SNAPSHOT_TIMEOUT,
        ..openraft::Config::default()
    };
    config
        .validate()
        .map(Arc::new)
        .map_err(|error| Error::Config { what: error.to_string(), remedy: "change the time-outs" })
}
