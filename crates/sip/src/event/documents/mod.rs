//! The documents that NOTIFY and PUBLISH carry: written whole, and those that come from peers read within hard limits.
//!
//! What is written is escaped by [`xml`]. What is read is UTF-8 XML without a document type, processing instructions or
//! entities of its own; everything else about it is refused as [`BadDocument`]. [`vq_report`] is lines of text, and lenient.

pub mod dialog_info;
pub mod fuzz;
pub mod message_summary;
pub mod pidf;
mod pidf_read;
pub mod reginfo;
pub mod resource_lists;
pub mod rlmi;
pub mod vq_report;
pub mod watcherinfo;
mod xml;

use thiserror::Error;

/// Why a document of a peer is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadDocument {
    /// More bytes than the limit.
    #[error("the document is too large")]
    TooLarge,
    /// It is not UTF-8, or has characters that XML does not allow.
    #[error("the document has characters that XML does not allow")]
    Characters,
    /// It is not well-formed, or its namespaces are not declared.
    #[error("the document is not well-formed XML")]
    Malformed,
    /// It has a document type, a processing instruction, or an entity that XML does not define.
    #[error("the document has a document type, a processing instruction or an entity of its own")]
    Forbidden,
    /// Too many elements, attributes, or levels of them.
    #[error("the document has too many elements, attributes or levels")]
    TooComplex,
    /// Its root element is not the one of its type.
    #[error("the root element is not that of the document's type")]
    Root,
}
