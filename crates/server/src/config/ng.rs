//! `[ng]`: the control protocol of rtpengine, by which a SIP proxy of somebody else's has its media carried here.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ringback_control::ng;
use serde::{Deserialize, Serialize};

use super::addresses::Addresses;
use super::texts;

/// Where the ng protocol is spoken, and by which names its users know our addresses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ng {
    /// UDP addresses; none turns it off.
    pub listen: Addresses,
    /// TCP addresses at which an engine that stands alone tells how it is.
    pub http: Addresses,
    /// Our addresses by name; the first name is the default. None takes the addresses of the machine.
    #[serde(deserialize_with = "texts::parse_each", serialize_with = "texts::print_each")]
    pub interfaces: Vec<NamedAddress>,
    /// How long media flows on after a `delete` that does not say.
    pub delete_delay_seconds: u32,
    /// How many calls may be recorded at once.
    pub recordings: u32,
}

impl Ng {
    /// The interfaces as the engine wants them: addresses of one name stand together.
    pub fn interfaces(&self) -> Vec<ng::Interface> {
        let mut interfaces: Vec<ng::Interface> = Vec::new();
        for NamedAddress { name, local, advertised } in &self.interfaces {
            let address = ng::Address { local: *local, advertised: Some(*advertised) };
            match interfaces.iter_mut().find(|interface| interface.name == name.as_bytes()) {
                Some(interface) => interface.addresses.push(address),
                None => interfaces
                    .push(ng::Interface { name: name.clone().into_bytes().into(), addresses: vec![address] }),
            }
        }
        interfaces
    }

    /// Each key with its value and the least and greatest value that makes sense.
    pub(super) fn ranges(&self) -> [(&'static str, u32, u32, u32); 2] {
        [
            ("ng.delete_delay_seconds", self.delete_delay_seconds, 0, 3_600),
            ("ng.recordings", self.recordings, 0, 10_000),
        ]
    }
}

impl Default for Ng {
    fn default() -> Self {
        Ng {
            listen: Addresses::default(),
            http: Addresses::default(),
            interfaces: Vec::new(),
            delete_delay_seconds: 30,
            recordings: 100,
        }
    }
}

/// One of our addresses with the name of an interface, and what is advertised in its place, as rtpengine writes it:
/// `NAME/ADDRESS!ADVERTISED`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedAddress {
    /// The name that `direction` and `interface` have for it.
    pub name: String,
    /// The address.
    pub local: IpAddr,
    /// What descriptions say; the address itself where nothing else was said.
    pub advertised: IpAddr,
}

impl FromStr for NamedAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not an interface; write it as `NAME/192.0.2.7`, or `NAME/10.0.0.7!203.0.113.5` for an \
                 address that the world knows as another one"
            )
        };
        let (name, addresses) = text.split_once('/').unwrap_or((DEFAULT_NAME, text));
        let (local, advertised) = addresses.split_once('!').unwrap_or((addresses, addresses));
        let address = |text: &str| {
            let text = text.trim().trim_start_matches('[').trim_end_matches(']');
            text.parse::<IpAddr>().ok().filter(|address| !address.is_unspecified() && !address.is_multicast())
        };
        let (local, advertised) = address(local).zip(address(advertised)).ok_or_else(wrong)?;
        let is_name = |byte: u8| byte.is_ascii_graphic();
        if name.is_empty() || !name.bytes().all(is_name) || local.is_ipv4() != advertised.is_ipv4() {
            return Err(wrong());
        }
        Ok(NamedAddress { name: name.to_owned(), local, advertised })
    }
}

impl fmt::Display for NamedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.local)?;
        if self.advertised != self.local {
            write!(f, "!{}", self.advertised)?;
        }
        Ok(())
    }
}

/// The name of an interface that was given none.
const DEFAULT_NAME: &str = "default";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_written_as_rtpengine_writes_it() {
        for (text, printed) in [
            ("192.0.2.7", "default/192.0.2.7"),
            ("priv/10.0.0.7", "priv/10.0.0.7"),
            ("pub/10.0.0.7!203.0.113.5", "pub/10.0.0.7!203.0.113.5"),
            ("pub/[2001:db8::7]", "pub/2001:db8::7"),
        ] {
            assert_eq!(text.parse::<NamedAddress>().unwrap().to_string(), printed);
        }
        for wrong in
            ["", "pub", "pub/", "/192.0.2.7", "pub/eth0", "pub/0.0.0.0", "pub/10.0.0.7!", "a/10.0.0.7!::1"]
        {
            let sentence = wrong.parse::<NamedAddress>().unwrap_err();
            assert!(sentence.contains("write it as"), "{sentence}");
        }
    }

    #[test]
    fn addresses_of_one_name_are_one_interface() {
        let interfaces =
            ["pub/192.0.2.7", "priv/10.0.0.7", "pub/2001:db8::7"].map(|text| text.parse().unwrap());
        let ng = Ng { interfaces: interfaces.to_vec(), ..Ng::default() };
        let names: Vec<_> = ng.interfaces().iter().map(|it| (it.name.clone(), it.addresses.len())).collect();
        assert_eq!(names, [("pub".into(), 2), ("priv".into(), 1)]);
    }
}
