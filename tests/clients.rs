//! Clients that people use: Debian's `mosquitto_pub` and `mosquitto_sub`, and paho for Python, through the one
//! address of `quartet dev`, with 3.1.1 and 5.0 and every QoS; paho also across the death of a node.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use quartet_tests::{Dev, quartet, story, tell, unique};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(240);

/// Longest that one client's work takes.
const CLIENT_LIMIT: Duration = Duration::from_secs(90);

async fn run(command: &mut Command) -> Result<Output> {
    let shown = format!("{:?}", command.as_std());
    let command = command.stdin(Stdio::null()).kill_on_drop(true);
    let output =
        timeout(CLIENT_LIMIT, command.output()).await.with_context(|| format!("{shown} does not end"))?;
    let output = output.with_context(|| format!("{shown} cannot be started: is it installed?"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{shown} ended with {}: {said}", output.status);
    Ok(output)
}

#[test]
fn mosquitto_clients_at_every_qos() -> Result<()> {
    story(LIMIT, async {
        let home = tempfile::tempdir()?;
        let mut dev = Dev::prepare(&home.path().join("dev"), &[])?;
        dev.start().await?;
        let port = dev.address().port().to_string();
        for version in ["mqttv31", "mqttv311", "mqttv5"] {
            for qos in ["0", "1", "2"] {
                let (topic, name) = (unique("mosquitto"), unique("sub"));
                let mut subscribe = Command::new("mosquitto_sub");
                subscribe.args(["-p", &port, "-V", version, "-q", qos, "-t", &topic, "-C", "11", "-W", "60"]);
                subscribe.args(["-i", &name]).stdout(Stdio::piped()).kill_on_drop(true);
                let mut subscriber =
                    subscribe.spawn().context("mosquitto_sub cannot be started: is it installed?")?;
                let directory = dev.directory().to_string_lossy().into_owned();
                quartet_tests::eventually(
                    "mosquitto_sub has subscribed",
                    Duration::from_secs(20),
                    || async {
                        let shown = quartet(["session", "show", &name, "--dir", &directory]).await?;
                        Ok(shown.stdout.contains(&topic).then_some(()))
                    },
                )
                .await?;
                let publish = |more: &[&str]| {
                    let mut command = Command::new("mosquitto_pub");
                    command.args(["-p", &port, "-V", version, "-q", qos, "-t", &topic]).args(more);
                    command
                };
                run(&mut publish(&["-m", "0"])).await?;
                let lines = home.path().join("lines");
                std::fs::write(&lines, (1..=10).map(|n| format!("{n}\n")).collect::<String>())?;
                let mut many = publish(&["-l"]);
                many.stdin(std::fs::File::open(&lines)?).kill_on_drop(true);
                let status =
                    timeout(CLIENT_LIMIT, many.status()).await.context("mosquitto_pub -l does not end")??;
                ensure!(status.success(), "mosquitto_pub -l ended with {status}");

                let mut said = String::new();
                subscriber.stdout.take().context("no stdout")?.read_to_string(&mut said).await?;
                let ended = timeout(CLIENT_LIMIT, subscriber.wait()).await??;
                ensure!(
                    ended.success(),
                    "{version} QoS {qos}: mosquitto_sub ended with {ended} after `{said}`"
                );
                let expected: String = (0..=10).map(|n| format!("{n}\n")).collect();
                ensure!(said == expected, "{version} QoS {qos}: mosquitto_sub printed `{said}`");
            }
        }
        Ok(())
    })
}

/// A kept session of `mosquitto_sub` gets what was published while it was away, through whichever node.
#[test]
fn mosquitto_sub_takes_up_its_session() -> Result<()> {
    story(LIMIT, async {
        let home = tempfile::tempdir()?;
        let mut dev = Dev::prepare(&home.path().join("dev"), &[])?;
        dev.start().await?;
        let port = dev.address().port().to_string();
        for version in ["mqttv311", "mqttv5"] {
            let (topic, name) = (unique("kept"), unique("sub"));
            let subscribe = |more: &[&str]| {
                let mut command = Command::new("mosquitto_sub");
                command
                    .args(["-p", &port, "-V", version, "-c", "-i", &name, "-q", "2", "-t", &topic])
                    .args(more);
                command
            };
            run(&mut subscribe(&["-E"])).await?;
            for number in ["1", "2", "3", "4"] {
                let mut publish = Command::new("mosquitto_pub");
                run(publish.args(["-p", &port, "-V", version, "-q", "2", "-t", &topic, "-m", number]))
                    .await?;
            }
            let output = run(&mut subscribe(&["-C", "4", "-W", "60"])).await?;
            ensure!(
                output.stdout == b"1\n2\n3\n4\n",
                "{version}: `{}`",
                String::from_utf8_lossy(&output.stdout)
            );
        }
        Ok(())
    })
}

#[test]
fn paho_across_the_death_of_a_node() -> Result<()> {
    story(LIMIT, async {
        const COUNT: &str = "300";
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        let test = std::env::current_exe()?;
        let beside = test.parent().context("this test's directory")?;
        let setup = run(Command::new(source.join("setup.sh")).arg(beside.join("paho"))).await?;
        let python = String::from_utf8(setup.stdout)?.trim().to_owned();

        let home = tempfile::tempdir()?;
        let mut dev = Dev::prepare(&home.path().join("dev"), &["--respawn-after", "2"])?;
        dev.start().await?;
        let port = dev.address().port().to_string();
        for (version, victim) in [("311", 1), ("5", 2)] {
            let mut command = Command::new(&python);
            command.arg(source.join("clients/through_paho.py")).args(["127.0.0.1", &port, version, COUNT]);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
            let mut paho = command.spawn()?;
            let mut lines = BufReader::new(paho.stdout.take().context("no stdout")?).lines();
            let half =
                timeout(CLIENT_LIMIT, lines.next_line()).await.context("paho does not get half-way")??;
            if half.as_deref() == Some("half") {
                dev.kill_node(victim).await?;
            }
            let last = timeout(CLIENT_LIMIT, lines.next_line()).await.context("paho does not end")??;
            let output =
                timeout(CLIENT_LIMIT, paho.wait_with_output()).await.context("paho does not end")??;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success() && last.as_deref() == Some("ok"), "paho, {version}: {said}");
            dev.serves().await?;
        }
        tell("    paho 3.1.1 and 5.0: exactly once across the death of a node");
        Ok(())
    })
}
