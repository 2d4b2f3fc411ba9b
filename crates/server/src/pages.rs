//! The web phone, built by `build.rs` and carried inside the binary.

/// A file of the web phone.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// The path it is served at, as `/assets/phone-1a2b.js`.
    pub path: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its `ETag`, quotes included; it follows from the bytes.
    pub etag: &'static str,
    /// Whether the path follows from the bytes too, so that a browser need never ask again.
    pub immutable: bool,
}

/// The file served at `path`; `/` is the phone itself, every name under `/r/` has the page of rooms, and `/learn` the one
/// that shows how a connection of WebRTC comes about.
pub fn find(path: &str) -> Option<&'static Page> {
    let path = match path {
        "/" => "/index.html",
        "/r" | "/r/" => ROOM,
        "/learn" | "/learn/" => LEARN,
        _ if path.strip_prefix("/r/").is_some_and(|name| !name.contains('/')) => ROOM,
        _ => path,
    };
    PAGES.binary_search_by(|page| page.path.cmp(path)).ok().and_then(|index| PAGES.get(index))
}

/// Every file, by path.
pub fn all() -> &'static [Page] {
    PAGES
}

/// The page of rooms.
const ROOM: &str = "/room.html";

/// The page to learn from.
const LEARN: &str = "/learn.html";

// `static PAGES: &[Page]`, written by build.rs.
include!(concat!(env!("OUT_DIR"), "/pages.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phone_is_there_and_every_file_is_found_by_its_path() {
        assert_eq!(find("/").unwrap().content_type, "text/html; charset=utf-8");
        for page in all() {
            assert_eq!(find(page.path).unwrap().path, page.path);
            assert_eq!(page.immutable, page.path.starts_with("/assets/"), "{}", page.path);
        }
        for path in ["/r", "/r/", "/r/team"] {
            assert_eq!(find(path).unwrap().path, "/room.html");
        }
        for path in ["/learn", "/learn/"] {
            assert_eq!(find(path).unwrap().path, "/learn.html");
        }
        for path in ["/nowhere", "", "/r/a/b", "/rooms", "/rooms/", "/learn/more", "/learning"] {
            assert!(find(path).is_none(), "{path}");
        }
    }
}
