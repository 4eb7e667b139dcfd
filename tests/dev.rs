//! `quartet dev`, end to end, as a newcomer uses it: start, wait, look, kill a node in the middle of a handshake,
//! finish through the same address, bring the node back, stop, start again on the same data.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quartet_tests::{
    AckKind, BOTH, Client, Connect, Dev, Finished, Publisher, Subscriber, Version, eventually, frame,
    quartet, quartet_binary, story, unique,
};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(180);

async fn status(dev: &Dev, more: &[&str]) -> Result<Finished> {
    let directory = dev.directory().to_string_lossy().into_owned();
    let mut arguments = vec!["cluster", "status", "--dir", &directory];
    arguments.extend(more);
    quartet(arguments).await
}

async fn session(dev: &Dev, name: &str, more: &[&str]) -> Result<Finished> {
    let directory = dev.directory().to_string_lossy().into_owned();
    let mut arguments = vec!["session", "show", name, "--dir", &directory];
    arguments.extend(more);
    quartet(arguments).await
}

/// A node started by hand, killed when dropped.
struct ByHand(Child);

impl ByHand {
    fn start(config: &Path) -> Result<Self> {
        let mut command = Command::new(quartet_binary()?);
        command.args([Path::new("server"), Path::new("--config"), config]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(command.spawn().context("starting a node by hand")?))
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        // Already ended is as good.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The demonstration: the node that holds a handshake is killed by its pid file, and both sides finish through
/// the balancer.
#[test]
fn a_handshake_finishes_through_the_balancer_after_its_node_was_killed() -> Result<()> {
    story(LIMIT, async {
        let home = tempfile::tempdir()?;
        let mut dev = Dev::prepare(&home.path().join("dev"), &[])?;
        dev.start().await?;
        for version in BOTH {
            let topic = unique("demo");
            let (alice, bob) = (unique("alice"), unique("bob"));
            let mut subscriber = Subscriber::new(Connect::kept(version, &alice));
            subscriber.join(dev.address()).await?;
            subscriber.subscribe(&topic, 2).await?;
            let mut publisher = Publisher::new(Connect::kept(version, &bob));
            publisher.join(dev.address()).await?;
            publisher.publish(&topic, "exactly once", 2).await?;
            publisher.read().await?;
            subscriber.read().await?;

            // Where it is, and at which step, is to be seen.
            let shown = session(&dev, &bob, &["--json"]).await?.expect_code(0)?;
            let shown: Value = serde_json::from_str(&shown.stdout).with_context(|| shown.stdout.clone())?;
            let step = shown.pointer("/handshakes/0/step").and_then(Value::as_str);
            ensure!(step == Some("awaiting-pubrel"), "bob's handshake: {shown:#}");
            let place = shown.pointer("/connection/node").and_then(Value::as_str);
            let node: u16 = place
                .and_then(|name| name.strip_prefix("node-"))
                .and_then(|number| number.parse().ok())
                .with_context(|| format!("no connection/node in {shown:#}"))?;
            let shown = session(&dev, &alice, &[]).await?.expect_code(0)?.stdout;
            for word in [&alice, &topic, &"PUBREC".to_owned()] {
                ensure!(shown.contains(word), "`{word}` is not in what is shown of alice:\n{shown}");
            }

            dev.kill_node(node).await?;
            publisher.join(dev.address()).await?;
            publisher.finish_down_to(0).await?;
            subscriber.join(dev.address()).await?;
            subscriber.drain(1).await?;

            // It stays dead, and the status says so; by hand it comes back.
            let degraded = status(&dev, &[]).await?.expect_code(1)?;
            ensure!(degraded.stdout.contains("degraded"), "{degraded:?}");
            let by_hand = ByHand::start(&dev.node_directory(node).join("quartet.toml"))?;
            eventually("the node that was started by hand serves", Duration::from_secs(60), || async {
                status(&dev, &[]).await?.expect_code(0).map(Some)
            })
            .await?;
            let pid = u32::try_from(dev.node_pid(node)?)?;
            ensure!(pid == by_hand.0.id(), "its pid file says {pid}, not {}", by_hand.0.id());
            let mut client =
                Client::connect(dev.node_address(node), &Connect::clean(version, unique("c"))).await?;
            client.ping().await?;
            // Ended by hand, too; the next round needs three.
            drop(by_hand);
            let code = status(&dev, &[]).await?.code;
            ensure!(code == Some(1), "one of three is down, and the status is {code:?}");
            dev.interrupt().await?;
            dev.start().await?;
        }
        Ok(())
    })
}

/// Words and exit codes of the status: 0 healthy, 1 degraded, 2 nothing is acknowledged, 2 nobody answers.
#[test]
fn status_and_wait_tell_how_it_is() -> Result<()> {
    story(LIMIT, async {
        let home = tempfile::tempdir()?;
        let directory = home.path().join("dev");
        let mut dev = Dev::prepare(&directory, &[])?;
        // Before there is anything to wait for, waiting ends with an error and not with a success.
        let early =
            quartet(["cluster", "wait", "--timeout", "1s", "--dir", &directory.to_string_lossy()]).await?;
        ensure!(early.code.is_some_and(|code| code != 0), "{early:?}");
        dev.start().await?;
        let healthy = status(&dev, &[]).await?.expect_code(0)?;
        ensure!(healthy.stdout.contains("healthy: tolerates the loss of 1 node"), "{}", healthy.stdout);
        for word in
            ["node-1", "node-2", "node-3", "leader", "follower", "role", "term", "applied", "lag", "uptime"]
        {
            ensure!(healthy.stdout.contains(word), "`{word}` is not in the status:\n{}", healthy.stdout);
        }
        let json = status(&dev, &["--json"]).await?.expect_code(0)?;
        let json: Value = serde_json::from_str(&json.stdout)?;
        let nodes = json.get("nodes").and_then(Value::as_array).context("no `nodes`")?;
        ensure!(nodes.len() == 3, "{} nodes in {json:#}", nodes.len());
        let output = dev.output()?;
        for word in [&dev.address().to_string(), "kill -9", "cluster status", "session show"] {
            ensure!(output.contains(word), "the banner does not say `{word}`:\n{output}");
        }

        dev.kill_node(1).await?;
        // For a moment nobody leads, if the first node did.
        eventually("the status is degraded", Duration::from_secs(20), || async {
            status(&dev, &[]).await?.expect_code(1).map(Some)
        })
        .await?;
        eventually("dev says who is down", Duration::from_secs(20), || async {
            Ok(dev
                .output()?
                .lines()
                .any(|line| line.contains("node-1") && line.contains("down"))
                .then_some(()))
        })
        .await?;
        dev.kill_node(2).await?;
        eventually("nothing is acknowledged", Duration::from_secs(20), || async {
            status(&dev, &[]).await?.expect_code(2).map(Some)
        })
        .await?;
        dev.kill_node(3).await?;
        let nobody = status(&dev, &[]).await?.expect_code(2)?;
        ensure!(nobody.stdout.contains("unreachable"), "{nobody:?}");
        Ok(())
    })
}

/// Ctrl-C ends every process, and the next start on the same directory has all the data.
#[test]
fn it_starts_again_with_all_its_data() -> Result<()> {
    story(LIMIT, async {
        let home = tempfile::tempdir()?;
        let mut dev = Dev::prepare(&home.path().join("dev"), &[])?;
        dev.start().await?;
        let topic = unique("kept");
        let mut subscriber = Subscriber::new(Connect::kept(Version::V311, unique("s")));
        subscriber.join(dev.address()).await?;
        subscriber.subscribe(&topic, 2).await?;
        drop(subscriber.detach());
        let connect = Connect::kept(Version::V5, unique("p"));
        let mut publisher = Client::connect(dev.address(), &connect).await?;
        publisher.send(&frame::publish(Version::V5, &topic, "kept", 2, Some(1), false)).await?;
        publisher.receive_ack(AckKind::PubRec, 1).await?;
        let pids: Vec<i32> = (1..=3).map(|node| dev.node_pid(node)).collect::<Result<_>>()?;

        let ended = dev.interrupt().await?;
        ensure!(ended.success(), "Ctrl-C ended it with {ended}");
        for pid in pids {
            ensure!(!Path::new(&format!("/proc/{pid}")).exists(), "process {pid} outlived Ctrl-C");
        }
        dev.start().await?;
        let mut publisher = Client::connect(dev.address(), &connect).await?;
        ensure!(publisher.session_present(), "the publisher's session is gone");
        publisher.send(&frame::pubrel(1)).await?;
        ensure!(publisher.receive_ack(AckKind::PubComp, 1).await? == 0, "its handshake is gone");
        subscriber.join(dev.address()).await?;
        subscriber.drain(1).await?;

        // A second one on the same directory is refused and harms nothing.
        let directory = dev.directory().to_string_lossy().into_owned();
        let second = quartet(["dev", "--dir", &directory]).await?;
        ensure!(second.code == Some(1), "a second quartet dev on one directory: {second:?}");
        status(&dev, &[]).await?.expect_code(0).map(drop)
    })
}

/// With `--respawn-after` a killed node comes back by itself.
#[test]
fn a_killed_node_is_started_again_if_asked() -> Result<()> {
    story(LIMIT, async {
        let home = tempfile::tempdir()?;
        let mut dev = Dev::prepare(&home.path().join("dev"), &["--respawn-after", "1"])?;
        dev.start().await?;
        let before = dev.node_pid(2)?;
        dev.kill_node(2).await?;
        dev.serves().await?;
        let after = dev.node_pid(2)?;
        ensure!(before != after, "the pid file still says {before}");
        status(&dev, &[]).await?.expect_code(0).map(drop)
    })
}

/// `quartet pub` and `quartet sub`, for a first minute without other tools.
#[test]
fn its_own_clients_are_enough_for_a_first_minute() -> Result<()> {
    story(LIMIT, async {
        let home = tempfile::tempdir()?;
        let mut dev = Dev::prepare(&home.path().join("dev"), &[])?;
        dev.start().await?;
        let port = dev.address().port().to_string();
        for version in ["5", "311"] {
            let topic = unique("first");
            let name = unique("alice");
            let out = home.path().join("out");
            let mut listening = Command::new(quartet_binary()?)
                .args([
                    "sub", "-p", &port, "-i", &name, "-c", "-q", "2", "-V", version, "-C", "3", "-t", &topic,
                ])
                .stdin(Stdio::null())
                .stdout(std::fs::File::create(&out)?)
                .stderr(Stdio::null())
                .spawn()?;
            eventually("the subscription is there", Duration::from_secs(20), || async {
                let shown = session(&dev, &name, &[]).await?;
                Ok(shown.stdout.contains(&topic).then_some(()))
            })
            .await?;
            for qos in ["0", "1", "2"] {
                let payload = format!("hello {qos}");
                let said =
                    quartet(["pub", "-p", &port, "-V", version, "-q", qos, "-t", &topic, "-m", &payload])
                        .await?;
                said.expect_code(0)?;
            }
            let listening = std::sync::Mutex::new(&mut listening);
            let ended = eventually("sub has its three messages", Duration::from_secs(20), || async {
                let mut listening = listening.lock().map_err(|_| anyhow::anyhow!("a panic while waiting"))?;
                Ok(listening.try_wait()?)
            })
            .await;
            if ended.is_err() {
                let mut listening = listening.lock().map_err(|_| anyhow::anyhow!("a panic while waiting"))?;
                listening.kill()?;
                listening.wait()?;
            }
            let said = std::fs::read_to_string(&out)?;
            ensure!(ended?.success(), "sub failed after `{said}`");
            let mut lines: Vec<&str> = said.lines().collect();
            // Order holds within one QoS only.
            lines.sort_unstable();
            ensure!(lines == ["hello 0", "hello 1", "hello 2"], "sub printed `{said}`");
        }
        Ok(())
    })
}
