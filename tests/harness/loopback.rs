//! Addresses that no other test has.
//!
//! All of 127.0.0.0/8 is this machine on Linux. A cluster takes one such address for itself and keeps it by
//! holding one port of it open: its nodes' ports then stay free while a node is dead, whatever the kernel
//! gives to outgoing connections, which all come from 127.0.0.1.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Result, bail};

/// The port that is held open to own an address.
const OWNING_PORT: u16 = 1880;

/// Tries before giving up; a try fails only if another test drew the same address.
const TRIES: usize = 100;

/// A loopback address of one's own, until it is dropped.
#[derive(Debug)]
pub struct Loopback {
    address: Ipv4Addr,
    _owner: TcpListener,
}

impl Loopback {
    /// Takes an address that nobody has.
    ///
    /// # Errors
    ///
    /// None was found.
    pub fn take() -> Result<Self> {
        for _ in 0..TRIES {
            let [a, b, c] = rand::random::<[u8; 3]>();
            // The last byte stays clear of network and broadcast addresses, the first of 127.0.0.x.
            let address = Ipv4Addr::new(127, a.clamp(1, 254), b, c.clamp(1, 254));
            if let Ok(owner) = TcpListener::bind((address, OWNING_PORT)) {
                return Ok(Self { address, _owner: owner });
            }
        }
        bail!("no loopback address was free in {TRIES} tries")
    }

    /// A socket address on it.
    pub fn port(&self, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.address), port)
    }
}

/// A block of ports of 127.0.0.1 for `quartet dev`, which takes a port and the ones after it.
#[derive(Debug)]
pub struct PortBlock {
    first: u16,
    _owner: TcpListener,
}

impl PortBlock {
    /// Ports in a block: clients, nodes, and room.
    const SIZE: u16 = 16;
    /// The nodes' peers are so many ports above.
    const PEERS: u16 = 1000;
    /// Below the ports that the kernel gives to outgoing connections (32,768 and up), the peers' included.
    const RANGE: std::ops::Range<u16> = 12_000..31_000;

    /// Takes a block that nobody has.
    ///
    /// # Errors
    ///
    /// None was found.
    pub fn take() -> Result<Self> {
        for _ in 0..TRIES {
            let blocks = (Self::RANGE.end - Self::RANGE.start) / Self::SIZE;
            let first = Self::RANGE.start + rand::random::<u16>() % blocks * Self::SIZE;
            // Tests agree on who owns a block by a port of an address that nothing else uses.
            let Ok(owner) = TcpListener::bind((Ipv4Addr::new(127, 255, 0, 1), first)) else { continue };
            let peers = first + Self::PEERS;
            let mut ports = (first..first + Self::SIZE).chain(peers..peers + Self::SIZE);
            let free = ports.all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
            if free {
                return Ok(Self { first, _owner: owner });
            }
        }
        bail!("no block of {} ports was free in {TRIES} tries", Self::SIZE)
    }

    /// Its first port.
    pub fn first(&self) -> u16 {
        self.first
    }
}
