//! The control database: projects, and keys that name none.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use domain::names::ProjectCode;
use rusqlite::{Connection, OptionalExtension};
use store::{Control, ControlJob, Error};

use crate::config::Config;
use crate::connect::{Purpose, connect};
use crate::error::{Told, damaged};
use crate::migrate;
use crate::project::{Project, bring_up_to_date};
use crate::shared::Projects;

/// What the thread can be asked.
pub(crate) enum Ask {
    /// To run a job.
    Run(ControlJob),
    /// To stop.
    Stop,
}

/// Opens the control database.
pub(crate) fn open(data: &Path, config: &Config) -> Result<Connection, Error> {
    let conn = connect(&data.join("control.db"), Purpose::Create, config)?;
    migrate::migrate(&conn, migrate::CONTROL)?;
    Ok(conn)
}

/// Runs jobs as they come.
pub(crate) fn work(asks: &Receiver<Ask>, conn: Connection, projects: &Projects, config: &Config) {
    let mut session = ControlSession { conn, projects, config };
    while let Ok(Ask::Run(job)) = asks.recv() {
        if catch_unwind(AssertUnwindSafe(|| job(Ok(&mut session)))).is_err() {
            tracing::error!("a job on the control data panicked");
        }
    }
    // Jobs that came behind the word to stop.
    while let Ok(Ask::Run(job)) = asks.try_recv() {
        job(Err(Error::Closed));
    }
}

struct ControlSession<'s> {
    conn: Connection,
    projects: &'s Projects,
    config: &'s Config,
}

/// All projects of a control database by code.
pub(crate) fn all_projects(conn: &Connection) -> Result<Vec<ProjectCode>, Error> {
    let mut statement = conn.prepare_cached("SELECT code FROM project ORDER BY folded").told()?;
    let mut rows = statement.query([]).told()?;
    let mut codes = Vec::new();
    while let Some(row) = rows.next().told()? {
        codes.push(read_code(row.get_ref(0).told()?.as_str().told()?)?);
    }
    Ok(codes)
}

fn read_code(text: &str) -> Result<ProjectCode, Error> {
    ProjectCode::new(text).map_err(|error| Error::Damaged(error.into()))
}

impl Control for ControlSession<'_> {
    fn projects(&mut self) -> Result<Vec<ProjectCode>, Error> {
        all_projects(&self.conn)
    }

    fn project(&mut self, code: &str) -> Result<Option<ProjectCode>, Error> {
        let stored: Option<String> = self
            .conn
            .prepare_cached("SELECT code FROM project WHERE folded = ?")
            .told()?
            .query_row([code.to_ascii_lowercase()], |row| row.get(0))
            .optional()
            .told()?;
        stored.map(|code| read_code(&code)).transpose()
    }

    fn create_project(&mut self, code: &ProjectCode) -> Result<(), Error> {
        if self.projects.find(code).is_some() {
            return Ok(());
        }
        let project = Project::new(code.clone(), &self.projects.folder);
        make_file(&project.path, self.config)?;
        self.conn
            .prepare_cached("INSERT INTO project (folded, code) VALUES (?, ?)")
            .told()?
            .execute([&code.folded(), code.as_str()])
            .told()?;
        self.projects.add(Arc::new(project));
        Ok(())
    }

    fn project_of_key(&mut self, hash: &[u8]) -> Result<Option<ProjectCode>, Error> {
        let stored: Option<String> = self
            .conn
            .prepare_cached(
                "SELECT project.code FROM api_key JOIN project ON project.folded = api_key.project \
                 WHERE api_key.hash = ?",
            )
            .told()?
            .query_row([hash], |row| row.get(0))
            .optional()
            .told()?;
        stored.map(|code| read_code(&code)).transpose()
    }

    fn put_key(&mut self, hash: &[u8], project: &ProjectCode) -> Result<(), Error> {
        if self.projects.find(project).is_none() {
            return Err(Error::NoProject);
        }
        self.conn
            .prepare_cached(
                "INSERT INTO api_key (hash, project) VALUES (?, ?) \
                 ON CONFLICT (hash) DO UPDATE SET project = excluded.project",
            )
            .told()?
            .execute((hash, project.folded()))
            .told()?;
        Ok(())
    }

    fn remove_key(&mut self, hash: &[u8]) -> Result<(), Error> {
        self.conn.prepare_cached("DELETE FROM api_key WHERE hash = ?").told()?.execute([hash]).told()?;
        Ok(())
    }
}

/// Makes a project's file under another name first, so that a half-made one is never found.
///
/// A file that is there already was finished and not yet noted: it is taken as it is.
fn make_file(path: &Path, config: &Config) -> Result<(), Error> {
    if path.try_exists().told()? {
        return Ok(());
    }
    let unfinished = path.with_extension("new");
    for leftover in [unfinished.clone(), path.with_extension("new-wal"), path.with_extension("new-shm")] {
        if leftover.try_exists().told()? {
            std::fs::remove_file(leftover).told()?;
        }
    }
    let conn = connect(&unfinished, Purpose::Create, config)?;
    bring_up_to_date(&conn)?;
    // Closing moves the log into the file; what remains of it would not be renamed.
    conn.close().map_err(|(_, error)| error).told()?;
    if path.with_extension("new-wal").try_exists().told()? {
        return Err(damaged("the log of a new project could not be closed"));
    }
    std::fs::rename(&unfinished, path).told()?;
    match path.parent() {
        Some(folder) => std::fs::File::open(folder).and_then(|folder| folder.sync_all()).told(),
        None => Ok(()),
    }
}
