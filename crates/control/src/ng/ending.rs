//! How calls end: by a delete, when their media has, and when nobody answers.

use std::time::{Duration, Instant};

use ringback_media::session::{Gone, LegKey};

use super::calls::Call;
use super::command::Delete;
use super::engine::{Engine, Step, Timer, ok, warned};
use super::refusal::Reason;
use crate::call::CallNumber;
use crate::media::MediaCommand;
use crate::owner;

impl Engine {
    /// Ends a call or a branch of it, after the delay. The answer is that of a query.
    pub(super) fn delete(&mut self, now: Instant, call: &mut Call, delete: &Delete) -> Result<Step, Reason> {
        let Ok(branch) = branch_of(call, delete) else {
            if delete.is_fatal {
                return Err(Reason::NoTag);
            }
            return Ok(Step::Done(warned(ok(), &[Reason::NoTag.to_string().as_str()])));
        };
        if branch.is_none() && delete.discards_recording {
            self.discard_recording(call);
        }
        let delay = delete.delay.filter(|_| !self.is_draining).unwrap_or(self.settings.delete_delay);
        let told = self.told(call);
        match (branch, delay) {
            (None, Duration::ZERO) => return Ok(Step::Over(told)),
            (None, delay) => {
                // What flows on is no part of it.
                self.end_recording(call);
                // A second delete (the BYEs of both sides) does not prolong the first.
                let at = now + delay;
                if self.deadlines.of(&Timer::Delete(call.number)).is_none_or(|before| at < before) {
                    self.deadlines.set(Timer::Delete(call.number), at);
                }
            }
            (Some(leg), Duration::ZERO) => self.close(call, leg),
            (Some(leg), delay) => self.deadlines.set(Timer::DeleteSide(leg), now + delay),
        }
        Ok(Step::Done(told))
    }

    /// Ends a call at once; whether there was one. What waits in it is refused.
    pub(super) fn end(&mut self, number: CallNumber) -> bool {
        let Some(mut call) = self.take(number) else { return false };
        for job in std::mem::take(&mut call.jobs) {
            self.refuse(&job.asker, job.encoding, &Reason::Deleted, false);
        }
        let legs: Vec<LegKey> = call.sides.iter().map(|side| side.leg).collect();
        for leg in legs {
            self.close(&mut call, leg);
        }
        self.by_id.remove(&call.id);
        self.recorded.remove(&number);
        for timer in [Timer::Open(number), Timer::Delete(number), Timer::Unanswered(number)] {
            self.deadlines.cancel(&timer);
        }
        true
    }

    /// Ends a branch; the call with the last one.
    pub(super) fn end_side(&mut self, leg: LegKey) {
        let number = owner::call_of(leg);
        let Some(mut call) = self.take(number) else { return };
        self.close(&mut call, leg);
        let is_over = call.dialogues.is_empty();
        self.calls.insert(number, call);
        if is_over {
            self.stats.calls_deleted += u64::from(self.end(number));
        }
    }

    /// Closes a side.
    pub(super) fn close(&mut self, call: &mut Call, leg: LegKey) {
        if call.side(leg).is_none() {
            return;
        }
        call.remove(leg);
        self.deadlines.cancel(&Timer::DeleteSide(leg));
        self.command(leg, MediaCommand::Close);
    }

    /// News of a leg that is nobody's: nobody else would ever close it.
    pub(super) fn close_stray(&mut self, leg: LegKey) {
        self.stats.stray_news += 1;
        self.command(leg, MediaCommand::Close);
    }

    /// The far end of a side is gone. The call is over when that is so of all who talk: one that is silent may be on
    /// hold, and whoever drives us may know better about the other.
    pub(super) fn gone(&mut self, now: Instant, leg: LegKey, why: Gone) {
        let number = owner::call_of(leg);
        let Some(side) = self.calls.get_mut(&number).and_then(|call| call.side_mut(leg)) else {
            return self.close_stray(leg);
        };
        side.gone = Some((now, why));
        let is_gone = |gone: &Option<(Instant, Gone)>| match gone {
            // It is told again while it holds.
            Some((at, Gone::NoMedia)) => now < *at + SILENT_FOR,
            Some(_) => true,
            None => false,
        };
        let Some(call) = self.calls.get(&number) else { return };
        let mut talking = call.sides.iter().filter(|side| side.peer.is_some()).peekable();
        if talking.peek().is_some() && talking.all(|side| is_gone(&side.gone)) {
            // Who hangs up falls silent before the delay of the delete is over.
            let is_deleted = self.deadlines.of(&Timer::Delete(number)).is_some();
            let ended = u64::from(self.end(number));
            match is_deleted {
                true => self.stats.calls_deleted += ended,
                false => self.stats.calls_silent += ended,
            }
        }
    }
}

/// The branch that a delete means; `None` for the whole call, which it is where there is one dialogue only.
fn branch_of(call: &Call, delete: &Delete) -> Result<Option<LegKey>, ()> {
    let whose = &delete.whose;
    let from = match &whose.from {
        Some(tag) => Some(call.tagged(tag).ok_or(())?.leg),
        None => None,
    };
    let by_branch = whose.via.as_ref().and_then(|via| {
        call.sides.iter().find(|side| side.branch.as_ref() == Some(via)).map(|side| side.leg)
    });
    let by_tag = whose.to.as_ref().and_then(|tag| call.tagged(tag)).map(|side| side.leg);
    // A branch that is not known may be that of the BYE: then the call is meant.
    let branch = by_branch.or(by_tag).filter(|leg| Some(*leg) != from);
    // With a tag that is not known nothing is meant.
    if whose.to.is_some() && branch.is_none() && by_tag.is_none() && call.is_all_tagged() {
        return Err(());
    }
    // Of the two that hang up, it is the one that talks to nobody else who goes.
    let is_leaf = |leg: &LegKey| call.partners(*leg).count() == 1;
    let branch = branch.and_then(|branch| [Some(branch), from].into_iter().flatten().find(is_leaf));
    Ok(branch.filter(|_| call.dialogues.len() > 1))
}

impl Call {
    /// Whether every side has a tag.
    fn is_all_tagged(&self) -> bool {
        self.sides.iter().all(|side| !side.tags.is_empty())
    }
}

/// How long the news that a side is silent counts; it is repeated every 65 s.
const SILENT_FOR: Duration = Duration::from_secs(140);
