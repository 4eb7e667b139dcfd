//! What an operator can get wrong and what a disk can do: each gives one clear line, and nothing is lost.
//!
//! A wrong configuration, a taken port, a data directory that is foreign, in use, damaged, emptied, or from
//! yesterday, and a full disk. The other nodes go on all the while, and what was acknowledged is there.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quartet_tests::{
    Client, Cluster, ClusterOptions, Connect, Expected, History, Publisher, Subscriber, Version, numbered,
    quartet, story, tell, unique,
};

const LIMIT: Duration = Duration::from_secs(180);

/// What begins the one line that says why a command or a node ended.
const ERROR: &str = "error: ";

/// The one line of an error in what a process wrote.
fn one_line(written: &str) -> Result<&str> {
    let lines: Vec<&str> = written.lines().filter(|line| line.starts_with(ERROR)).collect();
    ensure!(!written.contains("panicked"), "a panic in place of an error:\n{written}");
    match lines.as_slice() {
        [line] => Ok(line),
        _ => anyhow::bail!("{} lines of errors in place of one:\n{written}", lines.len()),
    }
}

fn says_all(line: &str, words: &[&str]) -> Result<()> {
    for word in words {
        ensure!(line.contains(word), "`{line}` does not say `{word}`");
    }
    Ok(())
}

/// Waits until a node that cannot go on has ended, and gives its one line.
async fn ends_with_one_line(cluster: &mut Cluster, node: usize, limit: Duration) -> Result<String> {
    let status = cluster.node(node).ended(limit).await?;
    ensure!(status.code() == Some(1), "it ended with {status}, not with exit code 1");
    Ok(one_line(&cluster.log(node)?)?.to_owned())
}

/// A publisher and a subscriber with a kept session, which judge in the end that nothing was lost.
struct Ledger {
    topic: String,
    sent: u64,
    publisher: Publisher,
    subscriber: Subscriber,
}

impl Ledger {
    async fn open(cluster: &Cluster, node: usize) -> Result<Self> {
        let topic = unique("ledger");
        let mut subscriber = Subscriber::new(Connect::kept(Version::V5, unique("s")));
        subscriber.join(cluster.address(node)).await?;
        subscriber.subscribe(&topic, 2).await?;
        drop(subscriber.detach());
        let mut publisher = Publisher::new(Connect::kept(Version::V311, unique("p")));
        publisher.join(cluster.address(node)).await?;
        let mut ledger = Self { topic, sent: 0, publisher, subscriber };
        ledger.write(50).await?;
        Ok(ledger)
    }

    async fn write(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            self.sent += 1;
            self.publisher.publish(&self.topic, numbered("p", self.sent, 200), 2).await?;
        }
        self.publisher.finish_down_to(0).await
    }

    async fn judge(mut self, cluster: &Cluster, node: usize) -> Result<()> {
        self.subscriber.join(cluster.address(node)).await?;
        self.subscriber.drain(usize::try_from(self.sent)?).await?;
        History::of(self.subscriber.delivered()).judge("p", Expected::ExactlyOnce(self.sent))
    }
}

#[test]
fn a_wrong_configuration_is_told_in_one_line_with_its_place() -> Result<()> {
    story(LIMIT, async {
        let cluster = Cluster::prepare(&ClusterOptions::default())?;
        let good = fs::read_to_string(cluster.node_directory(0).join("quartet.toml"))?;
        let file = cluster.directory().join("wrong.toml");
        let cases: [(&str, String, &[&str]); 7] = [
            (
                "an unknown key",
                format!("{good}[limits]\nrecieve_maximum = 5\n"),
                &["wrong.toml:", "recieve_maximum", "receive_maximum"],
            ),
            (
                "an unknown section",
                format!("{good}[limts]\nreceive_maximum = 5\n"),
                &["wrong.toml:", "limts", "limits"],
            ),
            (
                "a value out of range",
                format!("{good}[limits]\nreceive_maximum = 70000\n"),
                &["wrong.toml:", "receive_maximum", "65535"],
            ),
            ("no TOML at all", "[node\nname =".to_owned(), &["wrong.toml:1"]),
            (
                "a name that is no seed",
                good.replace("name = \"node-1\"", "name = \"node-9\""),
                &["wrong.toml:", "node-9", "seeds"],
            ),
            ("no data directory", good.replace("data_dir", "#"), &["wrong.toml", "data_dir"]),
            (
                "a listener for everybody",
                good.replace(&cluster.address(0).to_string(), "0.0.0.0:1884"),
                &["wrong.toml:", "0.0.0.0", "insecure"],
            ),
        ];
        for (what, text, words) in cases {
            fs::write(&file, text)?;
            let finished =
                quartet([Path::new("server"), Path::new("--config"), &file]).await?.expect_code(1)?;
            let line = one_line(&finished.stderr).with_context(|| what.to_owned())?;
            says_all(line, words).with_context(|| what.to_owned())?;
            ensure!(!cluster.data_directory(0).exists(), "{what}: it left a data directory behind");
        }
        let missing = cluster.directory().join("missing.toml");
        let finished =
            quartet([Path::new("server"), Path::new("--config"), &missing]).await?.expect_code(1)?;
        says_all(one_line(&finished.stderr)?, &["missing.toml"])
    })
}

#[test]
fn a_taken_port_is_told_in_one_line() -> Result<()> {
    story(LIMIT, async {
        let mut cluster = Cluster::prepare(&ClusterOptions::default())?;
        for address in [cluster.address(0), cluster.peer_address(0)] {
            let taken = TcpListener::bind(address)?;
            cluster.restart(0)?;
            let line = ends_with_one_line(&mut cluster, 0, Duration::from_secs(20)).await?;
            says_all(&line, &[&address.to_string()])?;
            drop(taken);
            cluster.node(0).clear_log()?;
        }
        // The same node on the same directory starts as if nothing had been.
        (0..3).try_for_each(|node| cluster.restart(node))?;
        cluster.serves().await
    })
}

/// A directory with somebody else's files is refused and left as it is.
#[test]
fn a_foreign_directory_is_refused_and_left_alone() -> Result<()> {
    story(LIMIT, async {
        let mut cluster = Cluster::prepare(&ClusterOptions::default())?;
        let data = cluster.data_directory(1);
        fs::create_dir_all(&data)?;
        fs::write(data.join("thesis.txt"), "years of work")?;
        cluster.restart(1)?;
        let line = ends_with_one_line(&mut cluster, 1, Duration::from_secs(20)).await?;
        says_all(&line, &["thesis.txt", &data.display().to_string()])?;
        let names: Vec<_> = fs::read_dir(&data)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<Result<_, _>>()?;
        ensure!(names == ["thesis.txt"], "it left {names:?} behind");
        ensure!(fs::read_to_string(data.join("thesis.txt"))? == "years of work", "it changed the file");
        Ok(())
    })
}

/// Two processes on one directory: the second is refused, the first does not notice.
#[test]
fn a_directory_in_use_is_refused() -> Result<()> {
    story(LIMIT, async {
        let cluster = Cluster::start().await?;
        let config = cluster.node_directory(0).join("quartet.toml");
        let text = fs::read_to_string(&config)?;
        // On another port, so that the directory is all they share.
        let other = cluster.directory().join("other.toml");
        let moved = cluster.address(0).to_string();
        fs::write(&other, text.replace(&moved, &moved.replace(":1884", ":1984")))?;
        let finished = quartet([Path::new("server"), Path::new("--config"), &other]).await?.expect_code(1)?;
        one_line(&finished.stderr)?;
        let mut client =
            Client::connect(cluster.address(0), &Connect::clean(Version::V5, unique("c"))).await?;
        client.publish("still", "here", 2, 1).await
    })
}

/// Copies a directory with all below.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// All files below a directory whose name ends in one of these.
fn files_below(directory: &Path, ends: &[&str]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_below(&path, ends)?);
        } else if ends.iter().any(|end| path.to_string_lossy().ends_with(end)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A node whose files were damaged while it was dead stops with one line, and never answers a client from them;
/// the others lose nothing.
#[test]
fn a_damaged_directory_is_told_and_nothing_is_lost() -> Result<()> {
    story(LIMIT, async {
        let mut cluster = Cluster::start().await?;
        let leader = cluster.leader().await?;
        let [damaged, healthy] = [cluster.others(leader)[0], leader];
        let mut ledger = Ledger::open(&cluster, healthy).await?;
        ledger.write(300).await?;
        cluster.kill(damaged)?;
        cluster.node(damaged).clear_log()?;
        let whole = cluster.directory().join("whole");
        copy(&cluster.data_directory(damaged), &whole)?;
        let mut harmed = 0;
        for path in files_below(&cluster.data_directory(damaged), &[".log", ".sst"])? {
            let mut bytes = fs::read(&path)?;
            if bytes.len() < 200 {
                continue;
            }
            // In the middle, so that it is no torn tail, which a crash may leave behind.
            let middle = bytes.len() / 2;
            for byte in &mut bytes[middle..middle + 64] {
                *byte ^= 0xa5;
            }
            fs::write(&path, bytes)?;
            harmed += 1;
        }
        ensure!(harmed > 0, "no file with anything in it was found to damage");
        cluster.restart(damaged)?;
        let line = ends_with_one_line(&mut cluster, damaged, Duration::from_secs(30)).await?;
        says_all(&line, &[&cluster.data_directory(damaged).display().to_string()])?;
        tell(format!("    damaged files: {line}"));
        ledger.write(50).await?;
        // With its own files back it is what it was.
        fs::remove_dir_all(cluster.data_directory(damaged))?;
        copy(&whole, &cluster.data_directory(damaged))?;
        cluster.restart(damaged)?;
        cluster.node_serves(damaged).await?;
        ledger.judge(&cluster, damaged).await
    })
}

/// A directory of another cluster: the node does not take part, and its line says so.
#[test]
fn a_directory_of_another_cluster_is_refused() -> Result<()> {
    story(LIMIT, async {
        let mut cluster = Cluster::start().await?;
        let mut other = Cluster::start().await?;
        other.kill_all()?;
        let mut ledger = Ledger::open(&cluster, 1).await?;
        cluster.kill(0)?;
        cluster.node(0).clear_log()?;
        fs::remove_dir_all(cluster.data_directory(0))?;
        copy(&other.data_directory(0), &cluster.data_directory(0))?;
        cluster.restart(0)?;
        let line = ends_with_one_line(&mut cluster, 0, Duration::from_secs(60)).await?;
        says_all(&line, &["cluster"])?;
        tell(format!("    another cluster's directory: {line}"));
        ledger.write(50).await?;
        ledger.judge(&cluster, 2).await
    })
}

/// An emptied directory: the node must not start a cluster of its own, nor vote under its old identity; it waits
/// and says so, and the others go on.
#[test]
fn an_emptied_directory_never_starts_a_second_cluster() -> Result<()> {
    story(LIMIT, async {
        let mut cluster = Cluster::start().await?;
        let mut ledger = Ledger::open(&cluster, 1).await?;
        for node in [0, 2] {
            cluster.kill(node)?;
            cluster.node(node).clear_log()?;
            fs::remove_dir_all(cluster.data_directory(node))?;
            cluster.restart(node)?;
            let said = quartet_tests::eventually(
                "the emptied node says that it waits",
                Duration::from_secs(30),
                || async {
                    let log = cluster.log(node)?;
                    Ok(log
                        .lines()
                        .find(|line| line.contains("cluster") && line.contains("empty"))
                        .map(str::to_owned))
                },
            );
            let said =
                said.await.with_context(|| format!("it said:\n{}", cluster.log(node).unwrap_or_default()))?;
            tell(format!("    emptied directory: {said}"));
            let connect = Connect::clean(Version::V5, unique("c"));
            ensure!(
                Client::connect_once(cluster.address(node), &connect).await.is_err(),
                "an emptied node takes clients"
            );
            if node == 0 {
                ledger.write(50).await?;
            } else {
                // Two of three are gone for good: the one left must not acknowledge with the help of empty ones.
                cluster.node(node).kill()?;
                let connect = Connect::clean(Version::V5, unique("c"));
                ensure!(
                    Client::connect_once(cluster.address(1), &connect).await.is_err(),
                    "acknowledged without a majority"
                );
            }
        }
        Ok(())
    })
}

/// Yesterday's disk: a copy taken earlier is put back. The node must not vote or serve from it; the others
/// lose nothing.
#[test]
fn a_disk_from_yesterday_is_refused() -> Result<()> {
    story(LIMIT, async {
        let mut cluster = Cluster::start().await?;
        let mut ledger = Ledger::open(&cluster, 1).await?;
        cluster.kill(0)?;
        let copied = cluster.directory().join("yesterday");
        copy(&cluster.data_directory(0), &copied)?;
        cluster.restart(0)?;
        cluster.node_serves(0).await?;
        ledger.write(200).await?;
        cluster.kill(0)?;
        cluster.node(0).clear_log()?;
        fs::remove_dir_all(cluster.data_directory(0))?;
        copy(&copied, &cluster.data_directory(0))?;
        cluster.restart(0)?;
        let line = ends_with_one_line(&mut cluster, 0, Duration::from_secs(60)).await?;
        tell(format!("    yesterday's disk: {line}"));
        ledger.write(50).await?;
        ledger.judge(&cluster, 2).await
    })
}

/// A full disk under one node: it stops or refuses with a clear line, the others go on; with room again it
/// catches up. Needs a small file system of its own, so root.
#[test]
fn a_full_disk_is_told_and_nothing_is_lost() -> Result<()> {
    story(LIMIT, async {
        let mut cluster = Cluster::prepare(&ClusterOptions::default())?;
        let Some(small) = SmallDisk::mount(&cluster.data_directory(2))? else {
            tell("    full disk: not tried, mounting a small file system takes root");
            return Ok(());
        };
        (0..3).try_for_each(|node| cluster.restart(node))?;
        cluster.serves().await?;
        let mut ledger = Ledger::open(&cluster, 0).await?;
        let filler = cluster.data_directory(2).with_file_name("data").join("filler");
        let free = small.free()?;
        fs::write(&filler, vec![0; usize::try_from(free)?]).ok();
        // What is written now finds no room there; a majority has it all the same.
        ledger.write(500).await?;
        for round in 0..20 {
            let mut client =
                Client::connect(cluster.address(0), &Connect::clean(Version::V5, unique("filler"))).await?;
            client.publish("filler", vec![round; 200_000], 1, 1).await?;
        }
        let status = cluster.node(2).ended(Duration::from_secs(30)).await;
        match status {
            Ok(status) => {
                ensure!(status.code() == Some(1), "it ended with {status}, not with exit code 1");
                let log = cluster.log(2)?;
                let line = one_line(&log)?;
                says_all(&line.to_lowercase(), &["disk full"])?;
                tell(format!("    full disk: {line}"));
            }
            Err(_) => {
                let log = cluster.log(2)?.to_lowercase();
                ensure!(log.contains("disk"), "nothing is said about the disk:\n{log}");
                tell("    full disk: the node said so and goes on without taking more");
                cluster.kill(2)?;
            }
        }
        fs::remove_file(&filler)?;
        cluster.node(2).clear_log()?;
        cluster.restart(2)?;
        cluster.node_serves(2).await?;
        ledger.write(50).await?;
        ledger.judge(&cluster, 2).await?;
        drop(cluster);
        drop(small);
        Ok(())
    })
}

/// A file system of 64 MB in memory, unmounted when dropped.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// `None` without the rights to mount.
    fn mount(path: &Path) -> Result<Option<Self>> {
        fs::create_dir_all(path)?;
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]).arg(path).output();
        let mounted = mounted.is_ok_and(|output| output.status.success());
        Ok(mounted.then(|| Self { path: path.to_owned() }))
    }

    /// Bytes that are free.
    fn free(&self) -> Result<u64> {
        let output = Command::new("df").args(["--output=avail", "-B1"]).arg(&self.path).output()?;
        let text = String::from_utf8(output.stdout)?;
        text.lines()
            .nth(1)
            .and_then(|line| line.trim().parse().ok())
            .with_context(|| format!("in `{text}` of df"))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazy: a process that was just killed may hold it a moment longer.
        drop(Command::new("umount").arg("-l").arg(&self.path).output());
    }
}
