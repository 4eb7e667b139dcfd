//! openraft's own suite of what it expects of a log, with the smallest state machine that it takes.

use std::io;

use futures::{Stream, TryStreamExt};
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine, Snapshot, SnapshotMeta};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::{OptionalSend, StorageError};
use quartet_raft_log::{
    CommittedLeaderId, EntryPayload, LogId, Member, RaftLog, StoredMembership, TypeConfig,
};
use tempfile::TempDir;

use crate::setup::{directory, reopen, reopen_without_tail};

type Meta = SnapshotMeta<CommittedLeaderId, u64, Member>;
type Snap = Snapshot<CommittedLeaderId, u64, Member, ()>;

/// A state machine that only remembers what it applied last.
#[derive(Clone, Default)]
struct Applied {
    last: Option<LogId>,
    membership: StoredMembership,
    current: Option<Meta>,
}

impl RaftStateMachine<TypeConfig> for Applied {
    type SnapshotData = ();
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.last, self.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            self.last = Some(entry.log_id);
            if let EntryPayload::Membership(membership) = entry.payload {
                self.membership = StoredMembership::new(Some(entry.log_id), membership);
            }
            if let Some(responder) = responder {
                responder.send(());
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        let meta = Meta { last_log_id: self.last, last_membership: self.membership.clone() };
        self.current = Some(meta.clone());
        Builder(meta)
    }

    async fn install_snapshot(&mut self, meta: &Meta, (): ()) -> Result<(), io::Error> {
        self.last = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.current = Some(meta.clone());
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snap>, io::Error> {
        let meta = self.current.clone();
        Ok(meta.map(|meta| Snap { meta, snapshot: () }))
    }
}

struct Builder(Meta);

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = ();

    async fn build_snapshot(&mut self) -> Result<Snap, io::Error> {
        let meta = self.0.clone();
        Ok(Snap { meta, snapshot: () })
    }
}

/// A fresh directory for each test of the suite.
struct Fresh {
    open: fn(&std::path::Path) -> RaftLog,
}

impl StoreBuilder<TypeConfig, RaftLog, Applied, TempDir> for Fresh {
    async fn build(&self) -> Result<(TempDir, RaftLog, Applied), StorageError<TypeConfig>> {
        let dir = directory();
        let log = (self.open)(dir.path());
        Ok((dir, log, Applied::default()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openraft_accepts_the_log() {
    Suite::test_all(Fresh { open: reopen }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn openraft_accepts_the_log_read_from_disk() {
    let open = reopen_without_tail;
    Suite::test_all(Fresh { open }).await.unwrap();
}
