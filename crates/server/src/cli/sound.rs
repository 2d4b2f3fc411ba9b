//! The options for a microphone and a speaker, which only builds with the feature `sound` have.

use clap::Args;

#[cfg(feature = "sound")]
use crate::live_sound::Choice;
use crate::live_sound::Wanted;

/// What devices are asked for.
#[derive(Debug, Args)]
pub(super) struct SoundArguments {
    /// Speak by this microphone, by its name or a part of it [default: that of the machine, without --play]
    #[cfg(feature = "sound")]
    #[arg(long, value_name = "NAME", conflicts_with = "play")]
    microphone: Option<String>,
    /// Listen by this speaker, by its name or a part of it [default: that of the machine, without --record]
    #[cfg(feature = "sound")]
    #[arg(long, value_name = "NAME")]
    speaker: Option<String>,
    /// Use neither microphone nor speaker
    #[cfg(feature = "sound")]
    #[arg(long, conflicts_with_all = ["microphone", "speaker"])]
    no_sound: bool,
}

impl SoundArguments {
    /// The devices: what is named, else those of the machine in the place of files that are not.
    #[cfg(feature = "sound")]
    pub(super) fn wanted(self, has_play: bool, has_record: bool) -> Wanted {
        let choice = |named: Option<String>, has_file: bool| match named {
            Some(name) => Choice::Named(name),
            None if has_file || self.no_sound => Choice::Nothing,
            None => Choice::Default,
        };
        Wanted { microphone: choice(self.microphone, has_play), speaker: choice(self.speaker, has_record) }
    }

    /// None, since this build has none.
    #[cfg(not(feature = "sound"))]
    pub(super) fn wanted(self, _has_play: bool, _has_record: bool) -> Wanted {
        Wanted::default()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[arg(long)]
        play: Option<String>,
        #[arg(long)]
        record: Option<String>,
        #[command(flatten)]
        sound: SoundArguments,
    }

    fn wanted(line: &[&str]) -> Option<Wanted> {
        let line = Line::try_parse_from(["call"].iter().chain(line)).ok()?;
        Some(line.sound.wanted(line.play.is_some(), line.record.is_some()))
    }

    #[cfg(feature = "sound")]
    #[test]
    fn a_device_stands_in_the_place_of_a_file_that_is_not_named() {
        let named = |name: &str| Choice::Named(name.to_owned());
        for (line, microphone, speaker) in [
            (&[][..], Choice::Default, Choice::Default),
            (&["--play", "a"], Choice::Nothing, Choice::Default),
            (&["--record", "a"], Choice::Default, Choice::Nothing),
            (&["--record", "a", "--speaker", "b"], Choice::Default, named("b")),
            (&["--microphone", "b"], named("b"), Choice::Default),
            (&["--no-sound"], Choice::Nothing, Choice::Nothing),
        ] {
            assert_eq!(wanted(line), Some(Wanted { microphone, speaker }), "{line:?}");
        }
        for line in [&["--play", "a", "--microphone", "b"][..], &["--no-sound", "--speaker", "b"]] {
            assert_eq!(wanted(line), None, "{line:?}");
        }
    }

    #[cfg(not(feature = "sound"))]
    #[test]
    fn a_build_without_sound_has_no_options_for_it() {
        assert_eq!(wanted(&[]), Some(Wanted::default()));
        for option in ["--microphone=a", "--speaker=a", "--no-sound"] {
            assert_eq!(wanted(&[option]), None, "{option}");
        }
    }
}
