//! Reading threads, shared by all projects.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use store::{Error, ReadJob};

use crate::config::Config;
use crate::project::{Project, lock};
use crate::session::Session;

/// Jobs that wait for a reading thread.
#[derive(Default)]
pub(crate) struct Jobs {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<(Arc<Project>, ReadJob)>,
    closing: bool,
}

impl Jobs {
    /// Adds a job; it comes back when the store is closing.
    pub(crate) fn push(&self, project: Arc<Project>, job: ReadJob) -> Result<(), ReadJob> {
        let mut waiting = lock(&self.waiting);
        if waiting.closing {
            return Err(job);
        }
        waiting.jobs.push_back((project, job));
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }

    /// Lets waiting jobs finish, and takes no more.
    pub(crate) fn finish(&self) {
        lock(&self.waiting).closing = true;
        self.arrived.notify_all();
    }

    fn next(&self) -> Option<(Arc<Project>, ReadJob)> {
        let mut waiting = lock(&self.waiting);
        loop {
            if let Some(next) = waiting.jobs.pop_front() {
                return Some(next);
            }
            if waiting.closing {
                return None;
            }
            waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Does jobs until the store closes.
pub(crate) fn work(jobs: &Jobs, config: &Config) {
    while let Some((project, job)) = jobs.next() {
        match begin(&project, config) {
            Ok(mut session) => {
                run(job, Ok(&mut session));
                // A connection whose transaction does not end is closed, which ends it.
                if session.roll_back().is_ok() {
                    project.return_reader(session);
                }
            }
            Err(error) => run(job, Err(error)),
        }
    }
}

fn begin(project: &Project, config: &Config) -> Result<Session, Error> {
    let mut session = project.take_reader(config)?;
    let newest = project.catalogue(config)?;
    session.begin_read(&newest)?;
    Ok(session)
}

fn run(job: ReadJob, session: Result<&mut Session, Error>) {
    let done = catch_unwind(AssertUnwindSafe(|| match session {
        Ok(session) => job(Ok(session)),
        Err(error) => job(Err(error)),
    }));
    if done.is_err() {
        tracing::error!("a reading job panicked");
    }
}
