//! What the fuzzer drives; see [`crate::fuzz`].

use super::pidf::{self, Basic, Composed};
use super::resource_lists;
use super::vq_report::{BadReport, Report};

/// Any bytes as a document of a peer: what is taken can be written again, and is then read as what it was.
pub fn documents(bytes: &[u8]) {
    let _ = resource_lists::read(bytes);
    let Ok(presence) = pidf::read(bytes) else { return };
    let entity = String::from_utf8_lossy(bytes.get(..64).unwrap_or(bytes)).into_owned();
    let composed = |published| Composed {
        entity: &entity,
        basic: Basic::Open,
        is_on_the_phone: false,
        published: vec![published],
    };
    let text = pidf::write(&composed(&presence));
    match pidf::read(text.as_bytes()) {
        Ok(again) => {
            let basics = |presence: &pidf::Presence| {
                presence.tuples.iter().map(|tuple| tuple.basic).collect::<Vec<_>>()
            };
            let mut expected = vec![Some(Basic::Open)];
            expected.extend(basics(&presence));
            assert_eq!(basics(&again), expected, "the tuples are those that were published:\n{text}");
            assert_eq!(again.others.len(), presence.others.len(), "{text}");
        }
        // Ours and theirs together may be more than one document may hold.
        Err(super::BadDocument::TooLarge | super::BadDocument::TooComplex) => {}
        Err(error) => assert!(text.is_empty(), "what is written cannot be read: {error}\n{text}"),
    }
}

/// Any bytes as a report of quality: numbers stay within their ranges, and neither the kind of line ends nor a line that
/// nobody knows changes what is read.
pub fn vq_report(bytes: &[u8]) {
    let Ok(report) = Report::parse(bytes) else { return };
    assert!(!report.call_id.is_empty() && report.tags.into_iter().flatten().all(|tag| !tag.is_empty()));
    let local = report.local;
    assert!([local.loss, local.discarded].into_iter().flatten().all(|share| share <= 10_000));
    assert!([local.mos_lq, local.mos_cq].into_iter().flatten().all(|score| (100..=500).contains(&score)));
    let mut changed = Vec::new();
    for line in bytes.split(|&byte| byte == b'\n') {
        changed.extend_from_slice(line);
        changed.extend_from_slice(b"\r\n");
    }
    changed.extend_from_slice(b"X-Vendor: NLR=1 RTD=1 MOSLQ=1\r\n");
    match Report::parse(&changed) {
        Ok(again) => assert_eq!(again, report),
        Err(error) => assert_eq!(error, BadReport::TooLarge),
    }
}
