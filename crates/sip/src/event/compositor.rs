//! The event state compositor: what was published, by entity-tag ([RFC 3903 §6]).
//!
//! [RFC 3903 §6]: https://www.rfc-editor.org/rfc/rfc3903#section-6

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ringback_sansio::Deadlines;
use thiserror::Error;

/// Keeps what was published until it expires; `D` is a document that was read.
#[derive(Debug)]
pub struct Compositor<D> {
    publications: BTreeMap<String, Vec<Publication<D>>>,
    /// Whose publication each number is.
    resources: BTreeMap<u64, String>,
    deadlines: Deadlines<u64>,
    most: usize,
    most_of_resource: usize,
    next: u64,
}

#[derive(Debug)]
struct Publication<D> {
    number: u64,
    etag: String,
    document: D,
}

/// What a PUBLISH asks for.
#[derive(Debug)]
pub struct Publish<'a, D> {
    /// SIP-If-Match.
    pub if_match: Option<&'a [u8]>,
    /// The seconds that are granted; 0 removes.
    pub seconds: u32,
    /// The body, when there is one.
    pub document: Option<D>,
    /// The entity-tag to give, not given before.
    pub etag: String,
}

/// Why a PUBLISH does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotPublished {
    /// 412: there is no publication with that entity-tag.
    #[error("there is no publication with that entity-tag, or it has expired")]
    NoMatch,
    /// 400: a first publication has a body.
    #[error("a first publication has a body")]
    NoBody,
    /// 503: there are too many.
    #[error("there are too many publications")]
    TooMany,
}

impl<D> Compositor<D> {
    /// Nothing was published. There may be so many publications, and so many of one resource.
    pub fn new(most: usize, most_of_resource: usize) -> Self {
        Compositor {
            publications: BTreeMap::new(),
            resources: BTreeMap::new(),
            deadlines: Deadlines::new(),
            most,
            most_of_resource,
            next: 0,
        }
    }

    /// Publishes, refreshes, modifies or removes; says whether the state of the resource has changed by it.
    pub fn publish(
        &mut self,
        now: Instant,
        resource: &str,
        publish: Publish<'_, D>,
    ) -> Result<bool, NotPublished> {
        let Publish { if_match, seconds, document, etag } = publish;
        let expires = now + Duration::from_secs(seconds.into());
        let Some(if_match) = if_match else {
            let document = document.ok_or(NotPublished::NoBody)?;
            return self.add(resource, document, etag, seconds, expires);
        };
        let found = self.publications.get_mut(resource).and_then(|publications| {
            publications.iter_mut().find(|publication| publication.etag.as_bytes() == if_match)
        });
        let publication = found.ok_or(NotPublished::NoMatch)?;
        let number = publication.number;
        if seconds == 0 {
            self.remove(number);
            return Ok(true);
        }
        publication.etag = etag;
        let changed = document.is_some();
        if let Some(document) = document {
            publication.document = document;
        }
        self.deadlines.set(number, expires);
        Ok(changed)
    }

    fn add(
        &mut self,
        resource: &str,
        document: D,
        etag: String,
        seconds: u32,
        expires: Instant,
    ) -> Result<bool, NotPublished> {
        if seconds == 0 {
            // It was over before it began.
            return Ok(false);
        }
        let mine = self.publications.get(resource).map_or(0, Vec::len);
        if self.resources.len() >= self.most || mine >= self.most_of_resource {
            return Err(NotPublished::TooMany);
        }
        let number = self.next;
        self.next += 1;
        let publication = Publication { number, etag, document };
        self.publications.entry(resource.to_owned()).or_default().push(publication);
        self.resources.insert(number, resource.to_owned());
        self.deadlines.set(number, expires);
        Ok(true)
    }

    /// What is published of the resource, the newest publication first.
    pub fn documents(&self, resource: &str) -> impl Iterator<Item = &D> {
        let publications = self.publications.get(resource);
        publications.into_iter().flatten().rev().map(|publication| &publication.document)
    }

    /// Forgets everything of the resource; says whether there was something.
    pub fn remove_resource(&mut self, resource: &str) -> bool {
        let Some(publications) = self.publications.remove(resource) else { return false };
        for publication in publications {
            self.resources.remove(&publication.number);
            self.deadlines.cancel(&publication.number);
        }
        true
    }

    /// Removes what has expired; gives the resources whose state has changed by it.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<String> {
        let mut changed = Vec::new();
        while let Some(number) = self.deadlines.pop_due(now) {
            changed.extend(self.remove(number));
        }
        changed.dedup();
        changed
    }

    /// When to call [`Compositor::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// How many publications there are.
    pub fn len(&self) -> usize {
        self.resources.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    fn remove(&mut self, number: u64) -> Option<String> {
        let resource = self.resources.remove(&number)?;
        self.deadlines.cancel(&number);
        if let Some(publications) = self.publications.get_mut(&resource) {
            publications.retain(|publication| publication.number != number);
            if publications.is_empty() {
                self.publications.remove(&resource);
            }
        }
        Some(resource)
    }
}
