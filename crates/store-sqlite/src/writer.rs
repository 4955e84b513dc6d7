//! The write turn: one thread per project, and one commit for several small turns.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;

use store::{Error, Turn};

use crate::checkpoint;
use crate::config::Config;
use crate::error::{Told, again};
use crate::project::Project;
use crate::session::Session;

/// At most so many turns share a commit.
const GROUP: usize = 16;

/// A turn that ran, and what came of it before the commit.
type Ran = (Box<dyn Turn>, Result<(), Error>);

/// Sees to the turns of a project until none came for a while.
pub(crate) fn work(project: &Arc<Project>, config: &Config, checkpoints: &Sender<checkpoint::Ask>) {
    let mut open: Option<Session> = None;
    while let Some(turn) = project.next_turn(config.idle_close) {
        let mut session = match open.take().map_or_else(|| open_session(project, config, checkpoints), Ok) {
            Ok(session) => session,
            Err(error) => {
                tell(turn, Err(error));
                continue;
            }
        };
        if project.log.huge.swap(false, Ordering::Relaxed)
            && let Err(error) = checkpoint::move_log(&session.conn)
        {
            tracing::warn!(project = %project.code, error = &error as &dyn std::error::Error, "the log was not moved");
        }
        // A connection that could not be brought back to its resting state is opened anew.
        if run_group(project, &mut session, turn) {
            open = Some(session);
        }
    }
}

fn open_session(
    project: &Arc<Project>,
    config: &Config,
    checkpoints: &Sender<checkpoint::Ask>,
) -> Result<Session, Error> {
    let mut session = project.open_writer(config)?;
    let (project, checkpoints) = (Arc::clone(project), checkpoints.clone());
    let due = checkpoint::pages(config.checkpoint_bytes);
    session
        .conn
        .wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            if project.log.grew(pages, due) {
                // Without a thread for checkpoints the store is closing, which makes the last one.
                let _ = checkpoints.send(checkpoint::Ask::Project(Arc::clone(&project)));
            }
            Ok(())
        }))
        .told()?;
    Ok(session)
}

/// Runs a turn, and small ones that wait behind it, under one commit. False when the connection
/// is of no more use.
fn run_group(project: &Project, session: &mut Session, first: Box<dyn Turn>) -> bool {
    if let Err(error) = execute(session, "BEGIN IMMEDIATE") {
        tell(first, Err(error));
        return session.roll_back().is_ok();
    }
    let before = Arc::clone(&session.catalogue);
    let mut ran: Vec<Ran> = Vec::new();
    let mut next = Some(first);
    while let Some(mut turn) = next {
        let small = turn.is_small();
        // The first turn needs no savepoint: if it fails there is nothing else to keep, and a
        // savepoint has SQLite copy every page before its first change.
        let first = ran.is_empty();
        let result = if first { run_turn(session, &mut *turn) } else { run_small(session, &mut *turn) };
        let failed_first = first && result.is_err();
        ran.push((turn, result));
        let over =
            failed_first || !small || ran.len() == GROUP || session.broken || session.conn.is_autocommit();
        next = if over { None } else { project.next_small_turn() };
    }
    let end = end_group(session, &ran);
    let committed = matches!(end, Ok(true));
    if committed {
        project.commits.fetch_add(1, Ordering::Relaxed);
        if !Arc::ptr_eq(&session.catalogue, &before) {
            project.publish(&session.catalogue);
        }
    } else {
        session.catalogue = before;
        session.head = None;
    }
    let usable = committed || (session.roll_back().is_ok() && !session.broken);
    for (turn, result) in ran {
        let told = match (result, &end) {
            (Ok(()), Err(error)) => Err(again(error)),
            (result, _) => result,
        };
        tell(turn, told);
    }
    usable
}

/// Commits what succeeded: `false` when nothing did and nothing is kept.
fn end_group(session: &mut Session, ran: &[Ran]) -> Result<bool, Error> {
    if session.broken || session.conn.is_autocommit() {
        // SQLite ends a transaction by itself when it can no longer write at all.
        let cause = ran.iter().find_map(|(_, result)| result.as_ref().err());
        return Err(cause.map_or_else(|| Error::Database("the transaction ended early".into()), again));
    }
    if ran.iter().all(|(_, result)| result.is_err()) {
        return Ok(false);
    }
    execute(session, "COMMIT")?;
    Ok(true)
}

/// Runs a turn in a savepoint of its own.
fn run_small(session: &mut Session, turn: &mut dyn Turn) -> Result<(), Error> {
    execute(session, "SAVEPOINT turn")?;
    let before = Arc::clone(&session.catalogue);
    let result = run_turn(session, turn).and_then(|()| execute(session, "RELEASE turn"));
    if result.is_err() {
        session.catalogue = before;
        session.head = None;
        if !session.conn.is_autocommit() {
            let undone = execute(session, "ROLLBACK TO turn").and_then(|()| execute(session, "RELEASE turn"));
            // What cannot be undone alone is undone with its neighbours.
            session.broken = undone.is_err();
        }
    }
    result
}

fn run_turn(session: &mut Session, turn: &mut dyn Turn) -> Result<(), Error> {
    session.begin_turn();
    // A turn that panics is undone like one that fails; its writes are the database's to forget.
    match catch_unwind(AssertUnwindSafe(|| turn.run(session))) {
        Ok(result) => result.and_then(|()| session.end_turn()),
        Err(_) => {
            tracing::error!("a turn panicked and was undone");
            Err(Error::Undone)
        }
    }
}

fn execute(session: &Session, sql: &str) -> Result<(), Error> {
    session.conn.prepare_cached(sql).told()?.execute([]).told()?;
    Ok(())
}

/// Tells a turn its end. What it then does cannot end the thread.
pub(crate) fn tell(turn: Box<dyn Turn>, result: Result<(), Error>) {
    if catch_unwind(AssertUnwindSafe(|| turn.done(result))).is_err() {
        tracing::error!("a turn panicked after its end");
    }
}
