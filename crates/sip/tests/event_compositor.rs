//! The event state compositor: RFC 3903 §6, by its cases.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::time::Duration;

use ringback_sansio::sim::Clock;
use ringback_sip::event::{Compositor, NotPublished, Publish};

fn publish<'a>(
    if_match: Option<&'a str>,
    seconds: u32,
    document: Option<&'a str>,
    etag: &str,
) -> Publish<'a, &'a str> {
    Publish { if_match: if_match.map(str::as_bytes), seconds, document, etag: etag.to_owned() }
}

#[test]
fn each_request_does_what_the_table_of_the_rfc_says() {
    let now = Clock::new().now();
    let mut compositor = Compositor::new(10, 10);
    // Initial, refresh, modify, remove (RFC 3903 §4, table 1).
    assert_eq!(compositor.publish(now, "bob", publish(None, 60, Some("a"), "1")), Ok(true));
    assert_eq!(compositor.publish(now, "bob", publish(Some("1"), 60, None, "2")), Ok(false));
    assert_eq!(compositor.publish(now, "bob", publish(Some("2"), 60, Some("b"), "3")), Ok(true));
    assert_eq!(compositor.documents("bob").collect::<Vec<_>>(), [&"b"]);
    for old in ["1", "2"] {
        let refused = compositor.publish(now, "bob", publish(Some(old), 60, None, "4"));
        assert_eq!(refused, Err(NotPublished::NoMatch), "an entity-tag is good once");
    }
    let other = compositor.publish(now, "eve", publish(Some("3"), 0, None, "4"));
    assert_eq!(other, Err(NotPublished::NoMatch), "nobody removes what another has published");
    assert_eq!(compositor.publish(now, "bob", publish(None, 60, None, "4")), Err(NotPublished::NoBody));
    assert_eq!(compositor.publish(now, "bob", publish(None, 0, Some("x"), "4")), Ok(false));
    assert_eq!(compositor.publish(now, "bob", publish(Some("3"), 0, None, "5")), Ok(true));
    assert!(compositor.is_empty());
    assert_eq!(compositor.poll_timeout(), None);
}

#[test]
fn what_is_not_refreshed_expires_and_says_whose_it_was() {
    let now = Clock::new().now();
    let mut compositor = Compositor::new(10, 10);
    compositor.publish(now, "bob", publish(None, 60, Some("a"), "1")).unwrap();
    compositor.publish(now, "bob", publish(None, 120, Some("b"), "2")).unwrap();
    assert_eq!(compositor.documents("bob").collect::<Vec<_>>(), [&"b", &"a"], "the newest first");
    let at = now + Duration::from_secs(30);
    compositor.publish(at, "bob", publish(Some("1"), 60, None, "3")).unwrap();
    assert!(compositor.handle_timeout(now + Duration::from_secs(60)).is_empty(), "it was refreshed");
    assert_eq!(compositor.handle_timeout(now + Duration::from_secs(90)), ["bob"]);
    assert_eq!(compositor.documents("bob").collect::<Vec<_>>(), [&"b"]);
    let gone = compositor.publish(at, "bob", publish(Some("3"), 60, None, "4"));
    assert_eq!(gone, Err(NotPublished::NoMatch));
}

#[test]
fn there_are_so_many_and_no_more() {
    let now = Clock::new().now();
    let mut compositor = Compositor::new(3, 2);
    for etag in ["1", "2"] {
        compositor.publish(now, "bob", publish(None, 60, Some("a"), etag)).unwrap();
    }
    assert_eq!(compositor.publish(now, "bob", publish(None, 60, Some("a"), "3")), Err(NotPublished::TooMany));
    compositor.publish(now, "carol", publish(None, 60, Some("a"), "4")).unwrap();
    assert_eq!(
        compositor.publish(now, "dave", publish(None, 60, Some("a"), "5")),
        Err(NotPublished::TooMany)
    );
    assert!(compositor.remove_resource("bob"));
    assert!(!compositor.remove_resource("bob"));
    assert_eq!(compositor.publish(now, "dave", publish(None, 60, Some("a"), "5")), Ok(true));
    assert_eq!(compositor.len(), 2);
}
