//! SQLite: one file per project, one writer with group commit, several readers.
//!
//! The crate promises what `store` says of a database, and that its files are consistent whenever
//! the process ends. It refuses to know HTTP, vendors and the other store.
//!
//! Each project has a writing thread, which is there while turns come; reading threads, a thread
//! for checkpoints and one for the control data serve all projects.

use std::fs;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use domain::names::ProjectCode;
use store::{ControlJob, Error, ReadJob, Store, Turn};

use crate::error::Told;
use crate::lock::FolderLock;
use crate::project::{join, lock};
use crate::readers::Jobs;
use crate::shared::Projects;

mod checkpoint;
mod config;
mod connect;
mod control;
mod documents;
mod dump;
mod error;
mod find;
mod ledger;
mod lock;
mod migrate;
mod project;
mod readers;
mod schema;
mod select;
mod session;
mod shared;
mod values;
mod write;
mod writer;

pub use config::Config;

/// A data folder with its databases. Dropping it closes it.
pub struct SqliteStore {
    config: Arc<Config>,
    projects: Arc<Projects>,
    jobs: Arc<Jobs>,
    control: Sender<control::Ask>,
    checkpoints: Sender<checkpoint::Ask>,
    open: Mutex<Option<Open>>,
    /// Goes last, when nothing is open in it any more.
    _temporary: Option<tempfile::TempDir>,
}

/// What an open store holds.
struct Open {
    readers: Vec<JoinHandle<()>>,
    control: JoinHandle<()>,
    checkpoints: JoinHandle<()>,
    folder: FolderLock,
}

/// Opens a data folder, making it where there is none. [`Error::InUse`] names the process that
/// has it open already.
pub fn open(config: Config) -> Result<SqliteStore, Error> {
    open_in(config, None)
}

/// Opens a fresh store in a folder that goes with it; for tests.
pub fn open_temporary() -> Result<SqliteStore, Error> {
    let folder = tempfile::tempdir().told()?;
    open_in(Config { data: folder.path().to_owned(), ..Config::default() }, Some(folder))
}

fn open_in(config: Config, temporary: Option<tempfile::TempDir>) -> Result<SqliteStore, Error> {
    let folder = config.data.join("projects");
    fs::create_dir_all(&folder).told()?;
    let held = FolderLock::take(&config.data)?;
    let conn = control::open(&config.data, &config)?;
    let config = Arc::new(config);
    let projects = Arc::new(Projects::new(folder, control::all_projects(&conn)?));
    let jobs = Arc::new(Jobs::default());
    let (control, control_asks) = channel();
    let (checkpoints, checkpoint_asks) = channel();
    let open = Open {
        readers: (0..config.readers.max(1))
            .map(|_| {
                let (jobs, config) = (Arc::clone(&jobs), Arc::clone(&config));
                start("store-read", move || readers::work(&jobs, &config))
            })
            .collect::<Result<_, _>>()?,
        control: {
            let (projects, config) = (Arc::clone(&projects), Arc::clone(&config));
            start("store-control", move || control::work(&control_asks, conn, &projects, &config))?
        },
        checkpoints: {
            let (projects, config) = (Arc::clone(&projects), Arc::clone(&config));
            start("store-checkpoint", move || checkpoint::work(&checkpoint_asks, &projects, &config))?
        },
        folder: held,
    };
    Ok(SqliteStore {
        config,
        projects,
        jobs,
        control,
        checkpoints,
        open: Mutex::new(Some(open)),
        _temporary: temporary,
    })
}

fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    thread::Builder::new().name(name.to_owned()).spawn(work).told()
}

impl SqliteStore {
    /// How many commits the turns of a project took since the store was opened; several small
    /// turns share one.
    pub fn commits(&self, project: &ProjectCode) -> u64 {
        self.projects.find(project).map_or(0, |project| project.commits.load(Ordering::Relaxed))
    }

    fn closed(&self) -> bool {
        lock(&self.open).is_none()
    }

    fn missing(&self) -> Error {
        if self.closed() { Error::Closed } else { Error::NoProject }
    }
}

impl Store for SqliteStore {
    fn read(&self, project: &ProjectCode, job: ReadJob) {
        match self.projects.find(project) {
            Some(project) => {
                if let Err(job) = self.jobs.push(project, job) {
                    job(Err(Error::Closed));
                }
            }
            None => job(Err(self.missing())),
        }
    }

    fn write(&self, project: &ProjectCode, turn: Box<dyn Turn>) {
        match self.projects.find(project) {
            Some(project) => {
                let pushed = project.push(turn, |last| {
                    let (project, config) = (Arc::clone(&project), Arc::clone(&self.config));
                    let checkpoints = self.checkpoints.clone();
                    start("store-write", move || {
                        if let Some(last) = last {
                            join(last);
                        }
                        writer::work(&project, &config, &checkpoints);
                    })
                });
                if let Err((turn, error)) = pushed {
                    writer::tell(turn, Err(error));
                }
            }
            None => turn.done(Err(self.missing())),
        }
    }

    fn control(&self, job: ControlJob) {
        if let Err(unsent) = self.control.send(control::Ask::Run(job))
            && let control::Ask::Run(job) = unsent.0
        {
            job(Err(Error::Closed));
        }
    }

    fn close(&self) {
        let Some(open) = lock(&self.open).take() else { return };
        // The thread ends when its sender is gone or it is told; jobs before that word are done.
        let _ = self.control.send(control::Ask::Stop);
        join(open.control);
        for project in self.projects.all() {
            project.finish();
        }
        self.jobs.finish();
        open.readers.into_iter().for_each(join);
        let _ = self.checkpoints.send(checkpoint::Ask::Stop);
        join(open.checkpoints);
        for project in self.projects.all() {
            // The last connection of a project moves its log into the database and removes it.
            project.close_readers(Duration::ZERO);
        }
        open.folder.release();
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.close();
    }
}
