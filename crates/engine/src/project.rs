//! A project as this process knows it.

use std::sync::{Arc, Mutex, RwLock};

use domain::catalogue::Catalogue;
use domain::field::Reading;
use domain::names::{Company, ProjectCode};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::recent::Recent;

/// What a project configures about itself; a document of kind `project`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Codes of its companies; the first is the default and has number 1.
    pub companies: Vec<String>,
    /// Languages of its labels; the first is the default.
    pub languages: Vec<String>,
    /// Zone of times without zone.
    pub time_zone: String,
    /// Most active logins that have a password; 0 for no limit.
    pub active_users: u32,
    /// Most requests per minute and client address; 0 for no limit.
    pub requests_per_minute: u32,
    /// Days that journal pages are kept.
    pub journal_days: u32,
    /// Days that the rows of the ledger are kept.
    pub ledger_days: u32,
    /// Key that signs the project's tokens, base64.
    pub token_key: String,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            companies: Vec::new(),
            languages: vec!["EN".to_owned()],
            time_zone: "UTC".to_owned(),
            active_users: 0,
            requests_per_minute: 0,
            journal_days: 30,
            ledger_days: 90,
            token_key: String::new(),
        }
    }
}

/// A project with what this process remembers of it.
pub struct Project {
    /// Its code, as its owner wrote it.
    pub code: ProjectCode,
    state: RwLock<(Arc<Settings>, TimeZone, Arc<Catalogue>)>,
    pub(crate) recent: Mutex<Recent>,
    pub(crate) last_seq: watch::Sender<u64>,
}

impl Project {
    pub(crate) fn new(code: ProjectCode, settings: Settings, catalogue: Arc<Catalogue>, seq: u64) -> Self {
        let zone = zone_of(&settings);
        Project {
            code,
            state: RwLock::new((Arc::new(settings), zone, catalogue)),
            recent: Mutex::new(Recent::default()),
            last_seq: watch::Sender::new(seq),
        }
    }

    /// Its settings.
    pub fn settings(&self) -> Arc<Settings> {
        self.state.read().unwrap_or_else(|poisoned| poisoned.into_inner()).0.clone()
    }

    /// Zone of times without zone.
    pub fn zone(&self) -> TimeZone {
        self.state.read().unwrap_or_else(|poisoned| poisoned.into_inner()).1.clone()
    }

    /// How a strict wire's scalars are read in this project.
    pub fn reading(&self, lenient: bool) -> Reading {
        Reading { zone: self.zone(), lenient }
    }

    /// The catalogue as last seen.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.state.read().unwrap_or_else(|poisoned| poisoned.into_inner()).2.clone()
    }

    /// The company of a code, compared without case; companies count from 1.
    pub fn company(&self, code: &str) -> Option<Company> {
        let settings = self.settings();
        let place = settings.companies.iter().position(|company| company.eq_ignore_ascii_case(code))?;
        Some(Company(place as u16 + 1))
    }

    /// The code of a company; the project's own code where it has no companies.
    pub fn company_code(&self, company: Company) -> String {
        let settings = self.settings();
        let place = usize::from(company.0).saturating_sub(1);
        settings.companies.get(place).cloned().unwrap_or_else(|| self.code.to_string())
    }

    /// Wakes those who wait for changes.
    pub(crate) fn note_seq(&self, seq: u64) {
        self.last_seq.send_if_modified(|last| {
            let newer = seq > *last;
            *last = seq.max(*last);
            newer
        });
    }

    pub(crate) fn refresh(&self, settings: Option<Settings>, catalogue: Option<Arc<Catalogue>>) {
        let mut state = self.state.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(settings) = settings {
            state.1 = zone_of(&settings);
            state.0 = Arc::new(settings);
        }
        if let Some(catalogue) = catalogue
            && catalogue.version >= state.2.version
        {
            state.2 = catalogue;
        }
    }
}

fn zone_of(settings: &Settings) -> TimeZone {
    TimeZone::get(&settings.time_zone).unwrap_or(TimeZone::UTC)
}
