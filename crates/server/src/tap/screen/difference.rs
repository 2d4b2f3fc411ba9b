//! The difference of two messages, line by line.

/// Lines above which nothing is compared: a message has at most a few hundred.
const MOST_LINES: usize = 1500;

/// A line of the one, the other, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line<'t> {
    Same(&'t str),
    Gone(&'t str),
    New(&'t str),
}

/// What has to be taken from `before`, and what is to be added, to get `after`: as little as can be.
pub(super) fn difference<'t>(before: &'t str, after: &'t str) -> Vec<Line<'t>> {
    let before: Vec<&str> = before.lines().collect();
    let after: Vec<&str> = after.lines().collect();
    if before.len() > MOST_LINES || after.len() > MOST_LINES {
        return after.into_iter().map(Line::New).collect();
    }
    // The length of the longest common part behind each pair of lines.
    let width = after.len() + 1;
    let mut common = vec![0_u16; (before.len() + 1) * width];
    let at = |i: usize, j: usize| i * width + j;
    let of = |common: &[u16], i, j| common.get(at(i, j)).copied().unwrap_or_default();
    for (i, line) in before.iter().enumerate().rev() {
        for (j, other) in after.iter().enumerate().rev() {
            let longest = match line == other {
                true => of(&common, i + 1, j + 1) + 1,
                false => of(&common, i + 1, j).max(of(&common, i, j + 1)),
            };
            if let Some(place) = common.get_mut(at(i, j)) {
                *place = longest;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::with_capacity(before.len().max(after.len()));
    loop {
        match (before.get(i), after.get(j)) {
            (Some(line), Some(other)) if line == other => {
                lines.push(Line::Same(line));
                (i, j) = (i + 1, j + 1);
            }
            (Some(line), other) if other.is_none() || of(&common, i + 1, j) >= of(&common, i, j + 1) => {
                lines.push(Line::Gone(line));
                i += 1;
            }
            (_, Some(other)) => {
                lines.push(Line::New(other));
                j += 1;
            }
            _ => return lines,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(before: &str, after: &str) -> Vec<String> {
        let lines = difference(before, after).into_iter().map(|line| match line {
            Line::Same(line) => format!(" {line}"),
            Line::Gone(line) => format!("-{line}"),
            Line::New(line) => format!("+{line}"),
        });
        lines.collect()
    }

    #[test]
    fn as_little_as_can_be_is_taken_and_added() {
        assert_eq!(shown("a\r\nb\r\nc", "a\r\nB\r\nc\r\nd"), [" a", "-b", "+B", " c", "+d"]);
        assert_eq!(shown("", "a"), ["+a"]);
        assert_eq!(shown("a\nb", ""), ["-a", "-b"]);
        assert_eq!(shown("x\na\nb", "a\nb\nx"), ["-x", " a", " b", "+x"]);
    }
}
