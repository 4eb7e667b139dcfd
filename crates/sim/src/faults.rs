//! The faults: what clients, nodes and the network do to each other in the first phase.
//!
//! | fault | what it leaves behind |
//! |---|---|
//! | a client cuts | bytes that still arrive, or not; a close that arrives, or never |
//! | a node closes | what it wrote last may be lost; the client learns it when it reads |
//! | crash, restart | a boot counter, a checkpoint, and proposals on their way |
//! | pause | sockets that fill, entries that wait, and a boot that may be over when it wakes |
//! | declared down | a boot that ends while its node lives, slow or cut off |
//! | snapshot | effects that were never performed |

use quartet_broker::{Command, NodeDown, NodeUp, Origin};

use crate::cluster::{Cluster, index_of};
use crate::link::LinkId;
use crate::log::{Flight, node_id};
use crate::snapshot::Snapshot;
use crate::violation::Violation;

impl Cluster {
    /// A client gives its connection up: by DISCONNECT and close, by closing, or because its network is gone.
    pub(crate) fn client_cuts(&mut self, index: usize) {
        let Some(id) = self.clients[index].link else { return };
        self.clients[index].offline();
        let Some(link) = self.links.get(id) else { return };
        link.client_open = false;
        link.down.clear();
        let politely = self.random.chance(15);
        if politely && link.serial.is_some() {
            link.up.push_back(crate::link::Up::Disconnect);
        }
        // What an eager client wrote, or that it wants a new session, cannot be told from what it does next while the
        // node has not even read CONNECT: then a close must have arrived (see the crate's MODEL.md).
        let harmless = !link.eager && !self.clients[index].wants_new_session();
        let may_be_silent = harmless || link.serial.is_some();
        let silent = may_be_silent && self.random.chance(self.options.silent);
        link.end_arrived = !silent;
        if may_be_silent && self.random.chance(40) {
            let arrived = self.random.below(link.up.len() + 1);
            // CONNECT comes first, and arrived if anything did.
            link.up.truncate(arrived);
        }
        self.trace.note(self.step, &("cuts", index, id, silent, link.up.len()));
    }

    /// A node notices that a client is gone, or takes a living one for gone.
    pub(crate) fn keep_alive_ends(&mut self) -> Result<(), Violation> {
        let count = self.links.len();
        if count == 0 {
            return Ok(());
        }
        let at = self.random.below(count);
        let (id, node_open, client_open) = {
            let link = &self.links.all()[at];
            (link.id, link.node_open, link.client_open)
        };
        if node_open && (!client_open || self.random.chance(30)) {
            self.node_closes(id)?;
        }
        Ok(())
    }

    /// A node closes a socket by its own decision; what it wrote last may be lost.
    pub(crate) fn node_closes(&mut self, id: LinkId) -> Result<(), Violation> {
        let Some(node) = self.links.get(id).map(|link| index_of(link.node)) else { return Ok(()) };
        if let Some(process) = self.nodes[node].running() {
            process.drop_connection(id, &mut self.links, self.sin)?;
            if let Some(link) = self.links.get(id) {
                let arrived = self.random.below(link.down.len() + 1);
                link.down.truncate(arrived);
            }
            self.trace.note(self.step, &("node closes", id));
        }
        Ok(())
    }

    pub(crate) fn crash(&mut self) {
        let index = self.random.below(self.nodes.len());
        if self.nodes[index].process.is_some() {
            self.nodes[index].crash(&mut self.links);
            self.trace.note(self.step, &("crash", index));
        }
    }

    pub(crate) fn restart(&mut self) -> Result<(), Violation> {
        let index = self.random.below(self.nodes.len());
        if self.nodes[index].process.is_none() {
            self.nodes[index].start(self.sin)?;
            self.trace.note(self.step, &("restart", index));
        }
        Ok(())
    }

    pub(crate) fn pause(&mut self, paused: bool) {
        let index = self.random.below(self.nodes.len());
        self.nodes[index].paused = paused && self.nodes[index].process.is_some();
        self.trace.note(self.step, &("paused", index, paused));
    }

    /// The leader takes a node for dead: one that is, one that is only slow, or one that has long been declared.
    pub(crate) fn declare_down(&mut self) {
        let index = self.random.below(self.nodes.len());
        let node = node_id(index);
        let Some((boot, _)) = self.log.tip().highest_boot(node) else { return };
        if !self.nodes[index].paused && self.nodes[index].process.is_some() && self.random.chance(70) {
            return;
        }
        let origin = Origin { node, boot };
        self.trace.note(self.step, &("declares down", index, boot));
        self.launch(Flight::Plain(Command::NodeDown(NodeDown { origin })));
        if self.random.chance(30) {
            // Of a boot long begun, a beginning may still be on its way.
            self.launch(Flight::Plain(Command::NodeUp(NodeUp { origin })));
        }
    }

    pub(crate) fn checkpoint(&mut self) {
        let index = self.random.below(self.nodes.len());
        if let Some(process) = self.nodes[index].running() {
            let snapshot = Snapshot::take(&process.broker, &process.store);
            self.nodes[index].checkpoint = snapshot;
            self.trace.note(self.step, &("checkpoint", index));
        }
    }

    /// A node far behind gets another's state instead of the log between.
    pub(crate) fn install_snapshot(&mut self) -> Result<(), Violation> {
        let to = self.random.below(self.nodes.len());
        let from = self.random.below(self.nodes.len());
        let ahead = self.nodes[from].process.as_ref().map(|from| from.broker.index());
        let behind = self.nodes[to].running().map(|to| to.broker.index());
        let (Some(ahead), Some(behind), Some(source)) = (ahead, behind, &self.nodes[from].process) else {
            return Ok(());
        };
        if behind >= ahead {
            return Ok(());
        }
        let snapshot = Snapshot::take(&source.broker, &source.store);
        self.trace.note(self.step, &("snapshot", from, to, ahead));
        self.nodes[to].checkpoint = snapshot.clone();
        self.nodes[to].install(&snapshot, &mut self.links, self.sin)
    }
}
