//! Builds one state again from its name.

use std::fmt;

use crate::core::Recorder;
use crate::disk::CrashDisk;
use crate::explore::moved;
use crate::id::Id;
use crate::judge::judge;
use crate::plan::Plan;
use crate::record::{moments, record};
use crate::report::Class;
use crate::subject::Subject;
use crate::worlds::Worlds;

/// One state, built and judged again.
#[derive(Clone, Debug)]
pub struct Replay {
    /// What is wrong with it, if anything is.
    pub failure: Option<(Class, String)>,
    /// What happened on the disk before each crash, and what the crash kept: for reading.
    pub trace: Vec<String>,
}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.trace {
            writeln!(f, "{line}")?;
        }
        match &self.failure {
            Some((class, what)) => write!(f, "{class:?}: {what}"),
            None => write!(f, "good"),
        }
    }
}

/// Judges the state that a [`Failure`](crate::Failure) names, under the plan it was found with.
/// `None` if the id is not one of this subject and plan.
pub fn replay<S: Subject>(subject: &S, plan: &Plan, id: &str) -> Option<Replay> {
    let id = Id::parse(id)?;
    let faults = moved(plan, id.nth());
    let recording = record(subject, id.seed(), &faults, plan.after_failure);
    let mut replay = Replay {
        failure: recording.failure,
        trace: Vec::new(),
    };
    let mut recorder = recording.recorder;
    let mut worlds = Worlds::default();
    if id.crashes().is_empty() {
        replay.tell(&recorder, usize::MAX);
    }
    for (index, crash) in id.crashes().iter().enumerate() {
        let moments = moments(subject, &recorder, &worlds);
        let moment = moments.iter().find(|moment| moment.point == crash.point)?;
        if moment.medium.units().len() != crash.choices.len() {
            return None;
        }
        replay.tell(&recorder, crash.point);
        let choices = crate::choice::encode(&crash.choices);
        replay.trace.push(format!("== crash keeps {choices}"));
        let disk = CrashDisk::holding(moment.medium.survivor(&crash.choices), true);
        worlds = Worlds::clone(&moment.worlds);
        replay.failure = judge(subject, &disk, worlds.clone(), index + 1).err();
        recorder = disk.take_recorder();
    }
    Some(replay)
}

impl Replay {
    fn tell(&mut self, recorder: &Recorder, point: usize) {
        let events = recorder.log.iter().take(point).enumerate();
        let lines = events.map(|(index, event)| format!("{:5} {event}", index + 1));
        self.trace.extend(lines);
    }
}
