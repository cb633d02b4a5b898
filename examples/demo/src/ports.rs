//! Finding out that ports are free before anything starts.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::mesh::{Port, Ports};

/// A whole block of ports, bound.
#[derive(Debug)]
pub(crate) struct Reserved {
    pub(crate) ports: Ports,
    listeners: HashMap<u16, TcpListener>,
}

impl Reserved {
    /// Binds the whole block, or says which port cannot be had.
    pub(crate) fn try_new(ports: Ports) -> Result<Self, PortError> {
        let mut listeners = HashMap::new();
        for port in ports.all() {
            match TcpListener::bind(loopback(port.number)) {
                Ok(listener) => listeners.insert(port.number, listener),
                Err(cause) => return Err(PortError { port, cause }),
            };
        }
        Ok(Self { ports, listeners })
    }

    /// A free block somewhere.
    ///
    /// Below the ports that the kernel gives to outgoing connections (32768 and above,
    /// where nobody changed it), so that no connection takes one between here and Envoy.
    pub(crate) fn anywhere() -> Result<Self, PortError> {
        const TRIES: usize = 50;
        let mut result = Self::try_new(random_ports());
        for _ in 1..TRIES {
            if result.is_ok() {
                break;
            }
            result = Self::try_new(random_ports());
        }
        result
    }

    /// The listener of a part that runs in this process.
    pub(crate) fn take(&mut self, port: u16) -> io::Result<tokio::net::TcpListener> {
        let listener = self.listeners.remove(&port).ok_or(io::ErrorKind::NotFound)?;
        listener.set_nonblocking(true)?;
        tokio::net::TcpListener::from_std(listener)
    }
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn random_ports() -> Ports {
    const FIRST: u16 = 10_000;
    const BLOCKS: u64 = (32_000 - FIRST as u64) / Ports::SPAN as u64;
    // The standard library's keys are the one source of randomness that needs no crate.
    let block = RandomState::new().hash_one(std::process::id()) % BLOCKS;
    Ports::new(FIRST + block as u16 * Ports::SPAN)
}

/// A port that cannot be had.
#[derive(Debug)]
pub(crate) struct PortError {
    port: Port,
    cause: io::Error,
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Port { number, user } = &self.port;
        match self.cause.kind() {
            io::ErrorKind::AddrInUse => write!(f, "port {number}, which {user} needs, is taken")?,
            _ => write!(f, "port {number}, which {user} needs: {}", self.cause)?,
        }
        let span = Ports::SPAN;
        write!(f, "; choose another block of {span} ports with --port-base N")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_its_user_and_the_way_out() {
        // Whichever of them is taken, and only that one.
        for index in [0, 5, 22] {
            let other = Reserved::anywhere().unwrap();
            let ports = other.ports;
            let port = ports.all().swap_remove(index);
            drop(other);
            let _taken = TcpListener::bind(loopback(port.number)).unwrap();
            let error = Reserved::try_new(ports).unwrap_err().to_string();
            assert_eq!(
                error,
                format!(
                    "port {}, which {} needs, is taken; \
                     choose another block of 54 ports with --port-base N",
                    port.number, port.user
                )
            );
        }
    }

    #[tokio::test]
    async fn listeners_of_this_process_are_handed_out_once_and_stay_bound() {
        let mut reserved = Reserved::anywhere().unwrap();
        let port = reserved.ports.collector();
        let listener = reserved.take(port).unwrap();
        assert_eq!(listener.local_addr().unwrap(), loopback(port));
        assert!(reserved.take(port).is_err());
        drop(reserved);
        assert!(TcpListener::bind(loopback(port)).is_err(), "held although the rest is free");
    }
}
