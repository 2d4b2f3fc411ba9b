//! Signalling by hand: a session description is a block of lines that ends with an empty one, read from standard input and
//! written to standard output.

use std::io::{self, BufRead};

/// Reads the description of the other side.
pub fn read_description() -> io::Result<String> {
    let mut description = String::new();
    for line in io::stdin().lock().lines() {
        let line = line?;
        if line.trim().is_empty() {
            break;
        }
        description.push_str(line.trim_end());
        description.push_str("\r\n");
    }
    Ok(description)
}
