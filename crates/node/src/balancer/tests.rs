//! The balancer over real sockets on loopback.

use std::time::Instant;

use super::*;

/// Longest wait for something that must happen.
const DEADLINE: Duration = Duration::from_secs(10);

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

/// A balancer over these addresses, all serving, and where it listens.
async fn balancer(addresses: &[SocketAddr]) -> (Arc<Balancer>, SocketAddr) {
    let balancer = Arc::new(Balancer::new(addresses.iter().copied()));
    for place in 0..addresses.len() {
        balancer.set_serving(place, true);
    }
    let (listener, address) = listener().await;
    tokio::spawn(Arc::clone(&balancer).run(listener));
    (balancer, address)
}

/// A node that says its name to whoever connects, then ends.
async fn says(name: &'static [u8]) -> SocketAddr {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            client.write_all(name).await.expect("written");
        }
    });
    address
}

/// An address where nothing listens.
async fn dead() -> SocketAddr {
    listener().await.1
}

async fn hears(address: SocketAddr) -> Vec<u8> {
    let mut client = TcpStream::connect(address).await.expect("the balancer accepts");
    let mut heard = Vec::new();
    timeout(DEADLINE, client.read_to_end(&mut heard)).await.expect("in time").expect("ended in order");
    heard
}

#[tokio::test]
async fn takes_the_nodes_in_turn() {
    let (_balancer, address) = balancer(&[says(b"1").await, says(b"2").await, says(b"3").await]).await;
    let mut heard = Vec::new();
    for _ in 0..6 {
        heard.extend(hears(address).await);
    }
    assert_eq!(heard, b"123123");
}

#[tokio::test]
async fn a_dead_node_is_passed_over_within_the_same_connection() {
    let (balancer, address) = balancer(&[dead().await, says(b"2").await]).await;
    for _ in 0..4 {
        assert_eq!(hears(address).await, b"2");
    }
    assert_eq!(balancer.counts.passed_over.load(Ordering::Relaxed), 2);
    assert_eq!(balancer.counts.sent_away.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_node_not_serving_is_the_last_resort() {
    let (balancer, address) = balancer(&[says(b"1").await, says(b"2").await]).await;
    balancer.set_serving(0, false);
    for _ in 0..3 {
        assert_eq!(hears(address).await, b"2");
    }
    balancer.set_serving(1, false);
    let heard = [hears(address).await, hears(address).await].concat();
    assert!(heard.contains(&b'1'), "with nobody serving each is as good as the other");
}

#[tokio::test]
async fn without_any_node_the_client_is_sent_away_and_counted() {
    let (balancer, address) = balancer(&[dead().await, dead().await]).await;
    assert_eq!(hears(address).await, b"");
    assert_eq!(balancer.counts.sent_away.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_client_that_ends_its_half_still_hears_the_answer() {
    let (nodes, node) = listener().await;
    let (_balancer, address) = balancer(&[node]).await;
    let mut client = TcpStream::connect(address).await.expect("accepted");
    client.write_all(b"question").await.expect("written");
    client.shutdown().await.expect("half closed");
    let (mut node, _) = nodes.accept().await.expect("connected");
    let mut question = Vec::new();
    node.read_to_end(&mut question).await.expect("the client's end is passed on");
    node.write_all(b"answer").await.expect("written");
    drop(node);
    let mut answer = Vec::new();
    timeout(DEADLINE, client.read_to_end(&mut answer)).await.expect("in time").expect("ended in order");
    assert_eq!((question.as_slice(), answer.as_slice()), (&b"question"[..], &b"answer"[..]));
}

#[tokio::test]
async fn the_last_words_of_a_node_that_dies_with_unread_bytes_arrive() {
    let (nodes, node) = listener().await;
    let (balancer, address) = balancer(&[node]).await;
    let mut client = TcpStream::connect(address).await.expect("accepted");
    client.write_all(b"a CONNECT nobody reads").await.expect("written");
    let (mut node, _) = nodes.accept().await.expect("connected");
    node.readable().await.expect("it is there");
    node.write_all(b"refused").await.expect("written");
    let started = Instant::now();
    // Closing with unread bytes resets the connection, as a killed process does.
    drop(node);
    let mut heard = Vec::new();
    let end = timeout(DEADLINE, client.read_to_end(&mut heard)).await.expect("in time");
    assert!(started.elapsed() < LINGER, "the end is passed on at once, not when the client gives up");
    assert!(end.is_err() || heard == b"refused" || heard.is_empty(), "{heard:?}");
    drop(client);
    gone(&balancer).await;
}

#[tokio::test]
async fn when_the_client_resets_the_node_is_told() {
    let (nodes, node) = listener().await;
    let (balancer, address) = balancer(&[node]).await;
    let client = TcpStream::connect(address).await.expect("accepted");
    let (mut node, _) = nodes.accept().await.expect("connected");
    node.write_all(b"never read").await.expect("written");
    client.readable().await.expect("it is there");
    drop(client);
    let mut heard = Vec::new();
    let _end = timeout(DEADLINE, node.read_to_end(&mut heard)).await.expect("the node's socket ends");
    gone(&balancer).await;
}

#[tokio::test]
async fn a_silent_client_of_a_dead_node_is_dropped() {
    let (nodes, node) = listener().await;
    let (balancer, address) = balancer(&[node]).await;
    let _silent = TcpStream::connect(address).await.expect("accepted");
    drop(nodes.accept().await.expect("connected"));
    gone(&balancer).await;
}

/// Waits until the balancer holds no connection.
async fn gone(balancer: &Balancer) {
    let started = Instant::now();
    while balancer.counts.open.load(Ordering::Relaxed) > 0 {
        assert!(started.elapsed() < DEADLINE, "a connection stays open");
        sleep(Duration::from_millis(5)).await;
    }
}
