//! Who watches somebody: watcherinfo ([RFC 3858]).
//!
//! [RFC 3858]: https://www.rfc-editor.org/rfc/rfc3858

use std::collections::BTreeMap;

use super::xml::{DECLARATION, escaped};
use crate::event::{State, SubscriptionId};

/// Somebody who watches, by one subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watcher {
    /// The URI of who watches.
    pub uri: String,
    /// Where the subscription stands.
    pub status: Status,
}

/// Where the subscription of a watcher stands ([RFC 3858 §3.2](https://www.rfc-editor.org/rfc/rfc3858#section-3.2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Whether it may watch is not decided.
    Pending,
    /// It is told of changes.
    Active,
    /// It is told no more: it has ended its subscription, or did not refresh it.
    Terminated,
}

impl Status {
    /// Of a subscription in that state.
    pub const fn of(state: State) -> Status {
        match state {
            State::Init | State::Pending => Status::Pending,
            State::Active => Status::Active,
            State::Terminated(_) => Status::Terminated,
        }
    }

    /// Its word, and that of the event which led there.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Status::Pending => ("pending", "subscribe"),
            Status::Active => ("active", "subscribe"),
            Status::Terminated => ("terminated", "timeout"),
        }
    }
}

/// What has changed from `told` to `present`; who is gone is in it once, as terminated.
pub fn changes(
    told: &BTreeMap<SubscriptionId, Watcher>,
    present: &BTreeMap<SubscriptionId, Watcher>,
) -> BTreeMap<SubscriptionId, Watcher> {
    let news = present.iter().filter(|(id, watcher)| told.get(id) != Some(watcher));
    let gone = told.iter().filter(|(id, _)| !present.contains_key(id));
    let gone = gone.map(|(id, watcher)| (*id, Watcher { status: Status::Terminated, ..watcher.clone() }));
    news.map(|(id, watcher)| (*id, watcher.clone())).chain(gone).collect()
}

/// Writes the watchers of a resource and of an event package: all of them, or those that have changed.
pub fn write(
    resource: &str,
    package: &str,
    version: u32,
    is_full: bool,
    watchers: &BTreeMap<SubscriptionId, Watcher>,
) -> String {
    let state = if is_full { "full" } else { "partial" };
    let mut out = format!(
        "{DECLARATION}<watcherinfo xmlns=\"urn:ietf:params:xml:ns:watcherinfo\" version=\"{version}\" state=\"{state}\">\n\
         <watcher-list resource=\"{}\" package=\"{}\">\n",
        escaped(resource),
        escaped(package),
    );
    for (SubscriptionId(id), Watcher { uri, status }) in watchers {
        let (status, event) = status.words();
        let uri = escaped(uri);
        out += &format!("<watcher id=\"{id}\" status=\"{status}\" event=\"{event}\">{uri}</watcher>\n");
    }
    out += "</watcher-list>\n</watcherinfo>\n";
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_and_goes_is_told_once_and_who_stays_is_not() {
        let watcher = |uri: &str, status| Watcher { uri: uri.to_owned(), status };
        let told = BTreeMap::from([
            (SubscriptionId(1), watcher("sip:alice@h", Status::Active)),
            (SubscriptionId(2), watcher("sip:bob@h", Status::Pending)),
            (SubscriptionId(3), watcher("sip:carol@h", Status::Active)),
        ]);
        let present = BTreeMap::from([
            (SubscriptionId(2), watcher("sip:bob@h", Status::Active)),
            (SubscriptionId(3), watcher("sip:carol@h", Status::Active)),
            (SubscriptionId(4), watcher("sip:<d&ve>@h", Status::Active)),
        ]);
        assert!(changes(&present, &present).is_empty());
        insta::assert_snapshot!(write("sip:eve@h", "presence", 3, false, &changes(&told, &present)));
    }
}
