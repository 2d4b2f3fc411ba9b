//! The media of the call: that of a telephone, or that of a browser.

use std::net::IpAddr;

use bytes::Bytes;
use ringback_peer::audio::Audio;
use ringback_peer::rtp::{Protection, RtpConnection};
use ringback_peer::webrtc::{Connection, Event, Settings};
use ringback_sansio::Transport;

use super::CallError;

/// How the media travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// RTP in the clear
    Plain,
    /// SRTP with keys in the session description
    Sdes,
    /// ICE and DTLS-SRTP
    Webrtc,
}

impl Kind {
    /// What the far ends of a transport have.
    pub(super) fn of(transport: Transport) -> Kind {
        if transport.is_websocket() { Kind::Webrtc } else { Kind::Plain }
    }

    /// What an offer asks for.
    pub(super) fn of_offer(offer: &[u8]) -> Kind {
        let has = |word: &[u8]| offer.windows(word.len()).any(|piece| piece == word);
        match () {
            () if has(b"UDP/TLS/RTP/SAVP") => Kind::Webrtc,
            () if has(b"RTP/SAVP") => Kind::Sdes,
            () => Kind::Plain,
        }
    }

    /// How it is told.
    pub(super) fn words(self) -> &'static str {
        match self {
            Kind::Plain => "plain RTP",
            Kind::Sdes => "SRTP with keys by SDES",
            Kind::Webrtc => "ICE and DTLS-SRTP",
        }
    }
}

/// The media of the call.
pub(super) enum Media {
    Rtp(Box<RtpConnection>),
    Webrtc(Box<Connection>),
}

/// What happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// Packets were carried.
    Nothing,
    /// ICE and DTLS are through.
    Connected,
    /// The other side is silent, or has gone.
    Lost,
}

impl Media {
    /// Opens sockets at the address that the server knows us by.
    pub(super) async fn open(kind: Kind, own: IpAddr, server: IpAddr) -> Result<Media, CallError> {
        let rtp = |protection| async move {
            let opened = RtpConnection::open(own, server, protection).await;
            opened.map(Box::new).map(Media::Rtp).map_err(CallError::Socket)
        };
        match kind {
            Kind::Plain => rtp(Protection::Plain).await,
            Kind::Sdes => rtp(Protection::Sdes).await,
            Kind::Webrtc => {
                let settings = Settings { addresses: vec![own], ..Settings::default() };
                Ok(Media::Webrtc(Box::new(Connection::open(settings).await?)))
            }
        }
    }

    /// Our offer.
    pub(super) fn offer(&mut self) -> Result<Bytes, CallError> {
        match self {
            Media::Rtp(rtp) => Ok(rtp.offer()),
            Media::Webrtc(connection) => Ok(connection.offer()?.into()),
        }
    }

    /// Our offer within a call, of what there is already.
    pub(super) fn offer_again(&mut self) -> Result<Bytes, CallError> {
        match self {
            Media::Rtp(rtp) => Ok(rtp.offer()),
            // A description of the same media says something new only when another way is looked for.
            Media::Webrtc(connection) => Ok(connection.restart()?.into()),
        }
    }

    /// Takes the answer to it.
    pub(super) fn accept(&mut self, answer: &[u8]) -> Result<(), CallError> {
        match self {
            Media::Rtp(rtp) => rtp.accept(answer)?,
            Media::Webrtc(connection) => connection.accept(&String::from_utf8_lossy(answer))?,
        }
        Ok(())
    }

    /// Answers an offer.
    pub(super) fn answer(&mut self, offer: &[u8]) -> Result<Bytes, CallError> {
        Ok(match self {
            Media::Rtp(rtp) => rtp.answer(offer)?,
            Media::Webrtc(connection) => connection.answer(&String::from_utf8_lossy(offer))?.into(),
        })
    }

    /// The audio, once something was agreed.
    pub(super) fn audio(&mut self) -> Option<&mut Audio> {
        match self {
            Media::Rtp(rtp) => rtp.audio(),
            Media::Webrtc(connection) => connection.audio(),
        }
    }

    /// Whether the other side can hear us.
    pub(super) fn is_connected(&mut self) -> bool {
        match self {
            Media::Rtp(rtp) => rtp.audio().is_some(),
            Media::Webrtc(connection) => connection.peer().is_connected(),
        }
    }

    /// Carries packets until something happens. Nothing is lost when it is given up while it waits.
    pub(super) async fn next(&mut self) -> News {
        match self {
            Media::Rtp(rtp) => {
                rtp.drive().await;
                News::Nothing
            }
            Media::Webrtc(connection) => match connection.next().await {
                Some(Event::Connected | Event::Reconnected) => News::Connected,
                Some(Event::Disconnected | Event::Closed) => News::Lost,
                Some(_) => News::Nothing,
                None => std::future::pending().await,
            },
        }
    }

    /// Says goodbye.
    pub(super) fn close(&mut self) {
        if let Media::Webrtc(connection) = self {
            connection.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_offer_asks_for_is_seen() {
        for (protocol, kind) in [
            ("RTP/AVP", Kind::Plain),
            ("RTP/AVPF", Kind::Plain),
            ("RTP/SAVP", Kind::Sdes),
            ("RTP/SAVPF", Kind::Sdes),
            ("UDP/TLS/RTP/SAVPF", Kind::Webrtc),
        ] {
            let offer = format!("v=0\r\nm=audio 4000 {protocol} 0\r\n");
            assert_eq!(Kind::of_offer(offer.as_bytes()), kind, "{protocol}");
        }
    }
}
