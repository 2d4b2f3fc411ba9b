//! What holds for any bytes that come as SRTP or SRTCP; a fuzz target and a test of its corpus call it.

use ringback_sansio::fuzz::Input;

use super::{Receiver, Sender, SrtpError, Suite, TAIL_ROOM};

/// The input is a byte of the suite, then steps: an opcode, and a packet behind two bytes of length. Packets that are
/// protected are opened again, once; what was changed on the way, and what comes out of nothing, is not.
pub fn srtp(data: &[u8]) {
    let mut input = Input(data);
    let suite = input.one_of(&Suite::ALL, Suite::AeadAes128Gcm);
    let (key, salt) = (KEY.get(..suite.key_len()), SALT.get(..suite.salt_len()));
    let (Some(key), Some(salt)) = (key, salt) else { unreachable!("keys for every suite") };
    let pair = (Sender::new(suite, key, salt), Receiver::new(suite, key, salt));
    let (Ok(mut sender), Ok(mut receiver)) = pair else { unreachable!("keys of the right lengths") };
    // Whether the receiver has taken what this sender did not send; from there on they may count differently.
    let mut is_foreign = false;
    while let Some(opcode) = input.byte() {
        let Some(packet) = input.framed() else { break };
        let kind = if opcode & 1 == 0 { Kind::Rtp } else { Kind::Rtcp };
        if opcode & 2 == 0 {
            // Of the bytes in the corpus some are authentic, and then they are so once.
            if kind.open(&mut receiver, &mut packet.to_vec()).is_ok() {
                is_foreign = true;
                assert_eq!(kind.open(&mut receiver, &mut packet.to_vec()), Err(SrtpError::Replayed));
            }
            continue;
        }
        let mut buffer = [packet, &[0; TAIL_ROOM]].concat();
        let Ok(len) = kind.protect(&mut sender, &mut buffer, packet.len()) else { continue };
        buffer.truncate(len);
        assert_eq!(len, packet.len() + kind.overhead(suite));
        let mut forged = buffer.clone();
        if let Some(byte) = forged.get_mut(usize::from(opcode >> 2).min(len - 1)) {
            *byte ^= 0x10;
        }
        assert!(kind.open(&mut receiver, &mut forged).is_err(), "a byte was changed");
        let mut opened = buffer.clone();
        match kind.open(&mut receiver, &mut opened) {
            Ok(len) => assert_eq!(opened.get(..len), Some(packet)),
            Err(error) => assert!(is_foreign, "{error}"),
        }
        assert!(kind.open(&mut receiver, &mut buffer).is_err(), "it came before");
    }
}

/// Which of the two protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rtp,
    Rtcp,
}

impl Kind {
    fn protect(self, sender: &mut Sender, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        match self {
            Kind::Rtp => sender.protect_rtp(buffer, len),
            Kind::Rtcp => sender.protect_rtcp(buffer, len),
        }
    }

    fn overhead(self, suite: Suite) -> usize {
        match self {
            Kind::Rtp => suite.rtp_overhead(),
            Kind::Rtcp => suite.rtcp_overhead(),
        }
    }

    fn open(self, receiver: &mut Receiver, packet: &mut [u8]) -> Result<usize, SrtpError> {
        match self {
            Kind::Rtp => receiver.unprotect_rtp(packet),
            Kind::Rtcp => receiver.unprotect_rtcp(packet),
        }
    }
}

const KEY: [u8; 32] = [0x5a; 32];
const SALT: [u8; 14] = [0xa5; 14];
