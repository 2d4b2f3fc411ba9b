//! A whole session description.

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use sdp_types::{Attribute, Connection, Session};

use super::attributes::{has, is_token, values};
use super::salvage::salvage;
use super::{Host, MAX_FORMATS, MAX_LEN, MAX_SECTIONS, ParseError, Section};

/// A session description, typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The `o=` line.
    pub origin: Origin,
    /// The `c=` line of the session level.
    pub connection: Option<Host>,
    /// `a=ice-lite`: the writer sends no checks.
    pub ice_lite: bool,
    /// `a=ice-options`, as they were written.
    pub ice_options: Vec<String>,
    /// `a=group:BUNDLE`: the mids of each group.
    pub bundles: Vec<Vec<String>>,
    /// The m= sections, in order.
    pub sections: Vec<Section>,
}

/// What the `o=` line says about identity and version ([RFC 8866 §5.2]).
///
/// [RFC 8866 §5.2]: https://www.rfc-editor.org/rfc/rfc8866#section-5.2
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The same in every description of a session.
    pub session: u64,
    /// Grows by one when the description changes.
    pub version: u64,
    /// Where the session was made.
    pub address: IpAddr,
}

impl Description {
    /// A description without m= sections.
    pub fn new(origin: Origin) -> Self {
        Description {
            origin,
            connection: None,
            ice_lite: false,
            ice_options: Vec::new(),
            bundles: Vec::new(),
            sections: Vec::new(),
        }
    }

    /// Reads a description.
    pub fn parse(sdp: &[u8]) -> Result<Description, ParseError> {
        if sdp.len() > MAX_LEN {
            return Err(ParseError::TooLong(sdp.len()));
        }
        // Only free text has other characters than ASCII, and none of it is used.
        let text = String::from_utf8_lossy(sdp);
        let session = match Session::parse(text.as_bytes()) {
            Ok(session) => session,
            Err(_) => Session::parse(salvage(&text).as_bytes())?,
        };
        if session.medias.len() > MAX_SECTIONS {
            return Err(ParseError::TooManySections(session.medias.len()));
        }
        for media in &session.medias {
            let formats = media.fmt.split_ascii_whitespace().count();
            if formats > MAX_FORMATS {
                return Err(ParseError::TooManyFormats(formats));
            }
        }

        let attributes = &session.attributes[..];
        let connection = session.connection.and_then(|line| Host::parse(&line.connection_address));
        Ok(Description {
            origin: Origin::from_line(&session.origin),
            ice_lite: has(attributes, "ice-lite"),
            ice_options: values(attributes, "ice-options")
                .flat_map(str::split_ascii_whitespace)
                .filter(|option| is_token(option, MAX_OPTION_LEN))
                .map(str::to_owned)
                .collect(),
            bundles: values(attributes, "group").take(MAX_SECTIONS).filter_map(bundle).collect(),
            sections: session
                .medias
                .iter()
                .map(|media| Section::from_media(media, attributes, connection.as_ref()))
                .collect(),
            connection,
        })
    }

    /// Writes the description, with CRLF line ends.
    pub fn write(&self) -> Bytes {
        let mut attributes = Vec::new();
        if self.ice_lite {
            attributes.push(Attribute::new("ice-lite"));
        }
        if !self.ice_options.is_empty() {
            attributes.push(Attribute::with_value("ice-options", self.ice_options.join(" ")));
        }
        for mids in &self.bundles {
            attributes.push(Attribute::with_value("group", format_args!("BUNDLE {}", mids.join(" "))));
        }
        let Origin { session, version, address } = self.origin;
        let session = Session {
            connection: self.connection.as_ref().map(connection),
            attributes,
            medias: self.sections.iter().map(|s| s.to_media(self.connection.as_ref())).collect(),
            ..Session::new(sdp_types::Origin::with_ip_addr(session, version, address), "-")
        };
        session.to_string().into()
    }

    /// The section whose transport the section of this index uses: its own, or, when it is bundle-only, that of the
    /// first section of its BUNDLE group ([RFC 8843 §7]); its own as well when there is no such section.
    ///
    /// [RFC 8843 §7]: https://www.rfc-editor.org/rfc/rfc8843#section-7
    pub fn transport_of(&self, index: usize) -> Option<&Section> {
        let section = self.sections.get(index)?;
        if section.port != 0 || !section.bundle_only {
            return Some(section);
        }
        let group =
            self.bundles.iter().find(|mids| section.mid.as_ref().is_some_and(|mid| mids.contains(mid)));
        let tagged = group
            .and_then(|mids| mids.first())
            .and_then(|first| self.sections.iter().find(|section| section.mid.as_ref() == Some(first)));
        Some(tagged.unwrap_or(section))
    }
}

impl Origin {
    /// Reads the line; what is not a number or an address counts as 0, because only the writer needs it.
    fn from_line(line: &sdp_types::Origin) -> Self {
        Origin {
            session: line.sess_id.parse().unwrap_or_default(),
            version: line.sess_version,
            address: Host::parse(&line.unicast_address)
                .and_then(|host| host.address())
                .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        }
    }
}

/// The `c=` line of a host; a name has no family, so it is written as IPv4.
pub(super) fn connection(host: &Host) -> Connection {
    match host {
        Host::Address(address) => Connection::from_ip_addr(*address),
        Host::Name(name) => Connection::new(sdp_types::NetType::In, sdp_types::AddrType::Ip4, name),
    }
}

fn bundle(group: &str) -> Option<Vec<String>> {
    let mut fields = group.split_ascii_whitespace();
    if !fields.next()?.eq_ignore_ascii_case("BUNDLE") {
        return None;
    }
    Some(fields.take(MAX_SECTIONS).map(str::to_owned).collect())
}

/// The longest ICE option that is kept.
const MAX_OPTION_LEN: usize = 64;
