//! The members of a cluster, found and asked from outside: by a directory of `quartet dev`, or by one address.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use futures::future::join_all;

use crate::admin::client;
use crate::admin::wire::{NodeStatusReply, Role};
use crate::config::{Config, Overrides};
use crate::dev::directory::{self, Directory};

/// How long one node may take to answer: it answers from memory.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Which cluster is meant.
#[derive(Args, Clone, Debug)]
#[group(multiple = false)]
pub(crate) struct Target {
    /// Directory of a local cluster that `quartet dev` made
    ///
    /// Without --dir and --address this is ./quartet-dev.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,

    /// Where one of its nodes listens for peers and operators (cluster.address); it names the others
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) address: Option<String>,
}

impl Target {
    /// Name (where known) and address of those to ask first.
    pub(crate) fn addresses(&self) -> anyhow::Result<Vec<(Option<String>, String)>> {
        match (&self.dir, &self.address) {
            (_, Some(address)) => Ok(vec![(None, address.clone())]),
            (Some(dir), None) => of_directory(dir),
            (None, None) => {
                let dir = Path::new(directory::DEFAULT);
                if !dir.exists() {
                    bail!(
                        "there is no cluster in ./{}; name its directory with --dir DIR or one of its nodes with \
                         --address HOST:PORT",
                        directory::DEFAULT
                    );
                }
                of_directory(dir)
            }
        }
    }
}

/// Name and address of every node configured below `dir`.
fn of_directory(dir: &Path) -> anyhow::Result<Vec<(Option<String>, String)>> {
    let files = Directory::new(dir).configurations().with_context(|| {
        format!("{}: the directory cannot be read; name the one given to quartet dev", dir.display())
    })?;
    if files.is_empty() {
        bail!("{}: there is no node-1/quartet.toml; name the directory given to quartet dev", dir.display());
    }
    let mut nodes = Vec::new();
    for file in files {
        let config = Config::load(&file, Overrides::default())?;
        nodes.push((Some(config.node.name), config.cluster.address.to_string()));
    }
    Ok(nodes)
}

/// A member and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Its name, or its address while nobody knows the name.
    pub(crate) name: String,
    /// Where it was asked.
    pub(crate) address: String,
    /// Whether it has a vote, as far as anybody says.
    pub(crate) voter: bool,
    /// What it said.
    pub(crate) status: Result<NodeStatusReply, client::Error>,
}

impl Member {
    /// Its role, if it answers.
    pub(crate) fn role(&self) -> Option<Role> {
        self.status.as_ref().ok().map(NodeStatusReply::role)
    }

    /// Whether it answers and serves clients.
    pub(crate) fn serving(&self) -> bool {
        self.status.as_ref().is_ok_and(|status| status.serving)
    }

    /// What is wrong with it, in words; nothing while it serves.
    pub(crate) fn fault(&self) -> Option<String> {
        match &self.status {
            Err(_) => Some(format!("{} does not answer", self.name)),
            Ok(status) if status.serving => None,
            Ok(status) => Some(format!("{} does not serve ({})", self.name, status.not_serving_reason)),
        }
    }
}

/// Asks these nodes, and any further members they name.
pub(crate) async fn ask(first: &[(Option<String>, String)]) -> Vec<Member> {
    let mut members =
        ask_each(first.iter().map(|(name, address)| (name.clone(), address.clone(), true))).await;
    let mut others: Vec<(Option<String>, String, bool)> = Vec::new();
    let named: Vec<_> = members
        .iter()
        .filter_map(|member| member.status.as_ref().ok())
        .flat_map(|s| s.members.clone())
        .collect();
    for known in named {
        if let Some(member) = members.iter_mut().find(|member| member.name == known.name) {
            member.voter = known.voter;
        } else if !others.iter().any(|(name, ..)| name.as_ref() == Some(&known.name)) {
            others.push((Some(known.name), known.address, known.voter));
        }
    }
    members.extend(ask_each(others).await);
    members.sort_by(|a, b| a.name.cmp(&b.name));
    members
}

async fn ask_each(nodes: impl IntoIterator<Item = (Option<String>, String, bool)>) -> Vec<Member> {
    join_all(nodes.into_iter().map(async |(name, address, voter)| {
        let status = client::node_status(&address, ANSWER_TIMEOUT).await;
        let said = status.as_ref().ok().map(|status| status.name.clone());
        Member { name: said.or(name).unwrap_or_else(|| address.clone()), address, voter, status }
    }))
    .await
}

#[cfg(test)]
pub(crate) mod tests {
    //! Members for the tests of what is said about them.

    use super::*;

    /// `node-<number>` in this role, serving.
    pub(crate) fn member(number: u64, role: Role) -> Member {
        let status = NodeStatusReply {
            version: crate::admin::VERSION,
            cluster_id: "c0ffee".into(),
            node_id: number,
            name: format!("node-{number}"),
            role: role.into(),
            term: 3,
            leader_id: 2,
            last_log_index: 1200,
            committed_index: 1200,
            applied_index: 1200 - number,
            serving: role != Role::Forming,
            connections: 10 * number,
            sessions: 64,
            software_version: "0.1.0".into(),
            uptime_milliseconds: 1000 * 60 * 61 * number,
            process_id: 100,
            ..NodeStatusReply::default()
        };
        Member { name: status.name.clone(), address: address(number), voter: true, status: Ok(status) }
    }

    /// `node-<number>`, which does not answer.
    pub(crate) fn down(number: u64) -> Member {
        let status = Err(client::Error::Refused(address(number)));
        Member { name: format!("node-{number}"), address: address(number), voter: true, status }
    }

    fn address(number: u64) -> String {
        format!("127.0.0.1:{}", 2883 + number)
    }
}
