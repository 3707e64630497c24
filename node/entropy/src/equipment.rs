//! What some sources need beyond their name: hosts, a chip, a path.

use crate::atecc608a::{DEFAULT_BUS, Device};
use crate::source::Availability;
use crate::sources::{Network, UnknownSource};
use crate::worker::SourceSpec;
use std::net::SocketAddr;

/// The name under which a chip is asked for, emulated or not.
pub const CHIP: &str = "atecc608a";
/// What a path is introduced by.
pub const FILE: &str = "file:";

/// What an operator configured.
#[derive(Clone, Debug)]
pub struct Equipment {
    /// DNS servers to time; none are contacted unless named here.
    pub dns: Vec<SocketAddr>,
    /// Hosts whose connections are timed, likewise.
    pub tcp: Vec<SocketAddr>,
    pub chip: Device,
}

impl Default for Equipment {
    /// No hosts, and the chip on the usual bus, if there is one.
    fn default() -> Equipment {
        Equipment { dns: Vec::new(), tcp: Vec::new(), chip: Device::open(DEFAULT_BUS) }
    }
}

impl Equipment {
    /// A source by its name, or `file:PATH`.
    pub fn spec(&self, name: &str) -> Result<SourceSpec, UnknownSource> {
        if let Some(path) = name.strip_prefix(FILE) {
            return Ok(SourceSpec::file(path));
        }
        match name {
            CHIP => Ok(self.chip.source()),
            "dns" => Ok(network(name, &self.dns, Network::dns)),
            "tcp" => Ok(network(name, &self.tcp, Network::tcp)),
            _ => SourceSpec::named(name),
        }
    }

    /// Whether `name` can be used here; asks the chip itself, which takes some milliseconds.
    pub fn availability(&self, name: &str) -> Result<Availability, UnknownSource> {
        match name {
            CHIP => Ok(self.chip.presence()),
            _ => Ok(self.spec(name)?.build().availability()),
        }
    }
}

fn network(name: &str, hosts: &[SocketAddr], make: fn(Vec<SocketAddr>) -> Network) -> SourceSpec {
    let hosts = hosts.to_vec();
    SourceSpec::custom(name, move || Box::new(make(hosts.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_a_chip_reach_their_sources() {
        let bare = Equipment::default();
        let off = bare.spec("tcp").expect("known").build();
        assert!(matches!(off.availability(), Availability::Off(_)));
        let host = "127.0.0.1:1".parse().expect("an address");
        let equipped = Equipment { tcp: vec![host], chip: Device::emulated(true).0, ..bare.clone() };
        assert!(equipped.spec("tcp").expect("known").build().availability().is_available());
        assert_eq!(equipped.spec(CHIP).expect("known").build().info().name, "atecc608a-emulated");
        assert_eq!(bare.spec(CHIP).expect("known").build().info().name, CHIP);
        assert_eq!(bare.spec("file:/nowhere").expect("a path").name(), "file");
        assert_eq!(bare.spec("tcpp").expect_err("a typo").nearest, "tcp");
        assert_eq!(equipped.availability(CHIP), Ok(Availability::Available));
        let unlocked = Equipment { chip: Device::emulated(false).0, ..bare };
        assert!(
            matches!(unlocked.availability(CHIP), Ok(Availability::Absent(reason)) if reason.contains("not locked"))
        );
    }
}
